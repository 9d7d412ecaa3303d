"""``deltatocumulative``: the Collector's own cases, what passes untouched, limits, age, restarts.

Must never regress: points that are not deltas keep their bytes; what is dropped is counted under the Collector's names.
"""

from __future__ import annotations

from typing import Any

import pytest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.metrics.v1.metrics_pb2 import Exemplar
from pydantic import ValidationError

from pipeline.testing import Harness, metric_batch
from processors.deltatocumulative import DeltaToCumulative
from processors.deltatocumulative.accumulator import READS

POINTS = "otelcol_deltatocumulative_datapoints"
TRACKED = "otelcol_deltatocumulative_streams_tracked"


def send(run: Harness[DeltaToCumulative], *points: dict[str, Any], **fields: Any) -> list[Any]:
    """Points of delta temporality in one request; the points that go on."""
    rows = [{"kind": "sum", "temporality": "delta", **fields, **point} for point in points or ({},)]
    return official(run.process(metric_batch(points=rows, columns=READS)))


def official(batch: Any) -> list[Any]:
    request = ExportMetricsServiceRequest.FromString(batch.to_otlp())
    return [
        point
        for resource in request.resource_metrics
        for scope in resource.scope_metrics
        for metric in scope.metrics
        for point in getattr(metric, metric.WhichOneof("data") or "").data_points
    ]


def at(begin: int, end: int, **fields: Any) -> dict[str, Any]:
    return {"start_unix_nano": begin, "time_unix_nano": end, **fields}


def counted(run: Harness[DeltaToCumulative]) -> dict[str, float]:
    return {labels.get("error", ""): n for name, labels, n in run.own.samples() if name == POINTS and n}


def test_gaps_are_taken_and_points_out_of_order_or_of_older_streams_are_dropped() -> None:
    run = Harness(DeltaToCumulative)
    spans = ((1000, 1100), (1100, 1200), (1300, 1400), (1200, 1300), (500, 550))
    out = send(run, *(at(begin, end, value=1.0) for begin, end in spans))
    assert [(point.start_time_unix_nano, point.time_unix_nano, point.as_double) for point in out] == [
        (1000, 1100, 1.0),
        (1000, 1200, 2.0),
        (1000, 1400, 3.0),
    ]
    assert counted(run) == {"": 3, "delta.ErrOutOfOrder": 1, "delta.ErrOlderStart": 1}


def test_a_change_of_bounds_begins_anew() -> None:
    run = Harness(DeltaToCumulative)
    bounds = [0.01, 0.1, 1, 10, 100]
    out = send(
        run,
        at(5, 10, bounds=bounds, counts=[1, 2, 3, 4, 5, 0]),
        at(10, 20, bounds=bounds, counts=[1, 0, 1, 0, 1, 0]),
        at(5, 15, bounds=bounds[1:], counts=[9, 9, 9, 9, 9]),
        at(20, 30, bounds=bounds[1:], counts=[1, 2, 3, 4, 5]),
        kind="histogram",
    )
    assert [list(point.bucket_counts) for point in out] == [[1, 2, 3, 4, 5, 0], [2, 2, 4, 4, 6, 0], [1, 2, 3, 4, 5]]
    assert [(point.count, point.start_time_unix_nano) for point in out] == [(15, 5), (18, 5), (15, 20)]
    assert counted(run) == {"": 3, "delta.ErrOutOfOrder": 1}
    assert run.own.value(TRACKED) == 1


def test_points_of_new_streams_are_dropped_when_there_are_too_many() -> None:
    run = Harness(DeltaToCumulative, max_streams=10)
    for round_ in range(2):
        series = [{"attributes": {"series": n}} for n in [*range(10), *(["x"] * round_)]]
        out = send(run, *series, **at(0, 1 + round_, value=1.0))
    assert [point.as_double for point in out] == [2.0] * 10
    assert counted(run) == {"": 20, "limit": 1}
    assert run.own.value(TRACKED) == 10
    assert run.own.value("otelcol_deltatocumulative_streams_limit") == 10


