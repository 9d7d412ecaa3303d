"""Weir in compressed time: the real engine with its real servers, whose clock is moved on after every few seconds.

Between two moves the clock runs as clocks do, so durations that Weir measures of itself are real ones.
"""

from __future__ import annotations

import struct
import urllib.request
from collections.abc import Iterable, Sequence
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from types import TracebackType

import grpc
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import ResourceSpans, Span, Status

from dashboards.preview.scenario import OLD_RELEASE, Event, version_of
from pipeline.api import MetricSnapshot
from pipeline.config.check import check
from pipeline.config.load import load_document
from pipeline.demo.shop import SERVICES, Transport
from pipeline.model.any_value import key_values
from pipeline.promql.flavour import Flavour
from pipeline.service.clock import SystemClock
from pipeline.service.engine import Engine
from pipeline.service.registry import Registry

EXPORT = "/opentelemetry.proto.collector.trace.v1.TraceService/Export"
PAGE = "prometheus"
OPENMETRICS = "application/openmetrics-text; version=1.0.0"
PROTOBUF = "application/vnd.google.protobuf; proto=io.prometheus.client.MetricFamily; encoding=delimited"
CONFIGURATION = """
receivers:
  otlp: {{protocols: {{grpc: {{endpoint: "127.0.0.1:0"}}, http: {{endpoint: "127.0.0.1:0"}}}}}}
processors:
  memory_limiter: {{limit_mib: 4000, spike_limit_mib: 500}}
connectors:
  span_metrics: {spans}
  service_graph: {edges}
  anomaly:
    window: 15s
    differs_by: [resource.service.version, span.app.card_type, span.http.route]
    lasting_ticks: 240
  slo:
    objectives:
      - {{name: checkout-availability, service: checkout, objective: 99.7}}
      - {{name: frontend-latency, service: frontend, objective: 97, latency: 250ms}}
      - {{name: recommendation-availability, service: recommendation, objective: 99.5}}
exporters:
  prometheus: {{endpoint: "127.0.0.1:{page}", enable_open_metrics: true}}
  otlphttp/traces: {{endpoint: "http://127.0.0.1:{backend}", timeout: 1h}}
service:
  telemetry: {{logs: {{level: error}}, metrics: {{address: "127.0.0.1:0"}}}}
  pipelines:
    traces:
      receivers: [otlp]
      processors: [memory_limiter]
      exporters: [span_metrics, service_graph, anomaly, slo, otlphttp/traces]
    metrics: {{receivers: [span_metrics, service_graph, anomaly, slo], exporters: [prometheus]}}
"""


class CompressedClock:
    """A clock that can be moved on. Implements ``pipeline.api.Clock``."""

    def __init__(self, unix_nano: int) -> None:
        self._system = SystemClock()
        self._skipped = 0
        self._epoch = unix_nano - self._system.monotonic_nano()

    def monotonic_nano(self) -> int:
        """Nanoseconds that never go backwards."""
        return self._system.monotonic_nano() + self._skipped

    def unix_nano(self) -> int:
        """Nanoseconds since 1970."""
        return self._epoch + self.monotonic_nano()

    def move_to(self, unix_nano: int) -> None:
        """Skip the time until then; nothing happens if it has come already."""
        self._skipped += max(0, unix_nano - self.unix_nano())


class Backend:
    """Where the traces end: takes everything and keeps nothing."""

    def __init__(self) -> None:
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _Taker)
        self.port: int = self._server.server_address[1]
        Thread(target=self._server.serve_forever, daemon=True).start()

    def stop(self) -> None:
        """Close the port."""
        self._server.shutdown()
        self._server.server_close()


