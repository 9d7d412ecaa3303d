"""Meters: sharing, collecting, memory."""

from __future__ import annotations

import numpy as np
import pytest

from pipeline.model.limits import Limits
from pipeline.model.meter import Meter
from pipeline.model.snapshot import Scope
from pipeline.model.spans import label
from pipeline.testing import START_UNIX_NANO, FakeClock, span_batch

RED_BUCKETS = (0.002, 0.004, 0.006, 0.008, 0.01, 0.05, 0.1, 0.2, 0.4, 0.8, 1.0, 1.4, 2.0, 5.0, 10.0, 15.0)


def test_instruments_with_the_same_labels_share_a_table() -> None:
    meter = Meter("test", FakeClock())
    calls = meter.counter("c", labels=("name", "kind"))
    duration = meter.histogram("d", labels=("name", label("kind")))
    other = meter.counter("o", labels=("kind", "name"))
    small = meter.counter("s", labels=("name", "kind"), limits=Limits(max_series=5))
    assert calls.table is duration.table
    assert len({id(one.table) for one in (calls, other, small)}) == 3
    assert meter.table(("name", "kind")) is calls.table
    assert small.table.limits.max_series == 5


def test_a_name_is_given_once() -> None:
    meter = Meter("test", FakeClock())
    meter.counter("c")
    with pytest.raises(ValueError, match="already an instrument 'c'"):
        meter.gauge("c")
    with pytest.raises(ValueError, match="labels appear twice"):
        meter.counter("d", labels=("name", "name"))


def test_a_batch_says_where_and_when() -> None:
    meter = Meter("spanmetricsconnector", FakeClock(), scope_version="1.2")
    meter.counter("c").add(())
    batch = meter.collect(77)
    assert (batch.time_unix_nano, batch.scope, len(batch)) == (77, Scope("spanmetricsconnector", "1.2"), 1)
    assert batch.metrics[0].series.start_unix_nano.tolist() == [START_UNIX_NANO]


def test_a_batch_does_not_change_after_it_was_taken() -> None:
    meter = Meter("test", FakeClock(), Limits(expire_series_after_s=1))
    calls = meter.counter("c", labels=("name",))
    duration = meter.histogram("d", labels=("name",))
    calls.add(("a",))
    duration.record(("a",), 1.0)
    batch = meter.collect(0)
    before = list(batch.points())
    for i in range(500):
        calls.add((str(i),))
        duration.record((str(i),), 2.0)
    calls.add(("a",))
    assert list(batch.points()) == before


def test_series_of_all_tables_refer_to_one_list_of_resources() -> None:
    meter = Meter("test", FakeClock())
    calls = meter.counter("c", labels=("name",), per_resource=True)
    kinds = meter.counter("k", labels=("kind",), per_resource=True)
    plain = meter.counter("p")
    a, b = (span_batch(service=service, columns=("resource",)) for service in "ab")
    kinds.add(b)
    calls.add(a)
    calls.add(b)
    plain.add(())
    batch = meter.collect(0)
    assert sorted(one.job for one in batch.resources) == ["a", "b"]
    found = {(point.name, point.resource.get("service.name")) for point in batch.points()}
    assert found == {("c", "a"), ("c", "b"), ("k", "b"), ("p", None)}


def test_series_are_the_same_object_while_none_comes_or_goes() -> None:
    meter = Meter("test", FakeClock())
    calls = meter.counter("c", labels=("name",))
    duration = meter.histogram("d", labels=("name",))
    calls.add(("a",))
    duration.record(("b",), 1.0)
    first, second = meter.collect(0), meter.collect(1)
    assert [m.series for m in first.metrics] == [m.series for m in second.metrics]
    calls.add(("c",))
    assert meter.collect(2).metrics[0].series is not first.metrics[0].series


def test_new_series_have_higher_numbers() -> None:
    meter = Meter("test", FakeClock())
    calls, other = meter.counter("c", labels=("name",)), meter.counter("o", labels=("kind",))
    calls.add(("a",))
    last = max(max(metric.series.created_seq) for metric in meter.collect(0).metrics)
    other.add(("x",))
    calls.add(("b",))
    new = {
        (metric.name, *metric.series.attributes(i).values())
        for metric in meter.collect(0).metrics
        for i in np.flatnonzero(metric.series.created_seq > last).tolist()
    }
    assert new == {("o", "x"), ("c", "b")}


@pytest.mark.parametrize(("exported", "left"), [(False, ["a"]), (True, [])])
def test_a_look_does_not_let_a_series_expire_that_no_exporter_has_got(exported: bool, left: list[str]) -> None:
    clock = FakeClock()
    meter = Meter("test", clock, Limits(expire_series_after_s=10))
    calls = meter.counter("c", labels=("name",))
    meter.collect(0)
    clock.advance(1)
    calls.add(("a",))
    meter.collect(0, exported=exported)
    clock.advance(11)
    meter.tick()
    assert [point.labels["span.name"] for point in meter.collect(0).points()] == left


def test_figures_about_itself() -> None:
    clock = FakeClock()
    meter = Meter("test", clock, Limits(max_series=2, expire_series_after_s=10))
    calls = meter.counter("c", labels=("name",))
    calls.add(span_batch(spans=[{"name": name} for name in "abcd"]))
    figures = meter.stats()
    assert figures.pop("bytes") == meter.nbytes > 0
    assert figures == {
        "series": 3,
        "series_limit": 2,
        "resources": 0,
        "refused": 0,
        "created": 3,
        "expired": 0,
        "evicted": 0,
        "overflowed.series_limit": 2,
        "overflowed.resource_series_limit": 0,
        "overflowed.resource_limit": 0,
        "overflowed.label_value_limit": 0,
    }
    meter.collect(0)
    clock.advance(11)
    meter.tick()
    assert (meter.stats()["expired"], meter.stats()["series"]) == (3, 0)


@pytest.mark.parametrize("series", [1_000, 30_000, 100_000])
def test_a_red_series_takes_at_most_600_bytes(series: int) -> None:
    """Guards the promise of the README: counter, histogram of 16 bounds and four labels, slack of growth included."""
    meter = Meter("test", FakeClock(), Limits(max_series=200_000))
    labels = ("resource.service.name", "name", "kind", "status_code")
    calls = meter.counter("calls", labels=labels)
    meter.histogram("duration", labels=labels, buckets=RED_BUCKETS)
    for i in range(series):
        calls.table.row_of((f"service-{i % 50}", f"GET /api/v1/orders/{i}", "SPAN_KIND_SERVER", "STATUS_CODE_UNSET"))
    assert meter.stats()["series"] == series
    assert meter.nbytes / series < 600
