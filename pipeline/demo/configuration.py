"""What the demo runs: the configuration a user would write, on ports that are free."""

from __future__ import annotations

import contextlib
import json
import socket
from dataclasses import dataclass

ANOMALY = {
    "window": "1s",
    "lateness": "3s",
    "late_spans": "current",
    "close_ticks": 10,
    "differs_by": ["span.app.card_type", "resource.service.version"],
}
"""Ticks of a second, because the demo's users have no hours to wait; on a busy machine spans come late."""
STORE_TTL_S = 10
"""How long half an edge waits for the other. Services export within half a second; the rest is for a busy machine."""

CONFIGURATION = """
receivers:
  otlp:
    protocols:
      grpc: {{endpoint: {grpc}}}
      http: {{endpoint: {http}}}
connectors:
  span_metrics:
    histogram: {{unit: s}}
    dimensions: [{{name: http.route}}, {{name: http.response.status_code}}]
    exemplars: {{enabled: true}}
  service_graph:
    store: {{ttl: {ttl}s, max_items: 100000}}
  anomaly: {anomaly}
exporters:
  prometheus: {{endpoint: {metrics}, enable_open_metrics: true}}
extensions:
  admin: {{endpoint: {admin}}}
service:
  extensions: [admin]
  telemetry:
    logs: {{level: warn}}
    metrics: {{address: {own_metrics}}}
  pipelines:
    traces: {{receivers: [otlp], exporters: [span_metrics, service_graph, anomaly]}}
    metrics: {{receivers: [span_metrics, service_graph, anomaly], exporters: [prometheus]}}
"""


@dataclass(frozen=True)
class Addresses:
    """Where the demo listens, as ``host:port``; ``moved`` names the standard ports that were taken."""

    grpc: str
    http: str
    metrics: str
    own_metrics: str
    admin: str
    moved: tuple[int, ...]

    def configuration(self) -> str:
        """Return the YAML."""
        return CONFIGURATION.format(
            grpc=self.grpc,
            http=self.http,
            metrics=self.metrics,
            own_metrics=self.own_metrics,
            admin=self.admin,
            ttl=STORE_TTL_S,
            anomaly=json.dumps(ANOMALY),
        )


def choose_addresses() -> Addresses:
    """Take the standard ports on loopback, and free ones in place of those that are busy."""
    standard = {"grpc": 4317, "http": 4318, "metrics": 8889, "own_metrics": 8888, "admin": 8890}
    chosen: dict[str, str] = {}
    with contextlib.ExitStack() as held:
        for name, port in standard.items():
            chosen[name] = f"127.0.0.1:{_bind(held, port)}"
    moved = tuple(port for name, port in standard.items() if chosen[name] != f"127.0.0.1:{port}")
    return Addresses(**chosen, moved=moved)


def _bind(held: contextlib.ExitStack, port: int) -> int:
    """Return ``port`` if it can be listened on, else a free one; held until all are chosen, so that they differ."""
    for wanted in (port, 0):
        with contextlib.suppress(OSError):
            listener = held.enter_context(socket.create_server(("127.0.0.1", wanted)))
            found: int = listener.getsockname()[1]
            return found
    raise OSError("no free port on 127.0.0.1")
