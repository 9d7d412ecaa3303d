"""RED metrics the slow and obvious way: official protobuf messages in, a dict of series out. Shares no code with Weir.

    red([ExportTraceServiceRequest(...)], dimensions=["http.route"])[key].calls

A key is the sorted label items of a series, in the Collector's names; a label without a value is left out.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span, Status

BOUNDS_NS = tuple(ms * 10**6 for ms in (2, 4, 6, 8, 10, 50, 100, 200, 400, 800, 1000, 1400, 2000, 5000, 10_000, 15_000))
DAY_NS = 86_400 * 10**9

Key = tuple[tuple[str, str], ...]


@dataclass
class Series:
    """One series: spans; observations per bucket, not cumulative, the last is +Inf ([]: none); their sum in ns."""

    calls: int = 0
    buckets: list[int] = field(default_factory=list)
    sum_ns: int = 0


def text(value: Any) -> str:
    """String form of an AnyValue, scalars only."""
    kind = value.WhichOneof("value")
    plain = getattr(value, kind) if kind else ""
    return str(plain).lower() if kind == "bool_value" else str(plain)


def spans_of(requests: Iterable[ExportTraceServiceRequest]) -> Iterator[tuple[dict[str, str], dict[str, str], Span]]:
    """Resource attributes, span attributes and span; of a repeated key the first counts."""
    for request in requests:
        for resource_spans in request.resource_spans:
            resource = {pair.key: text(pair.value) for pair in reversed(resource_spans.resource.attributes)}
            for scope_spans in resource_spans.scope_spans:
                for span in scope_spans.spans:
                    yield resource, {pair.key: text(pair.value) for pair in reversed(span.attributes)}, span


def red(
    requests: Iterable[ExportTraceServiceRequest],
    *,
    dimensions: Sequence[str] = (),
    defaults: Mapping[str, str] | None = None,
    bounds_ns: Sequence[int] = BOUNDS_NS,
    resource_labels: Sequence[str] = (),
) -> dict[Key, Series]:
    """The series of all spans. ``resource_labels``: resource attributes that tell series apart besides dimensions."""
    series: dict[Key, Series] = {}
    for resource, attributes, span in spans_of(requests):
        both = resource | attributes
        labels = dict(defaults or {})
        labels |= {key: resource[key] for key in resource_labels if key in resource}
        labels |= {key: both[key] for key in dimensions if key in both}
        labels["service.name"] = resource.get("service.name") or "unknown_service"
        labels["span.name"] = span.name or "unknown"
        labels["span.kind"] = Span.SpanKind.Name(span.kind if span.kind <= 5 else Span.SPAN_KIND_UNSPECIFIED)
        code = span.status.code
        labels["status.code"] = Status.StatusCode.Name(code if code <= 2 else Status.STATUS_CODE_UNSET)
        one = series.setdefault(tuple(sorted(labels.items())), Series())
        one.calls += 1
        duration = max(span.end_time_unix_nano - span.start_time_unix_nano, 0)
        if span.start_time_unix_nano and span.end_time_unix_nano and duration <= DAY_NS:
            one.buckets = one.buckets or [0] * (len(bounds_ns) + 1)
            one.buckets[sum(bound < duration for bound in bounds_ns)] += 1
            one.sum_ns += duration
    return series
