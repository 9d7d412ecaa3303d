"""LastValues: what the Collector's last-value accumulator does, and what a page shows of it."""

from __future__ import annotations

import struct
from collections import Counter
from typing import Any

import numpy as np
import pytest
from opentelemetry.proto.metrics.v1.metrics_pb2 import Exemplar

from pipeline.codec.otlp_encode import element
from pipeline.codec.otlp_metrics import MetricsProjection
from pipeline.model import last_values
from pipeline.model.last_values import READS, LastValues, snapshots_of
from pipeline.model.snapshot import MetricKind, Temporality
from pipeline.testing import START_UNIX_NANO, FakeClock, metric_batch

SECOND = 1_000_000_000
T0 = START_UNIX_NANO


class Kept:
    """LastValues with a clock and a record of what it reports."""

    def __init__(self, expire_after_s: float = 0.0, **options: Any) -> None:
        self.clock = FakeClock()
        self.reported: Counter[str] = Counter()
        self.values = LastValues(self.clock.monotonic_nano, self._report, expire_after_s, **options)

    def _report(self, reason: str, metric: str, count: int) -> None:
        self.reported[reason] += count

    def add(self, *points: dict[str, Any], **fields: Any) -> None:
        self.values.add(metric_batch(points=points or [{}], columns=READS, **fields))

    def points(self) -> list[tuple[str, dict[str, str], Any]]:
        return [
            (point.name, point.labels, point.value)
            for snapshot in self.values.snapshots(T0)
            for point in snapshot.points()
        ]

    def only(self) -> Any:
        [(_, _, value)] = self.points()
        return value


def test_a_later_point_takes_the_place_of_an_earlier_one() -> None:
    kept = Kept()
    kept.add(value=1.0, time_unix_nano=T0 + 10)
    kept.add(value=3.0, time_unix_nano=T0 + 30)
    kept.add(value=2.0, time_unix_nano=T0 + 20)
    assert kept.only() == 3.0
    assert kept.reported == {"late": 1}


def test_several_points_of_one_series_in_one_batch_count_by_their_time() -> None:
    kept = Kept()
    kept.add({"value": 3.0, "time_unix_nano": T0 + 30}, {"value": 1.0, "time_unix_nano": T0 + 10})
    assert kept.only() == 3.0


def test_series_are_told_apart_by_scope_name_attributes_job_and_instance() -> None:
    kept = Kept()
    kept.add(
        {"attributes": {"a": 1, "b": "x"}},
        {"attributes": {"b": "x", "a": "1"}, "value": 5.0},  # the same labels, otherwise ordered and typed
        {"attributes": {"a": 2}},
        {"scope": "other", "attributes": {"a": 2}},
        {"service": "pay", "attributes": {"a": 2}},
        {"resource": {"service.instance.id": "2"}, "attributes": {"a": 2}},
        {"name": "more", "attributes": {"a": 2}},
        {"kind": "sum", "attributes": {"a": 2}},
    )
    assert len(kept.points()) == 7
    assert len(kept.values) == 7
    assert [value for _, labels, value in kept.points() if labels == {"a": "1", "b": "x"}] == [5.0]


def test_a_new_process_of_one_instance_goes_on_with_the_series_of_the_old_one() -> None:
    for by_instance, expected in ((True, 1), (False, 2)):
        kept = Kept(by_instance=by_instance)
        for pid in (1, 2):
            kept.add(resource={"process.pid": pid}, time_unix_nano=T0 + pid, value=float(pid))
        assert len(kept.points()) == expected
        (snapshot,) = kept.values.snapshots(T0)
        assert snapshot.resources[-1].attributes["process.pid"] == 2


@pytest.mark.parametrize("kind", ["sum", "histogram", "exponential_histogram"])
def test_deltas_that_follow_each_other_are_added_up(kind: str) -> None:
    kept = Kept()
    for begin in (0, 10, 20):
        kept.add(
            kind=kind,
            temporality="delta",
            value=2.0,
            counts=[1, 0, 3],
            sum=2.5,
            start_unix_nano=T0 + begin * SECOND,
            time_unix_nano=T0 + (begin + 10) * SECOND,
        )
    value = kept.only()
    if kind == "sum":
        assert value == 6.0
    else:
        assert (value["counts"], value["sum"], value["count"]) == ([3.0, 0.0, 9.0], 7.5, 12.0)
    (snapshot,) = kept.values.snapshots(T0)
    assert snapshot.metrics[0].temporality is Temporality.CUMULATIVE
    assert snapshot.metrics[0].series.start_unix_nano.tolist() == [T0]