def test_long_attributes_are_told_apart_but_not_kept() -> None:
    run = Harness(DeltaToCumulative)
    for end in (10, 20):
        rows = [{"attributes": {"sql": "x" * 100_000 + last}, **at(0, end)} for last in "ab"]
        assert [point.as_double for point in send(run, *rows)] == [end / 10] * 2
    assert max(map(len, run.processor._streams.by_alias)) < 100


def test_stale_streams_are_forgotten() -> None:
    run = Harness(DeltaToCumulative, max_stale="5m")
    send(run, *({"service": service, "name": f"m{n}"} for service in ("a", "b") for n in range(10)))
    assert run.own.value(TRACKED) == 20
    run.advance(240)
    for n in range(10):
        send(run, service="b", name=f"m{n}", time_unix_nano=2**62)
    run.advance(120)
    assert run.own.value(TRACKED) == 10
    run.advance(240)
    assert run.own.value(TRACKED) == 0
    assert run.own.value("otelcol_deltatocumulative_streams_max_stale") == 300
    assert list(run.processor._streams) == []
    assert run.processor._streams.by_alias == {}


def test_what_is_no_delta_keeps_its_bytes() -> None:
    run = Harness(DeltaToCumulative)
    kinds = ("gauge", "sum", "histogram", "exponential_histogram", "summary")
    batch = metric_batch(points=[{"kind": kind, "name": kind} for kind in kinds], columns=READS)
    assert run.process(batch).to_otlp() == batch.to_otlp()
    rows: list[dict[str, Any]] = [{"kind": kind, "name": f"{kind}{n}"} for n in range(2) for kind in kinds]
    rows[3] |= {"temporality": "delta", "attributes": {"n": 1}}
    mixed = metric_batch(points=rows, columns=READS)
    before, after = (
        [mixed.records.body(mixed.item_level, row) for row in range(len(mixed))]
        for mixed in (mixed, run.process(mixed))
    )
    assert before == after  # the one delta is the first of its stream, and stays as it is but for its temporality
    assert "DELTA" not in "".join(run.process(mixed)["aggregation_temporality"].tolist())


def test_all_that_is_not_a_total_stays_with_its_point() -> None:
    run = Harness(DeltaToCumulative)
    exemplar = Exemplar(as_double=1.5, time_unix_nano=9, trace_id=b"t" * 16, span_id=b"s" * 8)
    send(run, at(0, 10), attributes={"a": 1, "b": [1, 2]})
    (point,) = send(run, at(10, 20), attributes={"b": [1, 2], "a": 1}, exemplars=[exemplar], flags=2)
    assert (point.as_double, point.start_time_unix_nano, point.flags) == (2.0, 0, 2)
    assert list(point.exemplars) == [exemplar]
    assert [pair.key for pair in point.attributes] == ["b", "a"]


def test_what_processors_before_it_have_changed_counts() -> None:
    run = Harness(DeltaToCumulative)
    rows = [{"kind": "sum", "temporality": "delta", "attributes": {"pid": n}, **at(0, 10 + n)} for n in range(4)]
    batch = metric_batch(points=rows, columns=(*READS, "point.tier", "point.pid", "resource.zone"))
    edited = batch.without_column("point.pid").with_column("point.tier", ["gold", "tin", "gold", "tin"])
    edited = edited.with_column("resource.zone", "b").where(batch["time_unix_nano"] > 10)
    out = run.processor.process_metrics(edited)
    assert [(point.as_double, [pair.key for pair in point.attributes]) for point in official(out)] == [
        (1.0, ["tier"]),
        (1.0, ["tier"]),
        (2.0, ["tier"]),
    ]
    (resource,) = ExportMetricsServiceRequest.FromString(out.to_otlp()).resource_metrics
    assert "zone" in [pair.key for pair in resource.resource.attributes]
    assert out["point.tier"].tolist() == ["tin", "gold", "tin"]


