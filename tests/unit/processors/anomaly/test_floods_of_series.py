"""A million series attempted: limits hold, and every span and every refusal is counted."""

from __future__ import annotations

import numpy as np
import pytest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue
from opentelemetry.proto.resource.v1.resource_pb2 import Resource
from opentelemetry.proto.trace.v1.trace_pb2 import ResourceSpans, ScopeSpans, Span

from pipeline.codec.otlp_traces import TracesProjection
from pipeline.testing import START_UNIX_NANO, Harness
from processors.anomaly import Anomaly
from processors.anomaly.series_bank import DURATION, REFUSED, Series, SeriesBank

pytestmark = pytest.mark.simulation
SERIES = 1_000_000
REQUEST = 50_000
DIGITS = 7


def request(first: int, count: int) -> bytes:
    """One span each of ``count`` operations, encoded from a pattern."""
    name, ident = b"#" * DIGITS, b"\xa1" * 8
    span = Span(
        trace_id=b"\xa2" * 8 + ident,
        span_id=b"\xa3" * 8,
        name=name.decode(),
        kind=Span.SPAN_KIND_SERVER,
        start_time_unix_nano=START_UNIX_NANO + 1_000_000_000,
        end_time_unix_nano=START_UNIX_NANO + 2_000_000_000,
    )
    pattern = ScopeSpans(spans=[span]).SerializeToString()
    spans = np.tile(np.frombuffer(pattern, np.uint8), (count, 1))
    numbers = np.arange(first, first + count)
    at = pattern.index(name)
    spans[:, at : at + DIGITS] = numbers[:, None] // 10 ** np.arange(DIGITS - 1, -1, -1) % 10 + ord("0")
    at = pattern.index(ident)
    spans[:, at : at + 8] = numbers.astype(np.uint64)[:, None].view(np.uint8)
    resource = Resource(attributes=[KeyValue(key="service.name", value=AnyValue(string_value="flood"))])
    head = ResourceSpans(resource=resource).SerializeToString()
    scope = spans.tobytes()
    body = head + b"\x12" + _varint(len(scope)) + scope
    return b"\x0a" + _varint(len(body)) + body


def _varint(number: int) -> bytes:
    out = bytearray()
    while number > 0x7F:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    return bytes((*out, number))


def test_a_million_operations_leave_the_limits_where_they_are_and_every_span_is_counted() -> None:
    run = Harness(Anomaly, max_series=2_000, max_operations=1_000, max_spans=2 * SERIES, differs_by=())
    projection = TracesProjection(run.processor.reads)
    for first in range(0, SERIES, REQUEST):
        spans, rejected = projection.decode(request(first, REQUEST))
        assert not rejected
        run.processor.process_traces(spans)
    run.advance(30)
    assert run.own.value("weir_anomaly_spans", outcome="joined") == SERIES
    assert run.processor.bank.live <= 2_000
    assert run.processor.inputs.operations.live <= 1_001
    assert len(run.processor.snapshot()) < 10_000_000


def test_a_bank_refuses_what_it_has_no_row_for_and_counts_each() -> None:
    bank = SeriesBank(20_000)
    rows = [bank.row(Series(DURATION, "flood", str(number)), 0) for number in range(SERIES)]
    assert rows[:20_000] == list(range(20_000))
    assert set(rows[20_000:]) == {REFUSED}
    assert (bank.live, bank.refused) == (20_000, SERIES - 20_000)
