"""A sender that never uses a span name twice."""

from __future__ import annotations

import numpy as np

from pipeline.model import row_finder
from pipeline.model.limits import Limits
from pipeline.model.meter import Meter
from pipeline.model.records import Records
from pipeline.model.snapshot import OVERFLOW_LABEL
from pipeline.model.spans import SpanBatch
from pipeline.testing import FakeClock
from pipeline.testing_spans import span_batch

COMPILED = not str(row_finder.__file__).endswith(".py")
BATCHES = 1000 if COMPILED else 10
SPANS = 1000


def floods() -> SpanBatch:
    """One batch whose names are numbers; ``renamed`` gives it others."""
    return span_batch(spans=[{"service": "loud", "name": f"name {i:08d}"} for i in range(SPANS)])


def renamed(spans: SpanBatch, first: int) -> SpanBatch:
    """The same spans with other names of the same length, without encoding and decoding a million messages."""
    records = spans.records
    payload = bytearray(records.payload)
    field = spans.projection.field("name")
    assert field is not None
    for i, at in enumerate((spans.words(field) >> np.uint64(32)).tolist()):
        payload[at + 5 : at + 13] = b"%08d" % (first + i)
    changed = Records(bytes(payload), records.words, records.first, records.width, records.count)
    return SpanBatch(changed, spans.projection, spans.rows)


def test_a_million_span_names_stay_bounded_with_exact_totals() -> None:
    """Catalogue row 37 (Collector CVE-2023-45142): limits hold, no span is lost, other services go on."""
    meter = Meter("test", FakeClock(), Limits(max_series=2_000, max_values_per_label=500))
    labels = ("resource.service.name", "name")
    calls = meter.counter("calls", labels=labels)
    duration = meter.histogram("duration", labels=labels)
    calm = span_batch(service="calm", name="GET /")
    calls.add(calm)
    base = floods()
    calls.add(base)
    size = 0
    for number in range(1, BATCHES):
        groups = renamed(base, number * SPANS).group_by(*labels)
        calls.add(groups)
        duration.record(groups, np.full(SPANS, 0.25))
        size = size or meter.nbytes
    assert meter.nbytes == size
    assert meter.stats()["series"] < 600
    points = list(meter.collect(0).points())
    assert sum(point.value for point in points if point.name == "calls") == BATCHES * SPANS + 1
    durations = [point.value for point in points if point.name == "duration"]
    assert sum(value["count"] for value in durations) == (BATCHES - 1) * SPANS
    assert sum(value["sum"] for value in durations) == (BATCHES - 1) * SPANS * 0.25
    calls.add(calm)
    found = {tuple(point.labels.values()): point.value for point in meter.collect(0).points() if point.name == "calls"}
    assert found["calm", "GET /"] == 2


def test_without_a_limit_per_label_the_flood_ends_in_the_overflow_series() -> None:
    meter = Meter("test", FakeClock(), Limits(max_series=100))
    calls = meter.counter("calls", labels=("name",))
    base = floods()
    for number in range(5):
        calls.add(renamed(base, number * SPANS))
    points = list(meter.collect(0).points())
    assert len(points) == 101
    assert [point.value for point in points if OVERFLOW_LABEL in point.labels] == [5 * SPANS - 100]