@pytest.mark.parametrize(
    "other",
    [
        {"service": "other"},
        {"resource": {"host": "h"}},
        {"scope": "other"},
        {"name": "other"},
        {"unit": "s"},
        {"monotonic": False},
        {"attributes": {"a": "1"}},
        {"attributes": {"a": 1, "b": 1}},
        {"attributes": {"a": True}},
    ],
    ids=str,
)
def test_streams_are_told_apart(other: dict[str, Any]) -> None:
    run = Harness(DeltaToCumulative)
    first = {"attributes": {"a": 1}, **at(0, 10)}
    assert [point.as_double for point in send(run, first, {**first, **other})] == [1.0, 1.0]


def test_integers_stay_integers_until_they_do_not_fit() -> None:
    run = Harness(DeltaToCumulative)
    out = send(run, *(at(0, 1 + n, value=2**61 + 1) for n in range(5)), monotonic=False)
    assert [point.as_int for point in out[:3]] == [2**61 + 1, 2 * (2**61 + 1), 3 * (2**61 + 1)]
    assert [(point.WhichOneof("value"), point.as_double) for point in out[3:]] == [
        ("as_double", 2.0**63),
        ("as_double", 2.0**63 + 2.0**61),
    ]


def test_a_stream_ends_where_there_is_no_recorded_value() -> None:
    run = Harness(DeltaToCumulative)
    send(run, at(0, 10, value=5))
    (ended,) = send(run, at(10, 20, value=None, flags=1))
    (point,) = send(run, at(20, 30, value=2))
    assert (ended.flags, ended.WhichOneof("value"), ended.time_unix_nano) == (1, None, 20)
    assert (point.as_int, point.start_time_unix_nano) == (2, 20)


@pytest.mark.parametrize("kind", ["sum", "histogram", "exponential_histogram"])
def test_a_restart_changes_nothing(kind: str) -> None:
    stopped, running = Harness(DeltaToCumulative), Harness(DeltaToCumulative)
    fields = {"kind": kind, "sum": 2.5, "counts": [1, 2], "attributes": {"a": 1}}
    for begin in (0, 10, 20):
        expected = send(running, {"name": "other"}, at(begin, begin + 10, value=3), **fields)
        assert send(stopped, {"name": "other"}, at(begin, begin + 10, value=3), **fields) == expected
        stopped.restart()
    assert stopped.own.value(TRACKED) == running.own.value(TRACKED) == 2


def test_totals_are_not_taken_up_after_a_crash() -> None:
    """Those of half a minute ago are smaller than what was sent since, which ``rate`` would take for a reset."""
    assert not DeltaToCumulative.saved_while_running


def test_a_restart_makes_no_stream_younger() -> None:
    run = Harness(DeltaToCumulative, max_stale="5m")
    send(run)
    run.advance(200)
    run.restart()
    run.advance(160)
    assert run.own.value(TRACKED) == 0


def test_a_damaged_snapshot_is_refused() -> None:
    run = Harness(DeltaToCumulative)
    send(run, {"kind": "histogram"}, {"kind": "exponential_histogram"}, {})
    state = run.processor.snapshot()
    assert state is not None
    for damaged in (
        b"",
        state[:-30],
        state.replace(b'"version": 1', b'"version": 9'),
        state.replace(b"bounds", b"sdnuob"),
    ):
        with pytest.raises(ValueError, match="not a snapshot of streams"):
            Harness(DeltaToCumulative).processor.restore(damaged)


@pytest.mark.parametrize("config", [{"max_stale": "0s"}, {"max_streams": 0}, {"max_streams": -1}, {"max_age": "5m"}])
def test_mistakes_in_the_configuration_are_told(config: dict[str, Any]) -> None:
    with pytest.raises(ValidationError, match=next(iter(config))):
        DeltaToCumulative.Config.model_validate(config)
