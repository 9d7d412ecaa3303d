"""Snapshot and restore of a meter."""

from __future__ import annotations

import hashlib
import io
import json
from typing import Any

import numpy as np
import pytest

from pipeline.model.limits import Limits
from pipeline.model.meter import Meter
from pipeline.testing import FakeClock
from pipeline.testing_spans import span_batch


def build(clock: FakeClock, buckets: tuple[float, ...] = (0.01, 0.1), **limits: Any) -> Meter:
    meter = Meter("test", clock, Limits(**limits))
    meter.counter("calls", labels=("name",), per_resource=True, exemplars=True)
    meter.histogram("duration", labels=("name",), per_resource=True, buckets=buckets, exemplars=True)
    meter.exponential_histogram("size", labels=("kind",))
    meter.gauge("gauge", labels=("kind",))
    return meter


def measure(meter: Meter, **fields: Any) -> None:
    spans = span_batch(columns=("resource",), **fields)
    by_name, by_kind = spans.group_by("name"), spans.group_by("kind")
    meter.instruments["calls"].add(by_name)  # type: ignore[attr-defined]
    meter.instruments["duration"].record(by_name, spans.seconds("duration_nano"))  # type: ignore[attr-defined]
    meter.instruments["size"].record(by_kind, spans["duration_nano"] / 7.0)  # type: ignore[attr-defined]
    meter.instruments["gauge"].set(by_kind, 3.0)  # type: ignore[attr-defined]


def seen(meter: Meter, delta: bool = False) -> list[str]:
    batch = meter.collect(meter.clock.unix_nano(), delta)
    points = [repr(point) for point in batch.points()]
    for metric in batch.metrics:
        exemplars = metric.values.exemplars
        points += [
            f"{metric.name} {metric.series.attributes(i)} {start}"
            for i, start in enumerate(metric.series.start_unix_nano.tolist())
        ]
        if exemplars is not None:
            points += [
                f"{metric.series.attributes(point)} {bucket} {span_id.tobytes().hex()} {value}"
                for point, bucket, span_id, value in zip(
                    exemplars.point.tolist(), exemplars.bucket, exemplars.span_id, exemplars.value, strict=True
                )
            ]
    return sorted(points)


def test_restore_and_continue_equals_never_having_stopped() -> None:
    """A restart must not reset a counter, change a sum by one bit, or repeat a delta."""
    clock = FakeClock()
    one, two = build(clock), build(clock)
    measure(one, n=5, duration_ms=3, resource={"bytes": b"\x00", "list": [1, {"a": 2.5}]})
    seen(one, delta=True)
    clock.advance(3)
    measure(one, n=2, name="b", kind="client", service="other", duration_ms=700)
    assert two.restore(one.snapshot()) is None
    assert seen(two) == seen(one)
    for meter in (one, two):
        measure(meter, n=3, name="b", kind="client", service="other", duration_ms=50)
        measure(meter, n=3, name="c", duration_ms=1)
    assert seen(two, delta=True) == seen(one, delta=True)
    assert seen(two) == seen(one)


def test_restored_series_are_not_new() -> None:
    clock = FakeClock()
    one, two = build(clock), build(clock)
    measure(one)
    two.restore(one.snapshot())
    measure(two, name="new")
    numbers = {
        (metric.name, *metric.series.attributes(i).values()): number
        for metric in two.collect(0).metrics
        for i, number in enumerate(metric.series.created_seq.tolist())
    }
    assert numbers["calls", "GET /"] < 0 < numbers["calls", "new"]
    assert two.stats()["created"] == 1


def test_idleness_goes_on_where_it_stopped() -> None:
    clock, later = FakeClock(), FakeClock(monotonic_nano=5)
    one, two = build(clock, expire_series_after_s=60), build(later, expire_series_after_s=60)
    measure(one)
    clock.advance(50)
    two.restore(one.snapshot())
    seen(two)
    later.advance(9)
    two.tick()
    assert two.stats()["series"] == 2
    later.advance(2)
    two.tick()
    assert two.stats()["series"] == 0


