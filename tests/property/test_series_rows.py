"""Series tables against an oracle of dicts, compiled and uncompiled: the same series, the same totals, at any limit."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.model.limits import Limits
from pipeline.model.meter import Meter
from pipeline.model.snapshot import OVERFLOW_LABEL
from pipeline.model.spans import Label, SpanBatch, label
from pipeline.testing import FakeClock
from pipeline.testing_spans import span_batch
from tests.kernels import MODES, use
from tests.oracles.series import OVERFLOW, OracleTable

LABELS = (
    label("resource.service.name"),
    label("name"),
    label("kind"),
    Label("http.route", ("span.http.route", "resource.http.route"), "none"),
    Label("x", ("span.x",)),
)
COLUMNS = ("resource", "span.http.route", "resource.http.route", "span.x")

VALUES = st.one_of(
    st.sampled_from(
        ["", "a", "b", "/cart", "ä\n", "x" * 40, None, True, False, 0, 1, -1, 2**63 - 1, -(2**63), 0.5, b"\xff"]
    ),
    st.sampled_from([9, 10, 99, 100, 9999, 10_000, 65_535, 99_999_999, 100_000_000, 10_203_040]),
    # lengths around those of words, and around the first four of them, which are looked at together
    st.builds(
        "".join,
        st.tuples(st.sampled_from(["y" * n for n in (6, 7, 14, 15, 22, 30, 31, 46, 63, 2047)]), st.sampled_from("ab")),
    ),
    st.lists(st.sampled_from(["a", 1, 2.5, True]), max_size=2),
    st.dictionaries(st.sampled_from("ab"), st.integers(0, 3), max_size=2),
    st.text(max_size=12).filter(lambda text: text.isprintable()),
)
SPANS = st.lists(
    st.fixed_dictionaries(
        {
            "service": st.sampled_from([None, "cart", "shop", "user"]),
            "name": st.sampled_from(["", "GET", "POST", "é" * 9, "tab\tnew\nline"]),
            "kind": st.sampled_from(["server", "client", "unspecified"]),
            "duration_nano": st.integers(0, 10**10),
        },
        optional={
            "attributes": st.dictionaries(st.sampled_from(["http.route", "x", "y"]), VALUES, max_size=3),
            "resource": st.dictionaries(
                st.sampled_from(["http.route", "pod"]), st.sampled_from([1, "1", "r"]), max_size=2
            ),
        },
    ),
    min_size=1,
    max_size=14,
)
LIMITS = st.fixed_dictionaries(
    {
        "max_series": st.sampled_from([1, 3, 6, 1000]),
        "max_series_per_resource": st.sampled_from([0, 1, 3]),
        "max_resources": st.sampled_from([1, 2, 1000]),
        "max_values_per_label": st.sampled_from([0, 1, 2]),
    }
)


def batch(rows: list[dict[str, Any]]) -> SpanBatch:
    spans = [row | {"resource": {"always": True} | row.get("resource", {})} for row in rows]
    return span_batch(spans=spans, columns=COLUMNS)


def build(per_resource: bool, limits: dict[str, int]) -> Meter:
    meter = Meter("test", FakeClock(), Limits(**limits))
    meter.counter("calls", labels=LABELS, per_resource=per_resource)
    meter.histogram("duration", labels=LABELS, per_resource=per_resource, buckets=(0.1, 1.0), exemplars=True)
    return meter


def measure(meter: Meter, spans: SpanBatch) -> None:
    groups = spans.group_by(*LABELS)
    meter.instruments["calls"].add(groups)  # type: ignore[attr-defined]
    meter.instruments["duration"].record(groups, spans.seconds("duration_nano"))  # type: ignore[attr-defined]


def seen(meter: Meter) -> dict[tuple[str, Any, tuple[str | None, ...]], Any]:
    found = {}
    for point in meter.collect(0).points():
        names = [one.name for one in LABELS]
        labels = OVERFLOW if OVERFLOW_LABEL in point.labels else tuple(point.labels.get(name) for name in names)
        resource = repr(sorted((k, type(v).__name__, repr(v)) for k, v in point.resource.items()))
        found[point.name, resource, labels] = point.value
    return found


@pytest.mark.parametrize("mode", MODES)
@given(batches=st.lists(SPANS, min_size=1, max_size=3), per_resource=st.booleans(), limits=LIMITS)
@settings(max_examples=150, deadline=None)
def test_every_span_is_counted_where_the_oracle_counts_it(
    mode: str, batches: list[list[dict[str, Any]]], per_resource: bool, limits: dict[str, int]
) -> None:
    oracle = OracleTable(LABELS, per_resource, **limits)
    with pytest.MonkeyPatch.context() as patch:
        use(mode, patch)
        meter = build(per_resource, limits)
        for rows in batches:
            spans = batch(rows)
            oracle.add(spans)
            measure(meter, spans)
    expected = {("calls", resource or "[]", labels): float(n) for (resource, labels), n in oracle.spans.items()}
    found = seen(meter)
    assert {key: value for key, value in found.items() if key[0] == "calls"} == expected
    for (resource, labels), total in oracle.seconds.items():
        point = found["duration", resource or "[]", labels]
        assert point["sum"] == float(total) / 1e9
        assert point["count"] == oracle.spans[resource, labels]
    overflowed = sum(meter.tables[0].overflowed.values())
    assert (overflowed > 0) == any(
        labels == OVERFLOW or "__cardinality_overflow__" in labels for _, labels in oracle.spans
    )


@given(rows=SPANS, cut=st.integers(0, 13), limits=LIMITS, data=st.data())
@settings(max_examples=60, deadline=None)
def test_splitting_and_filtering_a_batch_changes_nothing(
    rows: list[dict[str, Any]], cut: int, limits: dict[str, int], data: st.DataObject
) -> None:
    spans = batch(rows)
    mask = np.array(data.draw(st.lists(st.booleans(), min_size=len(spans), max_size=len(spans))))
    chosen, first = spans.where(mask), np.arange(len(spans)) < cut
    whole, parts = build(True, limits), build(True, limits)
    if len(chosen):
        measure(whole, chosen)
    for part in (spans.where(mask & first), spans.where(mask & ~first)):
        if len(part):
            measure(parts, part)
    assert seen(whole) == seen(parts)


@given(batches=st.lists(SPANS, min_size=1, max_size=3))
@settings(max_examples=40, deadline=None)
def test_without_limits_the_order_of_batches_changes_nothing(batches: list[list[dict[str, Any]]]) -> None:
    decoded = [batch(rows) for rows in batches]
    forth, back = build(True, {}), build(True, {})
    for spans in decoded:
        measure(forth, spans)
    for spans in reversed(decoded):
        measure(back, spans)
    assert seen(forth) == seen(back)


@given(before=SPANS, after=SPANS, limits=LIMITS)
@settings(max_examples=40, deadline=None)
def test_restore_and_continue_equals_never_having_stopped(
    before: list[dict[str, Any]], after: list[dict[str, Any]], limits: dict[str, int]
) -> None:
    """A restart must change no series and no bit of a value, with limits reached or not."""
    one, two = build(True, limits), build(True, limits)
    measure(one, batch(before))
    assert two.restore(one.snapshot()) is None
    for meter in (one, two):
        measure(meter, batch(after))
    assert seen(one) == seen(two)
