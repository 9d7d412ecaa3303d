"""Events are taken out of spans: what is left is what the official classes leave, byte for byte where nothing was
changed.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from pipeline.codec.otlp_traces import TracesProjection
from pipeline.codec.signals import projection
from pipeline.model.spans import SpanBatch
from tests.property.ottl_cases import requests

COLUMNS = ("event.span", "event.name", "event.attributes.a", "name", "span.tier", "resource.service.name")


def spans_of(request: Any) -> list[Any]:
    return [span for one in request.resource_spans for scope in one.scope_spans for span in scope.spans]


def expected(request: Any, drop: list[bool]) -> ExportTraceServiceRequest:
    """The request without the events at these places, counted over all spans."""
    without = ExportTraceServiceRequest.FromString(request.SerializeToString())
    verdict = iter(drop)
    for span in spans_of(without):
        kept = [event for event in span.events if not next(verdict)]
        del span.events[:]
        span.events.extend(kept)
    return without


def decode(payload: bytes) -> SpanBatch:
    return TracesProjection(COLUMNS).decode(payload)[0]


@settings(max_examples=150, deadline=None)
@given(requests["traces"], st.data())
def test_the_rest_is_what_the_official_classes_leave(request: Any, data: Any) -> None:
    batch = decode(request.SerializeToString())
    n = len(batch["event.span"])
    drop = data.draw(st.lists(st.booleans(), min_size=n, max_size=n))
    left = batch.without_events(np.array(drop, bool))
    wanted = expected(request, drop)
    assert left.to_otlp() == wanted.SerializeToString()
    names = [event.name for span in spans_of(wanted) for event in span.events]
    assert left["event.name"].tolist() == names
    assert left["event.span"].tolist() == [i for i, span in enumerate(spans_of(wanted)) for _ in span.events]
    again = data.draw(st.lists(st.booleans(), min_size=len(names), max_size=len(names)))
    twice = left.without_events(np.array(again, bool))
    assert twice.to_otlp() == expected(wanted, again).SerializeToString()


@settings(max_examples=50, deadline=None)
@given(requests["traces"], st.data())
def test_edits_before_and_after_and_dropped_spans_go_together(request: Any, data: Any) -> None:
    batch = decode(request.SerializeToString())
    kept = np.array(data.draw(st.lists(st.booleans(), min_size=len(batch), max_size=len(batch))), bool)
    batch = batch.where(kept).with_column("span.tier", "gold")
    n = len(batch["event.span"])
    drop = np.array(data.draw(st.lists(st.booleans(), min_size=n, max_size=n)), bool)
    left = batch.without_events(drop).with_column("name", "renamed")
    again = ExportTraceServiceRequest.FromString(left.to_otlp())
    found = spans_of(again)
    originals = [span for span, one in zip(spans_of(request), kept, strict=True) if one]
    verdict = iter(drop.tolist())
    for span, original in zip(found, originals, strict=True):
        assert span.name == "renamed"
        assert span.attributes[-1].key == "tier"
        assert list(span.events) == [event for event in original.events if not next(verdict)]


def test_without_a_dropped_event_the_batch_is_the_same_object() -> None:
    batch, _ = projection("traces", COLUMNS).decode(b"")
    assert batch.without_events(np.zeros(0, bool)) is batch
