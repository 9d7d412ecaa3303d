"""Which label makes series many, against a count over sets."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.api import Label
from pipeline.model.cardinality import RESOURCE, LabelCardinality, cardinality
from pipeline.model.meter import Meter
from pipeline.model.snapshot import SeriesView
from pipeline.testing import FakeClock

LABELS = ("a", "b", "c")
ROWS = st.lists(st.tuples(*[st.sampled_from([None, "", "x", "y", "ü" * 40, "z0", "z1"])] * 3), min_size=1, max_size=60)


def series_of(rows: list[tuple[str | None, ...]]) -> SeriesView:
    clock = FakeClock()
    meter = Meter("test", clock)
    counter = meter.counter("n", labels=[Label(name, ()) for name in LABELS])
    for row in rows:
        counter.add(row, 1)
    return meter.collect(clock.unix_nano()).metrics[0].series


@given(rows=ROWS)
@settings(deadline=None)
def test_counts_are_those_of_sets(rows: list[tuple[str | None, ...]]) -> None:
    found = {one.label: one for one in cardinality(series_of(rows))}
    for number, name in enumerate(LABELS):
        values = {row[number] for row in rows} - {None}
        assert (name in found) == bool(values)
        if values:
            without = {row[:number] + row[number + 1 :] for row in rows}
            assert (found[name].values, found[name].series_without) == (len(values), len(without))
    assert RESOURCE not in found


def test_the_label_that_explodes_comes_first_with_its_most_frequent_values() -> None:
    rows: list[tuple[str | None, ...]] = [("GET", f"/orders/{number}", "shop") for number in range(100)]
    rows.append(("GET", "/orders/7", "bank"))
    first, *others = cardinality(series_of(rows))
    assert first == LabelCardinality("b", 100, 2, ("/orders/7", "/orders/0", "/orders/1"))
    assert [(one.label, one.values, one.series_without) for one in others] == [("c", 2, 100), ("a", 1, 101)]


def test_long_examples_are_cut() -> None:
    (only,) = cardinality(series_of([("x" * 500, None, None)]))
    assert len(only.examples[0]) == 60