class _Taker(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        """Read and forget."""
        self.rfile.read(int(self.headers["content-length"]))
        self.send_response(200)
        self.send_header("content-type", "application/x-protobuf")
        self.send_header("content-length", "0")
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base's signature
        """Nothing is logged."""


class Replica:
    """One Weir; use it as a context manager.

    Args:
        flavour: Of its metrics.
        begin_unix_nano: The time at which it starts.
    """

    def __init__(self, flavour: Flavour, begin_unix_nano: int) -> None:
        self._flavour = flavour
        self.clock = CompressedClock(begin_unix_nano)
        self._backend = Backend()
        self.configuration = configuration(flavour, self._backend.port)
        checked = check(load_document([f"yaml:{self.configuration}"]), Registry())
        self.engine = Engine(checked, self.clock, {"service.name": "weir"})
        self._channel: grpc.Channel | None = None

    def __enter__(self) -> Replica:
        self.engine.start()
        addresses = self.engine.graph.receivers["otlp"].addresses  # type: ignore[attr-defined]
        self._channel = grpc.insecure_channel("{}:{}".format(*addresses["grpc"]))
        self._grpc = self._channel.unary_unary(EXPORT)
        self._http = "http://{}:{}/v1/traces".format(*addresses["http"])
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._channel is not None:
            self._channel.close()
        self.engine.stop(5.0)
        self._backend.stop()

    def take(self, events: Iterable[Event], end_unix_nano: int, now_unix_nano: int) -> None:
        """Receive what happened, as each service's exporter sends it, and let time go on until ``now``.

        Args:
            events: Times are relative to ``end_unix_nano``.
        """
        self.clock.move_to(now_unix_nano)
        for transport, payload in requests(events, end_unix_nano):
            if transport is Transport.GRPC:
                self._grpc(payload)
            else:
                headers = {"content-type": "application/x-protobuf"}
                urllib.request.urlopen(urllib.request.Request(self._http, payload, headers)).close()
        self.engine.schedule.run_due()

    def collect(self) -> Sequence[MetricSnapshot]:
        """What a scrape would see."""
        return self.engine.collect(PAGE)

    def own_page(self) -> str:
        """The page of metrics about Weir itself."""
        (address,) = self.engine.own_metrics_addresses
        return _get("http://{}:{}/metrics".format(*address), "text/plain").decode()

    def scrape(self) -> None:
        """Ask for the page in the format that a Prometheus asks for; what ``collect`` gives is what it would read."""
        host, port = self.engine.graph.exporters[PAGE].address  # type: ignore[attr-defined]
        _get(f"http://{host}:{port}/metrics", PROTOBUF if self._flavour.native else OPENMETRICS)


def configuration(flavour: Flavour, backend_port: int) -> str:
    """The YAML of a Weir whose metrics have a flavour."""
    if flavour.tempo:
        native = ", generate_native_histograms: native" if flavour.native else ""
        spans = f"{{naming: tempo, enable_target_info: true, exemplars: {{enabled: true}}{native}}}"
    else:
        kind = ", exponential: {}" if flavour.native else ""
        spans = f"{{histogram: {{unit: {flavour.unit}{kind}}}, exemplars: {{enabled: true}}}}"
    edges = "{store: {ttl: 15s, max_items: 100000}, exemplars: {enabled: true}"
    edges += ", exponential_histogram_max_size: 160}" if flavour.native else "}"
    return CONFIGURATION.format(spans=spans, edges=edges, page=0, backend=backend_port)


def requests(events: Iterable[Event], end_unix_nano: int) -> Iterable[tuple[Transport, bytes]]:
    """OTLP requests, one for each transport; services of which nothing is known speak gRPC."""
    found = {transport: ExportTraceServiceRequest() for transport in Transport}
    scopes: dict[tuple[str, str], ResourceSpans] = {}
    for at_s, trace in sorted(events, key=lambda event: event[0]):
        begin = end_unix_nano + round(at_s * 1e9) - trace.duration
        identity = _identity(at_s, begin)
        for number, planned in enumerate(trace.spans):
            version = version_of(planned.service, at_s)
            if (planned.service, version) not in scopes:
                request = found[SERVICES.get(planned.service, Transport.GRPC)]
                scopes[planned.service, version] = _resource(request.resource_spans.add(), planned.service, version)
            scopes[planned.service, version].scope_spans[0].spans.append(
                Span(
                    trace_id=identity,
                    span_id=identity[8:15] + bytes((number + 1,)),
                    parent_span_id=b"" if planned.parent is None else identity[8:15] + bytes((planned.parent + 1,)),
                    name=planned.name,
                    kind=Span.SpanKind.Value(f"SPAN_KIND_{planned.kind.name}"),
                    start_time_unix_nano=begin + planned.start,
                    end_time_unix_nano=begin + planned.end,
                    attributes=key_values(planned.attributes),
                    status=Status(code=Status.STATUS_CODE_ERROR if planned.failed else Status.STATUS_CODE_UNSET),
                )
            )
    return [(transport, one.SerializeToString()) for transport, one in found.items() if one.resource_spans]


def _identity(at_s: float, begin: int) -> bytes:
    return begin.to_bytes(8, "big") + struct.pack(">d", at_s)


def _resource(resource_spans: ResourceSpans, service: str, version: str) -> ResourceSpans:
    attributes = {
        "service.name": service,
        "service.namespace": "shop",
        "service.version": version,
        "service.instance.id": f"{service}-{0 if version == OLD_RELEASE else 1}",
        "host.name": f"node-{len(service) % 3}",
    }
    resource_spans.resource.attributes.extend(key_values(attributes))
    resource_spans.scope_spans.add().scope.name = "shop"
    return resource_spans


def _get(url: str, accept: str) -> bytes:
    with urllib.request.urlopen(urllib.request.Request(url, headers={"accept": accept})) as answer:
        content: bytes = answer.read()
        return content
