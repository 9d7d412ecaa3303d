"""A whole Weir on loopback for SDKs to send to, with exporters that keep what they get."""

from __future__ import annotations

import urllib.request
from collections.abc import Mapping
from types import TracebackType
from typing import Any

from google.protobuf.message import Message

from pipeline.api import Exporter
from pipeline.config.check import check
from pipeline.config.load import load_document
from pipeline.receivers.signals import SIGNALS
from pipeline.service.clock import SystemClock
from pipeline.service.engine import Engine
from pipeline.service.registry import Registry
from pipeline.testing import LogSink, MetricSink, SpanSink

RECEIVER = 'receivers: {otlp: {protocols: {grpc: {endpoint: "127.0.0.1:0"}, http: {endpoint: "127.0.0.1:0"}}}}\n'
SINKS: dict[str, Any] = {"traces": SpanSink, "metrics": MetricSink, "logs": LogSink}


class SdkTarget:
    """Use it as a context manager.

    Args:
        config: YAML without receivers, in which ``traces``, ``metrics`` and ``logs`` are exporters that keep.
        receivers: YAML of those.
        plugins: Further exporters.
    Attributes:
        grpc, http: Where to send to.
    """

    def __init__(
        self, config: str, receivers: str = RECEIVER, plugins: Mapping[str, type[Exporter]] | None = None
    ) -> None:
        document = load_document(["env:CONFIG"], environ={"CONFIG": receivers + config})
        self._engine = Engine(check(document, Registry({"exporters": {**SINKS, **(plugins or {})}})), SystemClock())

    def __enter__(self) -> SdkTarget:
        self._engine.start()
        receiver: Any = self._engine.graph.receivers.get("otlp")
        if receiver is not None:
            self.grpc = "{}:{}".format(*receiver.addresses["grpc"])
            self.http = "http://{}:{}".format(*receiver.addresses["http"])
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._engine.stop(5.0)

    def received(self, signal: str) -> list[Any]:
        """The requests of a signal that reached its exporter."""
        sink: Any = self._engine.graph.exporters[signal]
        request: type[Message] = SIGNALS[signal].request
        return [request.FromString(batch.to_otlp()) for batch in sink.batches]

    def own(self, name: str, **labels: str) -> float:
        """One of the metrics about itself."""
        return self._engine.metrics.value(name, **labels)

    def page(self, accept: str) -> bytes:
        """The metrics page in a form."""
        exporter: Any = self._engine.graph.exporters["prometheus"]
        url = "http://{}:{}/metrics".format(*exporter.address)
        with urllib.request.urlopen(urllib.request.Request(url, headers={"accept": accept}), timeout=30) as answer:
            body: bytes = answer.read()
            return body
