"""Each configuration of ``tests/data/collector`` starts, takes a span where senders need no credentials, and stops.

Listeners are moved to free ports of the loopback interface; destinations do not exist.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import grpc
import pytest
import yaml

from pipeline.config.yaml_reader import read_yaml
from pipeline.service.clock import SystemClock
from pipeline.service.engine import Engine
from pipeline.testing import export_request
from tests.integration.raw_grpc import EXPORT
from tests.unit.config.test_collector_configurations import ACCEPTED, checked

SPAN = export_request([{"service": "cart", "name": "GET /api/items/7?x=1"}]).SerializeToString()
LOCAL = "127.0.0.1:0"


def moved(path: Path) -> dict[str, Any]:
    """The configuration, listening on any free port, without own metrics."""
    config: dict[str, Any] = read_yaml(path.read_text(), path.name).plain()
    protocols = config["receivers"]["otlp"]["protocols"]
    for name, one in protocols.items():
        protocols[name] = {**(one or {}), "endpoint": LOCAL}
    for section, types in (("exporters", ["prometheus"]), ("extensions", ["health_check"])):
        for name, one in (config.get(section) or {}).items():
            if name.partition("/")[0] in types:
                config[section][name] = {**(one or {}), "endpoint": LOCAL}
    config["service"].setdefault("telemetry", {})["metrics"] = {"level": "none"}
    return config


@pytest.mark.parametrize("path", ACCEPTED, ids=lambda path: path.stem)
def test_it_starts_takes_a_span_and_stops(path: Path, tmp_path: Path) -> None:
    config = moved(path)
    (tmp_path / "queue").mkdir()
    engine = Engine(checked(yaml.safe_dump(config), tmp_path), SystemClock())
    engine.start()
    try:
        listener = config["receivers"]["otlp"]["protocols"].get("grpc", {"tls": "none there"})
        takes_spans = any(name.partition("/")[0] == "traces" for name in config["service"]["pipelines"])
        if takes_spans and not {"tls", "auth"} & listener.keys():
            receiver: Any = engine.graph.receivers["otlp"]
            host, port = receiver.addresses["grpc"]
            with grpc.insecure_channel(f"{host}:{port}", [("grpc.use_local_subchannel_pool", 1)]) as channel:
                channel.unary_unary(EXPORT)(SPAN, timeout=20)
            accepted = engine.metrics.value("otelcol_receiver_accepted_spans", receiver="otlp", transport="grpc")
            assert accepted == 1
    finally:
        engine.stop(0.0)
