"""``deltatocumulative`` against an accumulator over the official messages, for whatever a sender does with its streams.

Must never regress: how points are spread over requests, or streams interleaved, changes no total; a restart neither.
"""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest

from pipeline.codec.signals import projection
from pipeline.testing import Harness, metrics_request
from processors.deltatocumulative import DeltaToCumulative
from processors.deltatocumulative.accumulator import READS
from tests.oracles.delta_to_cumulative import Oracle, normal

COUNTS = st.lists(st.integers(0, 5), min_size=1, max_size=4)
KINDS: dict[str, st.SearchStrategy[dict[str, Any]]] = {
    "sum": st.fixed_dictionaries({"value": st.integers(0, 2**62) | st.sampled_from([0.5, 2.25, 1e300])}),
    "histogram": st.fixed_dictionaries({"counts": COUNTS}, optional={"sum": st.integers(0, 9).map(float)}),
    "exponential_histogram": st.fixed_dictionaries(
        {
            "counts": COUNTS,
            "offset": st.integers(-300, 300),
            "scale": st.integers(-2, 4),
            "zero_count": st.integers(0, 3),
            "zero_threshold": st.sampled_from([0.0, 0.0, 0.3, 1.0, 5.0]),
        },
        optional={"sum": st.integers(0, 9).map(float)},
    ),
}


@st.composite
def points(draw: st.DrawFn) -> list[dict[str, Any]]:
    """Points of a few streams, mostly in order, and some that are not deltas."""
    out = []
    for _ in range(draw(st.integers(1, 14))):
        kind = draw(st.sampled_from(list(KINDS)))
        begin = draw(st.integers(0, 12)) * 10
        attributes = draw(st.sampled_from([{"a": 1, "b": "x"}, {"b": "x", "a": 1}, {"a": "1", "b": "x"}, {}]))
        out.append(
            {"kind": kind, "name": kind, "attributes": attributes, **draw(KINDS[kind])}
            | {"temporality": draw(st.sampled_from(["delta", "delta", "delta", "cumulative"]))}
            | {"service": draw(st.sampled_from(["cart", "pay"])), "unit": draw(st.sampled_from(["", "s"]))}
            | {"start_unix_nano": 1_000 + begin * draw(st.integers(0, 1)), "time_unix_nano": 1_001 + begin}
        )
    return out


def request_of(rows: list[dict[str, Any]]) -> ExportMetricsServiceRequest:
    request = metrics_request(rows)
    for point, row in zip(_points(request), _in_order(rows), strict=True):
        if row["kind"] == "exponential_histogram":
            point.zero_threshold = row["zero_threshold"]
            if row["offset"] % 2:
                point.negative.CopyFrom(point.positive)
                point.count = 2 * sum(row["counts"]) + row["zero_count"]
        if row["kind"] != "sum" and "sum" in row:
            point.min, point.max = 0.5, float(sum(row["counts"]))
    return request


def _points(request: ExportMetricsServiceRequest) -> list[Any]:
    return [
        point
        for resource in request.resource_metrics
        for scope in resource.scope_metrics
        for metric in scope.metrics
        for point in getattr(metric, metric.WhichOneof("data") or "").data_points
    ]


def _in_order(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """As ``metrics_request`` groups them: by service, then by metric."""
    groups: dict[str, dict[str, list[dict[str, Any]]]] = {}
    for row in rows:
        metrics = groups.setdefault(row["service"], {})
        metrics.setdefault(repr([row[name] for name in ("kind", "unit", "temporality")]), []).append(row)
    return [row for metrics in groups.values() for group in metrics.values() for row in group]


def weir(run: Harness[DeltaToCumulative], request: ExportMetricsServiceRequest) -> ExportMetricsServiceRequest:
    batch = run.process(metric_batch_of(request))
    return ExportMetricsServiceRequest.FromString(batch.to_otlp())


def metric_batch_of(request: ExportMetricsServiceRequest) -> Any:
    batch, rejected = projection("metrics", READS).decode(request.SerializeToString())
    assert rejected == {}
    return batch


def dropped(run: Harness[DeltaToCumulative]) -> dict[str, float]:
    name = "otelcol_deltatocumulative_datapoints"
    return {labels["error"]: n for found, labels, n in run.own.samples() if found == name and "error" in labels}


@given(points(), st.lists(st.booleans(), min_size=14, max_size=14))
@settings(max_examples=300, deadline=None)
def test_what_goes_on_is_what_the_oracle_gives(rows: list[dict[str, Any]], restarts: list[bool]) -> None:
    run, oracle = Harness(DeltaToCumulative), Oracle()
    for begin in range(0, len(rows), 5):
        request = request_of(rows[begin : begin + 5])
        assert normal(weir(run, request)) == normal(oracle.process(request))
        if restarts[begin]:
            run.restart()
    assert dropped(run) == oracle.dropped


@given(points(), st.integers(1, 6))
@settings(max_examples=150, deadline=None)
def test_spreading_points_over_requests_changes_no_total(rows: list[dict[str, Any]], size: int) -> None:
    rows = _in_order(rows)
    whole, parts = Harness(DeltaToCumulative), Harness(DeltaToCumulative)
    expected = _points(normal(weir(whole, request_of(rows))))
    found = []
    for begin in range(0, len(rows), size):
        found += _points(normal(weir(parts, request_of(rows[begin : begin + size]))))
    assert Counter(map(str, found)) == Counter(map(str, expected))
    assert dropped(whole) == dropped(parts)


@pytest.mark.parametrize("kind", KINDS)
def test_interleaving_streams_changes_no_total(kind: str) -> None:
    rows: list[dict[str, Any]] = [
        {"kind": kind, "temporality": "delta", "attributes": {"n": stream}, "counts": [1, stream], "value": stream}
        | {"start_unix_nano": 1_000 + at, "time_unix_nano": 1_001 + at, "service": "s", "unit": "", "offset": 0}
        | {"zero_threshold": 0.0, "zero_count": 0}
        for at in range(6)
        for stream in range(5)
    ]
    one_by_one = sorted(rows, key=lambda row: row["attributes"]["n"])
    found = [
        sorted(map(str, _points(weir(Harness(DeltaToCumulative), request_of(order))))) for order in (rows, one_by_one)
    ]
    assert found[0] == found[1]