def test_a_gap_between_deltas_begins_a_new_stream_and_an_overlap_is_left_out() -> None:
    kept = Kept()
    for begin, end in ((0, 10), (20, 30), (25, 35)):
        kept.add(
            kind="sum",
            temporality="delta",
            value=2.0,
            start_unix_nano=T0 + begin * SECOND,
            time_unix_nano=T0 + end * SECOND,
        )
    assert kept.only() == 2.0
    assert kept.reported == {"late": 1}
    (snapshot,) = kept.values.snapshots(T0)
    assert snapshot.metrics[0].series.start_unix_nano.tolist() == [T0 + 20 * SECOND]


def test_delta_sums_that_can_fall_have_no_cumulative_form() -> None:
    kept = Kept()
    kept.add(kind="sum", monotonic=False, temporality="delta")
    assert kept.points() == []
    assert kept.reported == {"delta": 1}


def test_no_recorded_value_removes_a_series() -> None:
    kept = Kept()
    kept.add({"attributes": {"a": "1"}}, {"attributes": {"a": "2"}}, {"attributes": {"a": "3"}, "value": 7.0})
    kept.add({"attributes": {"a": "1"}, "flags": 1, "value": None}, {"attributes": {"a": "9"}, "flags": 1})
    assert sorted((labels["a"], value) for _, labels, value in kept.points()) == [("2", 1.0), ("3", 7.0)]
    kept.add({"attributes": {"a": "1"}, "value": 4.0})
    assert len(kept.points()) == 3


def test_series_that_fall_silent_expire() -> None:
    kept = Kept(expire_after_s=300)
    kept.add({"attributes": {"a": "1"}}, {"attributes": {"a": "2"}})
    kept.clock.advance(200)
    kept.add({"attributes": {"a": "2"}})
    kept.clock.advance(200)
    assert [labels for _, labels, _ in kept.points()] == [{"a": "2"}]
    kept.clock.advance(200)
    assert kept.points() == []
    assert kept.values._families == {}
    assert kept.values._resources._numbers == {}


def test_histograms_with_other_bounds_are_other_histograms() -> None:
    kept = Kept()
    kept.add(kind="histogram", bounds=[1.0], counts=[1, 2], sum=4.0)
    kept.add(kind="histogram", bounds=[1.0, 2.0], counts=[1, 2, 3], sum=5.0)
    assert kept.only() == {"count": 6.0, "sum": 5.0, "bounds": [1.0, 2.0], "counts": [1.0, 2.0, 3.0]}


def test_histograms_without_buckets_keep_their_count() -> None:
    kept = Kept()
    kept.add(kind="histogram", bounds=[], counts=[], count=5, sum=4.0)
    assert kept.only() == {"count": 5.0, "sum": 4.0, "bounds": [], "counts": [5.0]}


def test_summaries_are_kept() -> None:
    kept = Kept()
    kept.add(kind="summary", quantiles={0.5: 1.5, 0.9: 2.5}, count=7, sum=9.0)
    (snapshot,) = kept.values.snapshots(T0)
    assert snapshot.metrics[0].kind is MetricKind.SUMMARY
    assert kept.only() == {"count": 7.0, "sum": 9.0, "quantiles": {0.5: 1.5, 0.9: 2.5}}


def test_exponential_histograms_of_different_scales_meet_at_the_lower_one() -> None:
    kept = Kept()
    common = {"kind": "exponential_histogram", "temporality": "delta"}
    kept.add(**common, scale=1, offset=-2, counts=[1, 2, 3, 4], start_unix_nano=T0, time_unix_nano=T0 + SECOND)
    kept.add(
        **common,
        scale=0,
        offset=3,
        counts=[5],
        zero_count=2,
        start_unix_nano=T0 + SECOND,
        time_unix_nano=T0 + 2 * SECOND,
    )
    value = kept.only()
    assert (value["scale"], value["offset"], value["counts"]) == (0, -1, [3.0, 7.0, 0.0, 0.0, 5.0])
    assert value["count"] == 17.0


