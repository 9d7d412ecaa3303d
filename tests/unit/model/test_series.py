"""Series tables: labels, limits, expiry."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

from pipeline.model.key_text import OVERFLOW_VALUE
from pipeline.model.limits import Limits
from pipeline.model.meter import Meter
from pipeline.model.resources import Resource
from pipeline.model.series import SeriesTable
from pipeline.model.snapshot import OVERFLOW_LABEL
from pipeline.model.spans import Label, SpanBatch, label
from pipeline.testing import FakeClock
from pipeline.testing_spans import span_batch
from tests.kernels import MODES, use

SERVICE = label("resource.service.name")
NAME = label("name")


@pytest.fixture(autouse=True, params=MODES)
def _kernels(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    use(request.param, monkeypatch)


def table(labels: Sequence[Label] = (NAME,), clock: FakeClock | None = None, **options: object) -> SeriesTable:
    names = {"per_resource", "resource_keys"}
    limits = Limits(**{k: v for k, v in options.items() if k not in names})  # type: ignore[arg-type]
    own = {k: v for k, v in options.items() if k in names}
    return SeriesTable(tuple(labels), clock or FakeClock(), limits=limits, **own)  # type: ignore[arg-type]


def named(*names: str, **fields: object) -> SpanBatch:
    return span_batch(spans=[{"name": name, **fields} for name in names], columns=("resource",))


def labels_of(series: SeriesTable, spans: SpanBatch) -> list[dict[str, str]]:
    return [series.labels_of(row) for row in series.rows_of(spans).tolist()]


def test_equal_labels_share_a_row_and_others_do_not() -> None:
    rows = table().rows_of(named("a", "b", "a", "", "b"))
    assert rows.tolist() == [0, 1, 0, 2, 1]
    assert rows.dtype == np.int32


def test_labels_come_from_every_level_and_kind() -> None:
    labels = (SERVICE, NAME, label("kind"), label("status_code"), label("span.n"), label("span.ok"), label("flags"))
    spans = span_batch(
        columns=("flags",), service="cart", name="GET", kind="client", status="error", attributes={"n": -42, "ok": True}
    )
    assert labels_of(table(labels), spans) == [
        {
            "service.name": "cart",
            "span.name": "GET",
            "span.kind": "SPAN_KIND_CLIENT",
            "status.code": "STATUS_CODE_ERROR",
            "n": "-42",
            "ok": "true",
            "flags": "0",
        }
    ]


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (False, "false"),
        (0, "0"),
        (-(2**63), "-9223372036854775808"),
        (2**63 - 1, "9223372036854775807"),
        (2.5, "2.5"),
        (1.0, "1"),
        (float("nan"), "NaN"),
        (b"hi", "aGk="),
        (["x", 1], '["x",1]'),
        ({"k": False}, '{"k":false}'),
        (None, ""),
        ("", ""),
    ],
)
def test_every_type_of_value_has_its_text(value: object, text: str) -> None:
    spans = span_batch(3, attributes={"x": value})
    assert labels_of(table((label("span.x"),)), spans) == [{"x": text}] * 3


def test_one_text_is_one_series_whatever_the_type() -> None:
    spans = span_batch(spans=[{"attributes": {"x": value}} for value in (200, "200", 200.0)])
    assert table((label("span.x"),)).rows_of(spans).tolist() == [0, 0, 0]


def test_columns_are_tried_in_order_and_then_the_default() -> None:
    one = Label("zone", ("span.zone", "resource.zone"), "none")
    spans = span_batch(
        spans=[
            {"attributes": {"zone": "s"}, "resource": {"zone": "r"}},
            {"resource": {"zone": "r"}},
            {"service": "other"},
        ]
    )
    assert [labels["zone"] for labels in labels_of(table((one,)), spans)] == ["s", "r", "none"]


def test_a_label_without_columns_has_its_default() -> None:
    assert labels_of(table((NAME, Label("instance", (), "i-1"))), span_batch()) == [
        {"span.name": "GET /", "instance": "i-1"}
    ]


def test_an_absent_label_is_left_out() -> None:
    spans = span_batch(2, columns=("span.zone",))
    assert labels_of(table((NAME, label("span.zone"))), spans) == [{"span.name": "GET /"}] * 2


def test_only_the_chosen_rows_are_found() -> None:
    spans = named("a", "b", "c", "a").where(np.array([False, True, False, True]))
    series = table()
    assert series.rows_of(spans).tolist() == [0, 1]
    assert [series.labels_of(row)["span.name"] for row in (0, 1)] == ["b", "a"]


def test_a_column_that_is_not_in_the_batch_is_named_in_the_error() -> None:
    with pytest.raises(KeyError, match=r"span\.http\.route.*declare it in `reads`"):
        table((label("span.http.route"),)).rows_of(span_batch())
    with pytest.raises(KeyError, match="resource"):
        table(per_resource=True).rows_of(span_batch())
    with pytest.raises(KeyError, match="no text form"):
        table((label("trace_id"),)).rows_of(span_batch())


def test_a_batch_of_another_projection_gets_its_own_plan() -> None:
    series = table((label("span.b"),))
    first = span_batch(attributes={"b": "1"})
    second = span_batch(attributes={"a": "0", "b": "1", "c": "2"})
    assert series.rows_of(first).tolist() == series.rows_of(second).tolist()


def test_scalar_and_batch_use_find_the_same_row() -> None:
    series = table((NAME, label("kind")))
    row = series.row_of(("GET /", "SPAN_KIND_SERVER"))
    assert series.rows_of(span_batch(2)).tolist() == [row, row]
    with pytest.raises(ValueError, match="1 values for the labels"):
        series.row_of(("GET /",))


# -- limits --------------------------------------------------------------------------------------------------


def test_beyond_the_limit_spans_share_one_overflow_series() -> None:
    series = table(max_series=2)
    rows = series.rows_of(named("a", "b", "c", "d", "a")).tolist()
    assert rows[0] == rows[4]
    assert rows[2] == rows[3]
    assert series.labels_of(rows[2]) == {OVERFLOW_LABEL: "true"}
    assert series.overflowed["series_limit"] == 2
    assert series.live == 3


def test_a_label_set_of_absent_values_is_not_the_overflow_series() -> None:
    series = table((label("span.x"),), max_series=1)
    rows = series.rows_of(span_batch(spans=[{}, {"attributes": {"x": "1"}}])).tolist()
    assert rows[0] != rows[1]
    assert series.labels_of(rows[0]) == {}


def test_an_attribute_named_like_the_overflow_label_does_not_collide() -> None:
    fake = Label("other", (f"span.{OVERFLOW_LABEL}",))
    series = table((fake,), max_series=1)
    spans = span_batch(spans=[{"attributes": {OVERFLOW_LABEL: "true"}}, {"attributes": {OVERFLOW_LABEL: "x"}}])
    assert len(set(series.rows_of(spans).tolist())) == 2


def test_many_names_stay_bounded_without_python_per_span(monkeypatch: pytest.MonkeyPatch) -> None:
    series = table(max_series=10)
    series.rows_of(named(*(f"first {i}" for i in range(11))))
    created = []
    monkeypatch.setattr(series, "_create_missing", lambda *_: created.append(1))
    rows = series.rows_of(named(*(f"name {i}" for i in range(500))))
    assert set(rows.tolist()) == {series.overflow_rows[0]}
    assert not created
    assert series.live == 11
    assert series.overflowed["series_limit"] == 501


def test_one_resource_cannot_take_the_series_of_another() -> None:
    series = table(per_resource=True, max_series_per_resource=2)
    loud = [{"service": "loud", "name": f"{i}"} for i in range(5)]
    spans = span_batch(spans=[*loud, {"service": "calm", "name": "x"}], columns=("resource",))
    rows = series.rows_of(spans).tolist()
    assert rows[2] == rows[3] == rows[4]
    assert series.labels_of(rows[2]) == {OVERFLOW_LABEL: "true"}
    resource = series.resource_of(rows[2])
    assert resource is not None
    assert resource.job == "loud"
    assert series.labels_of(rows[5]) == {"span.name": "x"}
    assert series.overflowed["resource_series_limit"] == 3


def test_a_label_with_too_many_values_loses_only_its_new_values() -> None:
    series = table((SERVICE, NAME), max_values_per_label=2)
    spans = span_batch(spans=[{"service": s, "name": n} for s in ("s1", "s2") for n in ("a", "b", "c", "d")])
    found = [tuple(labels.values()) for labels in labels_of(series, spans)]
    other = OVERFLOW_VALUE.decode()
    assert found == [(s, n if n in "ab" else other) for s in ("s1", "s2") for n in ("a", "b", "c", "d")]
    assert series.overflowed["label_value_limit"] == 4
    assert series.labels_of(series.row_of(("s1", "zz")))["span.name"] == other


def test_values_of_expired_series_make_room_for_others() -> None:
    clock = FakeClock()
    series = table((NAME,), clock, max_values_per_label=1, expire_series_after_s=10)
    series.rows_of(named("a"))
    clock.advance(11)
    series.expire()
    assert labels_of(series, named("b")) == [{"span.name": "b"}]


def test_a_full_table_evicts_a_resource_that_was_idle_for_a_minute() -> None:
    clock = FakeClock()
    series = table(clock=clock, per_resource=True, max_resources=2)
    a, b, c = (named("x", service=service) for service in "abc")
    series.rows_of(a)
    clock.advance(30)
    series.rows_of(b)
    row = int(series.rows_of(c)[0])
    assert series.labels_of(row) == {OVERFLOW_LABEL: "true"}
    assert series.resource_of(row) is None
    assert series.overflowed["resource_limit"] == 1
    clock.advance(31)
    resource = series.resource_of(int(series.rows_of(c)[0]))
    assert resource is not None
    assert resource.job == "c"
    assert series.counters["evicted"] == 1
    assert [one.job for one in series.resources.slots if one] == ["c", "b"]


def test_a_resource_is_not_evicted_for_a_newcomer_of_its_own_batch() -> None:
    clock = FakeClock()
    series = table(clock=clock, per_resource=True, max_resources=1)
    series.rows_of(named("x", service="old"))
    clock.advance(3600)
    spans = span_batch(spans=[{"service": "new"}, {"service": "old", "name": "x"}], columns=("resource",))
    new, old = series.rows_of(spans).tolist()
    assert series.resource_of(new) is None
    kept = series.resource_of(old)
    assert kept is not None
    assert kept.job == "old"


def test_a_label_set_of_a_refused_resource_is_counted_in_the_overflow_series() -> None:
    series = table(per_resource=True, max_resources=1)
    series.rows_of(named("a"))
    stranger = Resource(99, {"service.name": "stranger"}, "stranger", "")
    assert series.ensure_row(("a",), stranger) == -1
    row = series.row_of(("a",), stranger)
    assert series.labels_of(row) == {OVERFLOW_LABEL: "true"}
    assert series.resource_of(row) is None
    assert series.overflowed["resource_limit"] == 1


def test_limits_that_cannot_work_are_refused() -> None:
    for wrong in ({"max_series": 0}, {"max_resources": 0}, {"max_label_bytes": 10}, {"max_label_bytes": 100_000}):
        with pytest.raises(ValueError, match="must be"):
            Limits(**wrong)


# -- resources -----------------------------------------------------------------------------------------------


def test_a_resource_is_the_same_in_any_order_of_attributes() -> None:
    series = table(per_resource=True)
    one = span_batch(resource={"a": 1, "b": "2"}, columns=("resource",))
    two = span_batch(service=None, resource={"b": "2", "service.name": "cart", "a": 1}, columns=("resource",))
    assert series.rows_of(one).tolist() == series.rows_of(two).tolist()
    other = span_batch(resource={"a": 1.0, "b": "2"}, columns=("resource",))
    assert series.rows_of(other).tolist() != series.rows_of(one).tolist()


def test_chosen_keys_alone_can_make_the_identity() -> None:
    series = table(per_resource=True, resource_keys=("service.name",))
    rows = [series.rows_of(span_batch(resource={"pod": pod}, columns=("resource",))).tolist() for pod in "abc"]
    assert rows == [[0], [0], [0]]
    resource = series.resource_of(0)
    assert resource is not None
    assert resource.attributes["pod"] == "a"


def test_a_resource_has_a_job_and_an_instance() -> None:
    series = table(per_resource=True)
    given = {"service.namespace": "shop", "service.instance.id": "i-1"}
    row = int(series.rows_of(span_batch(resource=given, columns=("resource",)))[0])
    resource = series.resource_of(row)
    assert resource is not None
    assert (resource.job, resource.instance) == ("shop/cart", "i-1")


# -- new rows ------------------------------------------------------------------------------------------------


def test_a_twin_can_be_created_at_zero_when_a_row_is_new() -> None:
    series = table((NAME, label("status_code")), max_series=3)
    seen: list[tuple[int, tuple[str | None, ...], Resource | None]] = []

    def twin(own: SeriesTable, row: int, labels: tuple[str | None, ...], resource: Resource | None) -> None:
        seen.append((row, labels, resource))
        own.ensure_row((labels[0], "STATUS_CODE_ERROR"), resource)

    series.on_new_row = twin
    series.rows_of(named("a"))
    assert seen == [(0, ("a", "STATUS_CODE_UNSET"), None)]
    assert series.live == 2
    series.rows_of(named("a"))
    assert len(seen) == 1
    series.rows_of(named("b", "c"))
    assert series.live == 4, "three series and the overflow series: the twin of b had no room"


def test_the_twin_of_a_resource_belongs_to_it() -> None:
    series = table((NAME,), per_resource=True)

    def ensure_twin(own: SeriesTable, _row: int, labels: tuple[str | None, ...], resource: Resource | None) -> None:
        own.ensure_row((f"{labels[0]}!",), resource)

    series.on_new_row = ensure_twin
    series.rows_of(named("a"))
    twin = series.row_of(("a!",), series.resource_of(0))
    assert series.live == 2
    assert series.resource_of(twin) is series.resource_of(0)


# -- time ----------------------------------------------------------------------------------------------------


def test_idle_series_expire_and_their_rows_are_used_again() -> None:
    clock = FakeClock()
    series = table(clock=clock, expire_series_after_s=60)
    series.rows_of(named("a", "b"))
    clock.advance(40)
    series.rows_of(named("b"))
    clock.advance(21)
    generation = series.generation
    series.expire()
    assert series.generation != generation
    assert series.counters["expired"] == 1
    assert series.rows_of(named("c", "b")).tolist() == [0, 1]


def test_a_frozen_clock_expires_nothing() -> None:
    clock = FakeClock()
    series = table(clock=clock, expire_series_after_s=1, expire_resource_after_s=1)
    series.rows_of(named("a"))
    clock.jump(1e6)
    series.expire()
    assert series.live == 1


def test_a_resource_expires_with_all_its_series() -> None:
    clock = FakeClock()
    series = table(clock=clock, per_resource=True, expire_resource_after_s=60)
    series.rows_of(named("a", "b", service="gone"))
    clock.advance(40)
    series.rows_of(named("a", service="kept"))
    clock.advance(30)
    series.expire()
    assert [one.job for one in series.resources.slots if one] == ["kept"]
    assert series.live == 1
    assert series.rows_of(named("a", service="gone")).tolist() in ([0], [1])


def test_a_resource_without_series_expires_too() -> None:
    clock = FakeClock()
    series = table(clock=clock, per_resource=True, max_series=1, expire_resource_after_s=60)
    series.rows_of(named("a"))
    stranger = Resource(99, {"service.name": "stranger"}, "stranger", "")
    assert series.ensure_row(("b",), stranger) == -1
    assert series.resources.live == 2
    clock.advance(61)
    series.expire()
    assert series.resources.live == 0


def test_what_was_never_collected_is_kept_longer() -> None:
    clock = FakeClock()
    meter = Meter("test", clock, Limits(expire_series_after_s=60))
    calls = meter.counter("calls", labels=("name",))
    calls.add(named("a"))
    clock.advance(61)
    meter.tick()
    assert [point.value for point in meter.collect(0).points()] == [1.0], "its last increment has to be seen once"
    clock.advance(1)
    meter.tick()
    assert not list(meter.collect(0).points())


def test_without_any_collector_series_expire_all_the_same() -> None:
    clock = FakeClock()
    meter = Meter("test", clock, Limits(expire_series_after_s=60))
    meter.counter("calls", labels=("name",)).add(named("a"))
    clock.advance(361)
    meter.tick()
    assert meter.stats()["series"] == 0


def test_kept_row_numbers_keep_a_series_alive() -> None:
    clock = FakeClock()
    series = table(clock=clock, expire_series_after_s=60)
    rows = series.rows_of(named("a", "b")).copy()
    clock.advance(40)
    series.resolve(np.array([rows[0], -1], np.int32))
    clock.advance(40)
    series.expire()
    assert series.keys.rows().tolist() == [0]


def test_rows_that_are_gone_are_refused() -> None:
    clock = FakeClock()
    series = table(clock=clock, expire_series_after_s=60)
    rows = series.rows_of(named("a", "b"))
    clock.advance(61)
    series.expire()
    with pytest.raises(ValueError, match="row 0 is not in use"):
        series.resolve(rows)
    with pytest.raises(ValueError, match="row 70000"):
        series.resolve(np.array([70_000], np.int32))
    with pytest.raises(TypeError, match="int32"):
        series.resolve(np.array([0], np.int64))


def test_groups_are_resolved_once_per_table() -> None:
    series, spans = table(), named("a", "b")
    groups = spans.group_by("name")
    assert series.resolve(groups) is series.resolve(groups)
    with pytest.raises(ValueError, match=r"grouped by \(span\.kind\)"):
        series.resolve(spans.group_by("kind"))
