"""Counters, gauges and histograms: what goes in and what comes out."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from pipeline.model.instruments import Gauge
from pipeline.model.limits import Limits
from pipeline.model.meter import Meter
from pipeline.model.snapshot import MetricKind, Temporality
from pipeline.testing import START_UNIX_NANO, FakeClock, span_batch
from tests.kernels import MODES, use


@pytest.fixture(autouse=True, params=MODES)
def _kernels(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    use(request.param, monkeypatch)


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def meter(clock: FakeClock) -> Meter:
    return Meter("test", clock)


def values(meter: Meter, delta: bool = False) -> dict[tuple[str, ...], Any]:
    batch = meter.collect(meter.clock.unix_nano(), delta)
    return {(point.name, *point.labels.values()): point.value for point in batch.points()}


def test_a_counter_adds_one_per_span_or_an_amount(meter: Meter) -> None:
    calls = meter.counter("calls", "{call}", "All calls.", labels=("name",))
    spans = span_batch(spans=[{"name": "a"}, {"name": "b"}, {"name": "a"}])
    calls.add(spans.group_by("name"))
    calls.add(spans, np.array([2.0, 3.0, 0.5]))
    calls.add(spans, 10)
    assert values(meter) == {("calls", "a"): 24.5, ("calls", "b"): 14.0}
    metric = meter.collect(5).metrics[0]
    assert (metric.name, metric.unit, metric.description) == ("calls", "{call}", "All calls.")
    assert (metric.kind, metric.monotonic, metric.temporality) == (MetricKind.SUM, True, Temporality.CUMULATIVE)


def test_scalar_forms_name_the_labels(meter: Meter) -> None:
    calls = meter.counter("calls", labels=("client", "server"))
    calls.add(("a", "b"))
    calls.add(("a", None), 2)
    meter.counter("plain").add((), 7)
    meter.gauge("score", labels=("service",)).set("cart", 3.0)
    assert values(meter) == {("calls", "a", "b"): 1, ("calls", "a"): 2, ("plain",): 7, ("score", "cart"): 3}


def test_amounts_that_are_none_are_refused_and_counted(meter: Meter) -> None:
    rows = np.array([0, 0, 0, 0, -1], np.int32)
    amounts = np.array([1.0, -1.0, math.nan, math.inf, 5.0])
    calls, level = meter.counter("calls"), meter.up_down_counter("level")
    calls.add(())
    calls.add(rows, amounts)
    level.add(rows, amounts)
    assert values(meter) == {("calls",): 2.0, ("level",): 0.0}
    assert (calls.refused, level.refused) == (3, 2)
    assert meter.stats()["refused"] == 5


def test_a_gauge_has_the_latest_value_and_none_before(meter: Meter) -> None:
    gauge = meter.gauge("g", labels=("name",))
    other = meter.counter("c", labels=("name",))
    spans = span_batch(spans=[{"name": "a"}, {"name": "b"}, {"name": "a"}])
    other.add(spans)
    assert values(meter) == {("c", "a"): 2, ("c", "b"): 1}
    gauge.set(spans, np.array([1.0, math.nan, -math.inf]))
    assert values(meter) == {("c", "a"): 2, ("c", "b"): 1, ("g", "a"): -math.inf}
    assert gauge.refused == 1
    assert isinstance(gauge, Gauge)


def test_a_bucket_includes_its_upper_bound(meter: Meter) -> None:
    histogram = meter.histogram("h", "s", buckets=(1.0, 2.0, 4.0))
    histogram.record((), 0.0)
    rows = np.zeros(6, np.int32)
    histogram.record(rows, np.array([1.0, math.nextafter(1.0, 2), 2.0, 4.0, 4.5, -0.0]))
    point = values(meter)[("h",)]
    assert point == {"count": 7, "sum": 12.5, "bounds": [1.0, 2.0, 4.0], "counts": [3, 2, 1, 1]}


@pytest.mark.parametrize("count", [0, 1, 31, 32, 33, 200])
def test_any_number_of_bounds_finds_the_right_bucket(meter: Meter, count: int) -> None:
    bounds = [float(i) for i in range(count)]
    histogram = meter.histogram("h", buckets=bounds)
    measured = np.arange(0, count + 2, 0.5)
    histogram.record((), 0.0)
    histogram.record(np.zeros(len(measured), np.int32), measured)
    expected = np.bincount(np.searchsorted(bounds, measured), minlength=count + 1)
    expected[0] += 1
    assert values(meter)[("h",)]["counts"] == expected.tolist()


def test_values_that_are_none_are_refused_and_counted(meter: Meter) -> None:
    histogram = meter.histogram("h", labels=("x",), buckets=(1.0,))
    row = np.array([histogram.table.row_of(("a",))] * 6, np.int32)
    histogram.record(row, np.array([-1.0, math.nan, math.inf, -math.inf, 1e300, 5e-324]))
    histogram.record(row[:4], np.ones(4), weights=np.array([0.0, -1.0, math.nan, math.inf]))
    assert histogram.refused == 9
    assert values(meter)[("h", "a")]["count"] == 1


def test_a_histogram_that_saw_nothing_is_not_exported(meter: Meter) -> None:
    histogram = meter.histogram("h", labels=("x",))
    exponential = meter.exponential_histogram("e", labels=("x",))
    histogram.table.row_of(("a",))
    assert not values(meter)
    histogram.record(("b",), 1.0)
    exponential.record(("c",), 0.0)
    assert set(values(meter)) == {("h", "b"), ("e", "c")}


def test_sums_are_exact_in_any_order(meter: Meter) -> None:
    histogram = meter.histogram("h", labels=("x",), buckets=(1.0,))
    tenths = np.full(1000, 0.1)
    tenths[500] = 1e10
    for label, order in (("up", np.sort(tenths)), ("down", np.sort(tenths)[::-1])):
        histogram.record(np.full(1000, histogram.table.row_of((label,)), np.int32), order)
    assert values(meter)[("h", "up")]["sum"] == values(meter)[("h", "down")]["sum"] == 10000000099.9


def test_weights_count_as_so_many_values(meter: Meter) -> None:
    histogram = meter.histogram("h", labels=("x",), buckets=(1.0,), resolution=1e-9)
    row = np.full(3, histogram.table.row_of(("a",)), np.int32)
    histogram.record(row, np.array([0.25, 0.5, 3.0]), weights=np.array([3.0, 4.0, 2.5]))
    point = values(meter)[("h", "a")]
    assert (point["count"], point["counts"], point["sum"]) == (9.5, [7.0, 2.5], 10.25)


def test_bounds_that_make_no_sense_are_refused(meter: Meter) -> None:
    for number, wrong in enumerate([(2.0, 1.0), (1.0, 1.0), (1.0, math.inf), (math.nan,)]):
        with pytest.raises(ValueError, match="finite and ascending"):
            meter.histogram(f"h{number}", buckets=wrong)
    with pytest.raises(ValueError, match="resolution"):
        meter.histogram("h", resolution=0.0)
    with pytest.raises(ValueError, match="max_size"):
        meter.exponential_histogram("e", max_size=1)


def test_a_wrong_number_of_values_is_refused(meter: Meter) -> None:
    spans = span_batch(3)
    with pytest.raises(ValueError, match="2 values for 3 rows"):
        meter.counter("c", labels=("name",)).add(spans, np.ones(2))
    with pytest.raises(ValueError, match="2 values for 3 rows"):
        meter.histogram("h", labels=("name",)).record(spans, np.ones(2))
    histogram = meter.histogram("e", labels=("name",), exemplars=True)
    with pytest.raises(ValueError, match="3 measurements of 2 spans"):
        histogram.record(histogram.table.rows_of(spans), np.ones(3), exemplars_from=span_batch(2))


def test_an_empty_batch_is_no_measurement(meter: Meter) -> None:
    none = np.zeros(0, np.int32)
    meter.counter("c").add(none, np.zeros(0))
    meter.gauge("g").set(none, np.zeros(0))
    meter.histogram("h", exemplars=True).record(none, np.zeros(0))
    meter.exponential_histogram("e").record(none, np.zeros(0))
    assert not values(meter)


def test_columns_grow_with_the_table_and_keep_what_they_hold(meter: Meter) -> None:
    calls, histogram = meter.counter("c", labels=("x",)), meter.histogram("h", labels=("x",), buckets=(1.0,))
    for i in range(300):
        calls.add((str(i),), i)
        histogram.record((str(i),), float(i))
    found = values(meter)
    assert all(found["c", str(i)] == i for i in range(300))
    assert all(found["h", str(i)]["sum"] == i for i in range(300))


def test_a_row_that_is_used_again_starts_empty(clock: FakeClock) -> None:
    meter = Meter("test", clock, Limits(expire_series_after_s=10))
    calls = meter.counter("c", labels=("x",), exemplars=True)
    histogram = meter.histogram("h", labels=("x",), exemplars=True)
    exponential = meter.exponential_histogram("e", labels=("x",))
    gauge = meter.gauge("g", labels=("x",))
    table, spans = calls.table, span_batch(1)
    first = np.array([table.row_of(("old",))], np.int32)
    calls.add(first, 5.0, exemplars_from=spans)
    histogram.record(first, 5.0, exemplars_from=spans)
    exponential.record(first, 5.0)
    gauge.set(first, 5.0)
    values(meter)
    clock.advance(11)
    meter.tick()
    assert table.row_of(("new",)) == first[0]
    batch = meter.collect(0)
    assert [(point.name, point.value) for point in batch.points()] == [("c", 0.0)]
    assert batch.metrics[0].values.exemplars is None


# -- exponential ---------------------------------------------------------------------------------------------


def test_an_exponential_histogram_keeps_the_finest_scale_that_fits(meter: Meter) -> None:
    histogram = meter.exponential_histogram("e", max_size=4)
    histogram.record((), 1.0)
    assert values(meter)[("e",)]["scale"] == 20
    rows = np.zeros(4, np.int32)
    histogram.record(rows, np.array([2.0, 4.0, 8.0, 0.0]))
    point = values(meter)[("e",)]
    assert point["scale"] == 0
    assert (point["offset"], point["counts"]) == (-1, [1, 1, 1, 1])
    assert (point["count"], point["zero_count"], point["sum"]) == (5, 1, 15.0)
    assert (point["min"], point["max"]) == (0.0, 8.0)
    histogram.record((), 1e10)
    point = values(meter)[("e",)]
    assert point["scale"] == -4
    assert (point["offset"], point["counts"]) == (-1, [1, 3, 0, 1])


def test_the_whole_range_of_floats_fits_into_few_buckets(meter: Meter) -> None:
    histogram = meter.exponential_histogram("e", max_size=2, resolution=1.0)
    for value in (5e-324, 1.0, 3e28):
        histogram.record((), value)
    point = values(meter)[("e",)]
    assert sum(point["counts"]) == 3
    assert len(point["counts"]) <= 2


# -- deltas --------------------------------------------------------------------------------------------------


def test_deltas_are_what_came_since_the_last_one(meter: Meter, clock: FakeClock) -> None:
    calls, histogram = meter.counter("c", labels=("x",)), meter.histogram("h", labels=("x",), buckets=(1.0,))
    level = meter.up_down_counter("level", labels=("x",))
    exponential = meter.exponential_histogram("e", labels=("x",), max_size=4)

    def measure(label: str, amount: float) -> None:
        calls.add((label,), amount)
        level.add((label,), amount)
        histogram.record((label,), amount)
        exponential.record((label,), amount)

    measure("a", 1.0)
    first = values(meter, delta=True)
    assert first["c", "a"] == 1
    assert first["h", "a"]["counts"] == [1, 0]
    clock.advance(10)
    measure("a", 8.0)
    measure("b", 0.5)
    clock.advance(10)
    second = values(meter, delta=True)
    assert (second["c", "a"], second["c", "b"]) == (8, 0.5)
    assert second["level", "a"] == 9
    assert (second["h", "a"]["counts"], second["h", "a"]["sum"]) == ([0, 1], 8.0)
    assert (second["e", "a"]["scale"], second["e", "a"]["count"], second["e", "a"]["sum"]) == (0, 1, 8.0)
    assert second["e", "a"]["counts"][-1] == 1
    assert math.isnan(second["e", "a"]["min"])
    third = values(meter, delta=True)
    assert set(third) == {("level", "a"), ("level", "b")}
    assert values(meter)["c", "a"] == 9


def test_delta_intervals_chain_and_begin_with_the_series(meter: Meter, clock: FakeClock) -> None:
    calls = meter.counter("c", labels=("x",))
    calls.add(("a",))
    clock.advance(10)
    first = meter.collect(clock.unix_nano(), delta=True)
    clock.advance(5)
    calls.add(("a",))
    calls.add(("b",))
    clock.advance(5)
    second = meter.collect(clock.unix_nano(), delta=True)
    assert first.metrics[0].series.start_unix_nano.tolist() == [START_UNIX_NANO]
    assert first.metrics[0].temporality == Temporality.DELTA
    assert second.metrics[0].series.start_unix_nano.tolist() == [first.time_unix_nano, START_UNIX_NANO + 15 * 10**9]


def test_an_increment_that_no_delta_has_seen_does_not_expire(clock: FakeClock) -> None:
    meter = Meter("test", clock, Limits(expire_series_after_s=10))
    calls = meter.counter("c", labels=("x",))
    meter.collect(0, delta=True)
    clock.advance(1)
    calls.add(("a",))
    clock.advance(1000)
    meter.tick()
    assert values(meter, delta=True) == {("c", "a"): 1}
    clock.advance(1)
    meter.tick()
    assert meter.stats()["series"] == 0


# -- exemplars -----------------------------------------------------------------------------------------------


def test_an_exemplar_names_a_span_of_its_bucket(meter: Meter) -> None:
    histogram = meter.histogram("h", labels=("name",), buckets=(0.05,), exemplars=True)
    calls = meter.counter("c", labels=("name",), exemplars=True)
    spans = span_batch(spans=[{"name": "a", "duration_ms": 10}, {"name": "b", "duration_ms": 90}, {"name": "b"}])
    groups = spans.group_by("name")
    histogram.record(groups, spans.seconds("duration_nano"))
    calls.add(groups)
    batch = {metric.name: metric for metric in meter.collect(0).metrics}
    found = batch["h"].values.exemplars
    assert found is not None
    assert found.point.tolist() == [0, 1, 1]
    assert found.bucket.tolist() == [0, 0, 1]
    assert found.value.tolist() == [0.01, 0.01, 0.09]
    assert found.time_unix_nano.tolist() == [START_UNIX_NANO] * 3
    assert found.trace_id.tolist() == spans["trace_id"][[0, 2, 1]].tolist()
    assert found.span_id.tolist() == spans["span_id"][[0, 2, 1]].tolist()
    of_calls = batch["c"].values.exemplars
    assert of_calls is not None
    assert (of_calls.point.tolist(), of_calls.bucket.tolist()) == ([0, 1], [-1, -1])


def test_the_exemplar_is_the_same_in_any_order_and_split(clock: FakeClock) -> None:
    def chosen(batches: list[Any]) -> list[list[int]]:
        meter = Meter("test", clock)
        histogram = meter.histogram("h", exemplars=True, buckets=(1.0,))
        for spans in batches:
            histogram.table.row_of(())
            histogram.record(np.zeros(len(spans), np.int32), spans.seconds("duration_nano"), exemplars_from=spans)
        exemplars = meter.collect(0).metrics[0].values.exemplars
        assert exemplars is not None
        result: list[list[int]] = exemplars.trace_id.tolist()
        return result

    spans = span_batch(20)
    half = np.arange(20) < 10
    assert chosen([spans]) == chosen([spans.where(~half), spans.where(half)])


def test_a_newer_interval_replaces_the_exemplar(meter: Meter, clock: FakeClock) -> None:
    histogram = meter.histogram("h", labels=("name",), exemplars=True, buckets=(1.0,))

    def exemplar() -> tuple[list[int], int]:
        found = meter.collect(clock.unix_nano()).metrics[0].values.exemplars
        assert found is not None
        return found.span_id[0].tolist(), int(found.time_unix_nano[0])

    batches = [span_batch(spans=[{"number": number}]) for number in range(8)]
    seen = set()
    for spans in batches:
        histogram.record(spans, spans.seconds("duration_nano"))
        span_id, time = exemplar()
        assert (span_id, time) == (spans["span_id"][0].tolist(), clock.unix_nano())
        seen.add(tuple(span_id))
        clock.advance(15)
    assert len(seen) == 8
    assert exemplar()[1] == clock.unix_nano() - 15 * 10**9