def test_limits_hold_after_a_restore() -> None:
    clock = FakeClock()
    one, two = build(clock, max_series=2, max_values_per_label=2), build(clock, max_series=2, max_values_per_label=2)
    for name in "abc":
        measure(one, name=name)
    two.restore(one.snapshot())
    for meter in (one, two):
        measure(meter, name="d")
    assert seen(one) == seen(two)


def test_other_buckets_or_labels_start_cold_with_the_reason() -> None:
    clock = FakeClock()
    one = build(clock)
    measure(one)
    two = build(clock, buckets=(0.5,))
    reason = two.restore(one.snapshot())
    assert reason is not None
    assert "'calls'" in reason
    assert "changed" in reason
    names = {point.name for point in two.collect(0).points()}
    assert names == {"size", "gauge"}, "the table that did not change is restored"


def test_lower_limits_start_cold_with_the_reason() -> None:
    clock = FakeClock()
    one, two = build(clock), build(clock, max_series=1, max_resources=1)
    for i in range(5):
        measure(one, name=f"{i}")
    reason = two.restore(one.snapshot())
    assert reason is not None
    assert "more than the limits allow" in reason
    three = build(clock, max_label_bytes=64)
    measure(one, name="x" * 100)
    assert "longer than the limit" in str(three.restore(one.snapshot()))


def test_a_meter_in_use_is_not_overwritten() -> None:
    meter = build(FakeClock())
    measure(meter)
    before = seen(meter)
    assert "in use" in str(meter.restore(meter.snapshot()))
    assert seen(meter) == before


@pytest.mark.parametrize("data", [b"", b"junk", b"\x00" * 100, hashlib.sha256(b"").digest()])
def test_bytes_that_are_no_snapshot_start_cold(data: bytes) -> None:
    meter = build(FakeClock())
    assert "not a readable snapshot" in str(meter.restore(data))


def test_every_damaged_byte_is_noticed() -> None:
    meter = build(FakeClock())
    measure(meter)
    state = meter.snapshot()
    for at in range(0, len(state), 97):
        damaged = bytearray(state)
        damaged[at] ^= 1
        assert "checksum" in str(build(FakeClock()).restore(bytes(damaged)))
        assert build(FakeClock()).restore(state[:at]) is not None


def _forged(state: bytes, **changes: Any) -> bytes:
    with np.load(io.BytesIO(state[32:])) as archive:
        arrays = dict(archive) | changes
    out = io.BytesIO()
    np.savez(out, **arrays)
    return hashlib.sha256(out.getvalue()).digest() + out.getvalue()


@pytest.mark.parametrize(
    "change",
    [
        {"0.lengths": np.array([1_000_000], np.uint32)},
        {"0.lengths": np.array([3], np.uint32)},
        {"0.lengths": np.array([[12]], np.uint32)},
        {"0.keys": np.zeros(3, np.uint8)},
        {"0.keys": np.zeros(10, np.int64)},
        {"0.resource": np.array([7], np.int32)},
        {"0.resource": np.array([-5], np.int32)},
        {"0.idle": np.zeros(2, np.int64)},
        {"0.0.now.values": np.zeros(3)},
        {"0.0.now.values": np.zeros(1, np.int64)},
        {"0.1.now.counts": np.zeros((1, 9))},
        {"0.1.last.counts": np.zeros(1)},
        {"0.0.exemplars.owners": np.array([99])},
        {"0.0.exemplars.owners": np.array([-1])},
        {"0.0.exemplars.ids": np.zeros((1, 3))},
        {"0.0.exemplars.ids": np.zeros((4, 3), np.uint64)},
        {"1.0.now.lows": np.array([-(2**40)])},
        {"1.0.now.scales": np.array([99], np.int32)},
        {"meta": np.frombuffer(b"[]", np.uint8)},
        {"meta": np.frombuffer(json.dumps({"format": 99}).encode(), np.uint8)},
    ],
)
def test_arrays_that_do_not_fit_start_cold(change: dict[str, Any]) -> None:
    """A forged checkpoint must never make a native loop read or write beyond its arrays."""
    meter = build(FakeClock())
    measure(meter)
    other = build(FakeClock())
    reason = other.restore(_forged(meter.snapshot(), **change))
    assert reason is not None
    measure(other, n=3)
    seen(other)
