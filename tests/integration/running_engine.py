"""A whole Weir in this process: real receivers and a real /metrics page on loopback, time in the hands of the test."""

from __future__ import annotations

import logging
import math
import urllib.request
from collections import Counter
from types import TracebackType
from typing import Any, NamedTuple

import grpc
from google.rpc.status_pb2 import Status
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)
from opentelemetry.proto.trace.v1.trace_pb2 import Span
from prometheus_client.openmetrics.parser import text_string_to_metric_families as parse_openmetrics
from prometheus_client.parser import text_string_to_metric_families as parse_text

from pipeline.config.check import check
from pipeline.config.load import load_document
from pipeline.service.engine import Engine
from pipeline.service.registry import Registry
from pipeline.testing import FakeClock, SpanSink
from tests.integration.raw_grpc import EXPORT
from tests.integration.raw_http import Client, post

WAIT_S = 30.0
LOCAL = """
receivers: {otlp: {protocols: {grpc: {endpoint: "127.0.0.1:0"}, http: {endpoint: "127.0.0.1:0"}}}}
exporters: {spans: , prometheus: {endpoint: "127.0.0.1:0", enable_open_metrics: true}}
service:
  pipelines:
    traces: {receivers: [otlp], exporters: [span_metrics, service_graph, spans]}
    metrics: {receivers: [span_metrics, service_graph], exporters: [prometheus]}
  telemetry: {metrics: {level: none}}
"""
CALLS, DURATION = "traces_span_metrics_calls_total", "traces_span_metrics_duration_seconds"
EDGES = "traces_service_graph_request_total"

Labels = frozenset[tuple[str, str]]


class Answer(NamedTuple):
    """What a sender is told, whatever the transport.

    Attributes:
        outcome: ``ok``, ``malformed`` (never send it again), ``too_large``, ``busy`` (send it later).
        rejected: Items of an accepted request that were not.
        message: For a person.
    """

    outcome: str
    rejected: int
    message: str


HTTP_OUTCOMES = {200: "ok", 400: "malformed", 413: "too_large", 503: "busy"}
GRPC_OUTCOMES = {
    grpc.StatusCode.INVALID_ARGUMENT: "malformed",
    grpc.StatusCode.RESOURCE_EXHAUSTED: "too_large",
    grpc.StatusCode.UNAVAILABLE: "busy",
}


class RunningEngine:
    """Use it as a context manager.

    Args:
        config: YAML with the connectors, merged over ``LOCAL``.
    Attributes:
        clock: Its time.
        log: Lines that somebody would read, and their ``reasons``.
        url: Of the page.
    """

    def __init__(self, config: str) -> None:
        self.clock = FakeClock()
        sources = {"LOCAL": LOCAL, "CONFIG": config}
        document = load_document([f"env:{name}" for name in sources], environ=sources)
        checked = check(document, Registry({"exporters": {"spans": SpanSink}}))
        self.engine = Engine(checked, self.clock)
        self.log = _Log()

    def __enter__(self) -> RunningEngine:
        logger = logging.getLogger("weir")
        logger.addHandler(self.log)
        self._level = logger.level
        logger.setLevel(logging.INFO)
        self.engine.start()
        receiver: Any = self.engine.graph.receivers["otlp"]
        exporter: Any = self.engine.graph.exporters["prometheus"]
        target = "{}:{}".format(*receiver.addresses["grpc"])
        options = [("grpc.use_local_subchannel_pool", 1), ("grpc.max_send_message_length", -1)]
        self._channel = grpc.insecure_channel(target, options=options)
        self._http = Client(receiver.addresses["http"])
        self.url = "http://{}:{}/metrics".format(*exporter.address)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._channel.close()
        self._http.close()
        self.engine.stop(5.0)
        logger = logging.getLogger("weir")
        logger.removeHandler(self.log)
        logger.setLevel(self._level)

    def send(self, body: bytes, transport: str = "http") -> Answer:
        """Export and wait for the answer."""
        return self._send_grpc(body) if transport == "grpc" else self._send_http(body)

    def pass_time(self, seconds: float) -> None:
        """Let time pass; then every component ticks."""
        self.clock.advance(seconds)
        self.engine._tick_all()

    def page(self, *, openmetrics: bool = False) -> bytes:
        """The page."""
        accept = "application/openmetrics-text;version=1.0.0" if openmetrics else "text/plain"
        request = urllib.request.Request(self.url, headers={"accept": accept})
        with urllib.request.urlopen(request, timeout=WAIT_S) as answer:
            body: bytes = answer.read()
            return body

    def samples(self, name: str, *, openmetrics: bool = False) -> dict[Labels, float]:
        """Samples of the page that are not 0, read by a strict parser, without labels of scope and target."""
        parse = parse_openmetrics if openmetrics else parse_text
        found: dict[Labels, float] = {}
        for family in parse(self.page(openmetrics=openmetrics).decode()):
            for sample in family.samples:
                assert math.isfinite(sample.value)
                if sample.name == name and sample.value:
                    labels = frozenset(pair for pair in sample.labels.items() if not pair[0].startswith("otel_scope_"))
                    assert labels not in found
                    found[labels] = sample.value
        return found

    def total(self, name: str) -> float:
        """Sum over all series."""
        return sum(self.samples(name).values())

    def own(self, name: str, **labels: str) -> float:
        """One of the metrics about itself."""
        return self.engine.metrics.value(name, **labels)

    def reasons(self, name: str) -> dict[str, int]:
        """One of the metrics about itself by reason, without those at 0."""
        found: Counter[str] = Counter()
        for metric, labels, value in self.engine.metrics.samples():
            if metric == name:
                found[labels["reason"]] += int(value)
        return dict(+found)

    def requests(self) -> dict[str, int]:
        """Requests by outcome."""
        found: Counter[str] = Counter()
        for metric, labels, value in self.engine.metrics.samples():
            if metric == "weir_receiver_requests":
                found[labels["outcome"]] += int(value)
        return dict(found)

    def passed_on(self) -> list[Span]:
        """Spans that reached an exporter."""
        sink: Any = self.engine.graph.exporters["spans"]
        requests = [ExportTraceServiceRequest.FromString(batch.to_otlp()) for batch in sink.batches]
        return [
            span
            for request in requests
            for resource in request.resource_spans
            for scope in resource.scope_spans
            for span in scope.spans
        ]

    def _send_http(self, body: bytes) -> Answer:
        self._http.send(post(body, "Content-Type: application/x-protobuf", path="/v1/traces"))
        answer = self._http.answer()
        if answer.status != 200:
            return Answer(HTTP_OUTCOMES[answer.status], 0, Status.FromString(answer.body).message)
        return _accepted(answer.body)

    def _send_grpc(self, body: bytes) -> Answer:
        call = self._channel.unary_unary(EXPORT).with_call
        try:
            response, _ = call(body, timeout=WAIT_S, wait_for_ready=True)
        except grpc.RpcError as error:
            return Answer(GRPC_OUTCOMES[error.code()], 0, str(error.details()))
        return _accepted(response)


def _accepted(body: bytes) -> Answer:
    partial = ExportTraceServiceResponse.FromString(body).partial_success
    return Answer("ok", partial.rejected_spans, partial.error_message)


class _Log(logging.Handler):
    """Log lines with their fields."""

    def __init__(self) -> None:
        super().__init__()
        self.lines: list[str] = []
        self.reasons: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        fields = getattr(record, "fields", {})
        self.lines.append(f"{record.getMessage()} {fields} {record.exc_info or ''}")
        if "reason" in fields:
            self.reasons.append(f"{record.name} {getattr(record, 'component', '')} {fields['reason']}")