def test_buckets_of_one_histogram_are_bounded() -> None:
    kept = Kept()
    kept.add(kind="exponential_histogram", scale=20, offset=-5000, counts=[1] * 10_000)
    value = kept.only()
    assert len(value["counts"]) <= 320
    assert value["count"] == 10_000


def test_exemplars_of_the_newest_point_that_has_some_are_kept() -> None:
    kept = Kept()
    exemplar = Exemplar(as_double=1.5, time_unix_nano=9, trace_id=b"t" * 16, span_id=b"s" * 8)
    kept.add(
        {"kind": "histogram", "bounds": [1.0, 2.0], "counts": [0, 1, 0], "exemplars": [exemplar]},
        {"kind": "histogram", "bounds": [1.0, 2.0], "counts": [0, 1, 0], "attributes": {"a": 1}},
    )
    kept.add(kind="histogram", bounds=[1.0, 2.0], counts=[0, 2, 0], time_unix_nano=T0 + 60 * SECOND)
    (snapshot,) = kept.values.snapshots(T0)
    found = [metric.values.exemplars for metric in snapshot.metrics if metric.values.exemplars is not None]
    assert [(e.bucket.tolist(), e.value.tolist(), e.trace_id.tobytes()) for e in found] == [([1], [1.5], b"t" * 16)]


def test_limits_are_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(last_values, "MAX_SERIES", 3)
    kept = Kept()
    kept.add(*({"attributes": {"a": n}} for n in range(5)))
    kept.add({"name": "x" * 2_000}, {"name": "y", "attributes": {f"k{n}": 1 for n in range(200)}})
    assert len(kept.points()) == 3
    assert kept.reported == {"series_limit": 2, "name_limit": 1, "label_limit": 1}


def test_a_batch_can_be_handed_out_by_time() -> None:
    batch = metric_batch(
        points=[{"attributes": {"n": n}, "time_unix_nano": T0 + n % 2, "value": n} for n in range(4)], columns=READS
    )
    found = {snapshot.time_unix_nano - T0: len(snapshot) for snapshot in snapshots_of(batch, 0, split_times=True)}
    assert found == {0: 2, 1: 2}
    (together,) = snapshots_of(batch, T0)
    assert np.sort([point.value for point in together.points()]).tolist() == [0.0, 1.0, 2.0, 3.0]


def test_deltas_are_kept_as_they_are_where_somebody_wants_them() -> None:
    batch = metric_batch(kind="sum", temporality="delta", monotonic=False, columns=READS)
    assert snapshots_of(batch, T0) == []
    (snapshot,) = snapshots_of(batch, T0, deltas="keep")
    assert snapshot.metrics[0].temporality is Temporality.DELTA


def number(attributes: bytes, more: bytes = b"") -> bytes:
    """A data point of a gauge: its attributes as they are encoded, its value, and more attributes."""
    return element(b"\x0a", attributes + b"\x21" + struct.pack("<d", 1.0) + more)


def test_points_with_damaged_attributes_are_left_out_alone() -> None:
    """The decoder does not look into what it hands on as a whole."""
    good, bad = (element(b"\x3a", element(b"\x0a", key) + b"\x12\x00") for key in (b"k", b"\xff"))
    other = element(b"\x3a", element(b"\x0a", b"o") + b"\x12\x00")
    points = [number(good), number(bad), number(b""), number(good, other), number(good, bad), number(other)]
    scopes = [b"", element(b"\x0a", element(b"\x1a", element(b"\x0a", b"\xff")))]
    payload = b"".join(
        element(b"\x0a", element(b"\x12", scope + element(b"\x12", b"\x0a\x01m" + element(b"\x2a", b"".join(points)))))
        for scope in scopes
    )
    batch, rejected = MetricsProjection(READS).decode(payload)
    assert (len(batch), rejected) == (12, {})
    kept = Kept()
    kept.values.add(batch)
    found = sorted(sorted(labels) for _, labels, _ in kept.points())
    assert found == [[], ["k"], ["k", "o"], ["o"]]
    assert kept.reported == {"damaged": 3}
