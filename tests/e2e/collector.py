"""A real OpenTelemetry Collector: OTLP in, processors, OTLP out to a list."""

from __future__ import annotations

import subprocess
import threading
import urllib.error
import urllib.request
from collections.abc import Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Self

import yaml

from tests.integration.weir_process import free_ports
from tests.programs import OTELCOL
from tests.waiting import eventually

TYPES = {"traces": "/v1/traces", "metrics": "/v1/metrics", "logs": "/v1/logs"}


class Collector:
    """One pipeline per processor and signal; what is sent through one comes back at once.

    Args:
        folder: For its configuration and its log.
        processors: By id.
        signals: Of all of them.
    """

    def __init__(self, folder: Path, processors: Mapping[str, Mapping[str, Any]], signals: tuple[str, ...]) -> None:
        self._folder = folder
        self._processors = processors
        self._signals = signals
        self._ports = dict(zip(processors, free_ports(len(processors)), strict=True))
        self._received: list[bytes] = []
        received = self._received

        class Sink(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                received.append(self.rfile.read(int(self.headers["content-length"])))
                self.send_response(200)
                self.send_header("content-length", "0")
                self.end_headers()

            def log_message(self, *args: Any) -> None:
                pass

        self._sink = ThreadingHTTPServer(("127.0.0.1", 0), Sink)

    def __enter__(self) -> Self:
        threading.Thread(target=self._sink.serve_forever, daemon=True).start()
        path = self._folder / "collector.yaml"
        path.write_text(yaml.safe_dump(self._config()), encoding="utf-8")
        with (self._folder / "collector.log").open("w") as log:
            self._process = subprocess.Popen([OTELCOL.path, "--config", str(path)], stderr=log)
        for processor in self._processors:
            eventually(lambda processor=processor: self._answers(processor))  # type: ignore[misc]
        return self

    def __exit__(self, *error: object) -> None:
        self._process.terminate()
        self._process.wait(30)
        self._sink.shutdown()
        self._sink.server_close()

    def through(self, processor: str, signal: str, body: bytes) -> bytes:
        """What goes on of a request: parts of one, joined."""
        self._received.clear()
        self._post(processor, signal, body)
        return b"".join(self._received)

    def _post(self, processor: str, signal: str, body: bytes) -> None:
        url = f"http://127.0.0.1:{self._ports[processor]}{TYPES[signal]}"
        request = urllib.request.Request(url, body, {"content-type": "application/x-protobuf"})
        with urllib.request.urlopen(request, timeout=30):
            pass

    def _answers(self, processor: str) -> None:
        try:
            self._post(processor, self._signals[0], b"")
        except urllib.error.URLError as error:
            raise AssertionError((self._folder / "collector.log").read_text()[-2_000:]) from error

    def _config(self) -> dict[str, Any]:
        exporter: dict[str, Any] = {"endpoint": f"http://127.0.0.1:{self._sink.server_port}", "compression": "none"}
        # Without a queue it answers when the request has come through.
        exporter |= {"sending_queue": {"enabled": False}, "retry_on_failure": {"enabled": False}}
        receivers, pipelines = {}, {}
        for number, processor in enumerate(self._processors):
            endpoint = {"endpoint": f"127.0.0.1:{self._ports[processor]}"}
            receivers[f"otlp/{number}"] = {"protocols": {"http": endpoint}}
            for signal in self._signals:
                pipelines[f"{signal}/{number}"] = {
                    "receivers": [f"otlp/{number}"],
                    "processors": [processor],
                    "exporters": ["otlphttp"],
                }
        telemetry = {"metrics": {"level": "none"}, "logs": {"level": "error"}}
        return {
            "receivers": receivers,
            "processors": dict(self._processors),
            "exporters": {"otlphttp": exporter},
            "service": {"telemetry": telemetry, "pipelines": pipelines},
        }
