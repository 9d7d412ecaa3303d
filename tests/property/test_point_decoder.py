"""The decoder of data points against the official parser: the same columns or the one documented error, whatever the
bytes; and the same reasons for rejecting a point.
"""

from __future__ import annotations

import math
import random
import struct
from collections import Counter
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.metrics.v1.metrics_pb2 import Exemplar

from pipeline.codec import otlp_metrics
from pipeline.codec.otlp_encode import element
from pipeline.codec.otlp_metrics import MetricsProjection
from pipeline.codec.projection import Limits
from pipeline.errors import MalformedPayload, PayloadTooLarge
from pipeline.model.attribute_text import plain_value, value_text
from pipeline.model.columns import METRIC_TYPES, POINT_COLUMNS, TEMPORALITIES
from pipeline.model.metrics import MetricBatch
from pipeline.testing import metrics_request
from tests.kernels import MODES, uncompiled
from tests.oracles import lazy

POINT_KEYS = ["route", "n", "k" * 70]
COLUMNS = [*POINT_COLUMNS, "scope.name", "resource.service.name", *(f"point.{key}" for key in POINT_KEYS)]
PROJECTION = MetricsProjection(COLUMNS)
ORACLE = lazy.LazyParser("metrics", ["service.name"], POINT_KEYS)
KINDS = ["gauge", "sum", "histogram", "exponential_histogram", "summary"]


def real_request() -> ExportMetricsServiceRequest:
    """Two points of each kind, with exemplars and everything that is optional."""
    exemplar = Exemplar(as_double=0.5, time_unix_nano=7, span_id=b"s" * 8, trace_id=b"t" * 16)
    exemplar.filtered_attributes.add(key="unread")
    rows: list[dict[str, Any]] = [
        {"name": "g", "kind": "gauge", "value": -3, "attributes": {"route": "/é", "n": 1, "unread": "x" * 140}},
        {"name": "g", "kind": "gauge", "value": math.nan, "attributes": {"k" * 70: True}, "exemplars": [exemplar]},
        {"name": "s", "kind": "sum", "value": 2.5, "unit": "s", "exemplars": [exemplar, exemplar]},
        {"name": "s", "kind": "sum", "flags": 1, "value": None, "service": "pay"},
        {"name": "h", "kind": "histogram", "bounds": [0.5, 1.0, 5.0], "counts": [1, 2, 0, 300], "sum": 7.5},
        {"name": "h", "kind": "histogram", "bounds": [], "counts": [4], "temporality": "delta"},
        {
            "name": "e",
            "kind": "exponential_histogram",
            "scale": -3,
            "offset": -70,
            "counts": [1, 300, 0, 2],
            "sum": 1.5,
        },
        {
            "name": "e",
            "kind": "exponential_histogram",
            "scale": 20,
            "zero_count": 5,
            "counts": [],
            "attributes": {"n": 2},
        },
        {"name": "q", "kind": "summary", "quantiles": {0.5: 1.5, 0.99: 2.0}, "count": 3, "sum": 4.5},
        {"name": "q", "kind": "summary", "quantiles": {}, "count": 0},
    ]
    request = metrics_request(rows)
    histogram = request.resource_metrics[0].scope_metrics[0].metrics[2].histogram.data_points[0]
    histogram.min, histogram.max = 0.0, 9.5
    exponential = request.resource_metrics[0].scope_metrics[0].metrics[4].exponential_histogram.data_points[0]
    exponential.negative.offset = 5
    exponential.negative.bucket_counts.extend([1, 1 << 40])
    exponential.count += 1 + (1 << 40)
    exponential.zero_threshold = 1e-9
    return request


def assert_same_as_oracle(payload: bytes) -> str:
    """Decode both ways and compare. Returns what happened, for counting."""
    expected = ORACLE.decode(payload)
    try:
        points, rejected = PROJECTION.decode(payload)
    except MalformedPayload as error:
        reason = str(error)
    else:
        return assert_same_rows(points, rejected, expected)
    # Groups and deep nesting are refused here and read by the official parser; nothing else may differ.
    assert expected is None or "invalid tag" in reason or "nested" in reason
    return "refused"


def assert_same_rows(points: MetricBatch, rejected: dict[str, int], expected: list[lazy.Row] | None) -> str:
    if expected is None:
        # The inside of arrays and key-value lists is decoded when asked for, and damage there is not noticed before.
        return "not looked into"
    good = [row for row in expected if not row.defects()]
    assert sum(rejected.values()) == len(expected) - len(good)
    assert rejected.keys() <= {defect for row in expected for defect in row.defects()}
    assert_columns(points, good)
    return "decoded"


def assert_columns(points: MetricBatch, rows: list[lazy.Row]) -> None:
    assert len(points) == len(rows)
    kinds = [row.metric.WhichOneof("data") for row in rows]
    data = [getattr(row.metric, kind) for row, kind in zip(rows, kinds, strict=True)]
    items = [row.item for row in rows]
    for column in ("name", "description", "unit"):
        assert points[f"metric.{column}"].tolist() == [getattr(row.metric, column) for row in rows]
    assert points["metric.type"].tolist() == [METRIC_TYPES[1 + KINDS.index(kind)] for kind in kinds]
    temporalities = [getattr(one, "aggregation_temporality", 0) for one in data]
    assert points["aggregation_temporality"].tolist() == [TEMPORALITIES[number] for number in temporalities]
    assert points["is_monotonic"].tolist() == [getattr(one, "is_monotonic", False) for one in data]
    assert points["scope.name"].tolist() == [row.scope.name for row in rows]
    for column in ("start_time_unix_nano", "time_unix_nano", "flags"):
        assert points[column].tolist() == [getattr(item, column) for item in items]
    for column in ("count", "zero_count", "scale", "zero_threshold"):
        assert points[column].tolist() == [getattr(item, column, 0) for item in items], column
    for column in ("sum", "min", "max"):
        assert bits(points[column]) == bits([optional(item, column) for item in items]), column
    values = [item.WhichOneof("value") if hasattr(item, "as_int") else None for item in items]
    numbers = [float(getattr(item, value)) if value else math.nan for item, value in zip(items, values, strict=True)]
    assert bits(points["value"]) == bits(numbers)
    ints = [item.as_int if value == "as_int" else 0 for item, value in zip(items, values, strict=True)]
    assert points["as_int"].tolist() == ints
    for column in ("explicit_bounds", "bucket_counts"):
        expected = [list(getattr(item, column, ())) for item in items]
        assert list(map(bits, points[column].tolist())) == list(map(bits, expected)), column
    for side in ("positive", "negative"):
        found = [getattr(item, side, None) for item in items]
        assert points[f"{side}.offset"].tolist() == [one.offset if one else 0 for one in found]
        assert points[f"{side}.bucket_counts"].tolist() == [list(one.bucket_counts) if one else [] for one in found]
    assert_below(points, items)
    for key in ("resource.service.name", *(f"point.{key}" for key in POINT_KEYS)):
        texts = [row.attributes.get(key) for row in rows]
        assert points[key].tolist() == [None if v is None else value_text(plain_value(v)) for v in texts], key


def assert_below(points: MetricBatch, items: list[Any]) -> None:
    """Exemplars and quantiles."""
    exemplars = [(i, one) for i, item in enumerate(items) for one in getattr(item, "exemplars", ())]
    found = points["exemplars"]
    assert found.point.tolist() == [i for i, _ in exemplars]
    assert found.time_unix_nano.tolist() == [one.time_unix_nano for _, one in exemplars]
    values = [
        float(getattr(one, one.WhichOneof("value"))) if one.WhichOneof("value") else math.nan for _, one in exemplars
    ]
    assert bits(found.value) == bits(values)
    assert found.trace_id.tobytes() == b"".join(identifier(one.trace_id, 16) for _, one in exemplars)
    assert found.span_id.tobytes() == b"".join(identifier(one.span_id, 8) for _, one in exemplars)
    quantiles = [(i, one) for i, item in enumerate(items) for one in getattr(item, "quantile_values", ())]
    found = points["quantile_values"]
    assert found.point.tolist() == [i for i, _ in quantiles]
    assert bits(found.quantile) == bits([one.quantile for _, one in quantiles])
    assert bits(found.value) == bits([one.value for _, one in quantiles])


def optional(item: Any, name: str) -> float:
    if name not in item.DESCRIPTOR.fields_by_name:
        return math.nan
    has_presence = item.DESCRIPTOR.fields_by_name[name].has_presence
    return getattr(item, name) if not has_presence or item.HasField(name) else math.nan


def bits(numbers: Any) -> list[str]:
    """Doubles as text, so that NaN equals NaN and -0.0 does not equal 0.0."""
    return [repr(float(number)) for number in numbers]


def identifier(raw: bytes, size: int) -> bytes:
    return raw if len(raw) == size else bytes(size)


def test_real_requests_decode_to_the_official_parsers_values() -> None:
    assert assert_same_as_oracle(real_request().SerializeToString()) == "decoded"


def test_both_modes_of_the_kernel_agree(monkeypatch: pytest.MonkeyPatch) -> None:
    payload = real_request().SerializeToString()
    generator = random.Random(3)
    damaged = [bytearray(payload) for _ in range(150)]
    for one in damaged:
        one[generator.randrange(len(one))] = generator.randrange(256)

    def decode_all() -> list[Any]:
        out: list[Any] = []
        for one in damaged:
            try:
                points, rejected = PROJECTION.decode(bytes(one))
                out.append((rejected, points.to_otlp()))
            except (MalformedPayload, PayloadTooLarge) as error:
                out.append(str(error))
        return out

    compiled = decode_all()
    monkeypatch.setattr(otlp_metrics, "point_checks", uncompiled("pipeline.codec.point_checks"))
    assert decode_all() == compiled
    assert len(MODES) == 2


def test_every_prefix_decodes_alike_or_is_refused() -> None:
    payload = real_request().SerializeToString()
    outcomes = Counter(assert_same_as_oracle(payload[:cut]) for cut in range(len(payload) + 1))
    assert outcomes["refused"] > len(payload) * 0.9


def test_single_byte_changes_decode_alike_or_are_refused() -> None:
    payload = real_request().SerializeToString()
    generator = random.Random(7)
    outcomes: Counter[str] = Counter()
    for place in range(len(payload)):
        for value in {0, 0x7F, 0x80, 0xFF, payload[place] ^ 1, generator.randrange(256), generator.randrange(256)}:
            outcomes[assert_same_as_oracle(payload[:place] + bytes([value]) + payload[place + 1 :])] += 1
    assert min(outcomes["decoded"], outcomes["refused"]) > 1_000
    assert outcomes["not looked into"] < 0.1 * outcomes.total()


@given(st.data())
@settings(max_examples=300, deadline=None)
def test_spliced_bytes_decode_alike_or_are_refused(data: st.DataObject) -> None:
    payload = bytearray(real_request().SerializeToString())
    for _ in range(data.draw(st.integers(1, 3))):
        place = data.draw(st.integers(0, len(payload)))
        cut = data.draw(st.integers(0, 12))
        payload[place : place + cut] = data.draw(st.binary(max_size=12))
    assert_same_as_oracle(bytes(payload))


def metric_bytes(*members: bytes, name: str = "m") -> bytes:
    """A request of one metric whose body is its name and these fields."""
    body = element(b"\x0a", name.encode()) + b"".join(members)
    return element(b"\x0a", element(b"\x12", element(b"\x12", body)))


NUMBER = element(b"\x0a", b"\x21" + struct.pack("<d", 1.5))
HISTOGRAM = element(b"\x0a", b"\x21" + struct.pack("<Q", 2) + element(b"\x32", struct.pack("<Q", 2)))


@pytest.mark.parametrize(
    "members",
    [
        [element(b"\x2a", NUMBER), element(b"\x2a", NUMBER * 2)],
        [element(b"\x2a", NUMBER * 3), element(b"\x3a", NUMBER + b"\x10\x02\x18\x01")],
        [
            element(b"\x3a", NUMBER + b"\x10\x02\x18\x01"),
            element(b"\x2a", NUMBER),
            element(b"\x3a", NUMBER + b"\x10\x01"),
        ],
        [element(b"\x4a", HISTOGRAM + b"\x10\x02"), element(b"\x2a", NUMBER), element(b"\x2a", NUMBER)],
        [element(b"\x2a", NUMBER), element(b"\x5a", b"")],
    ],
)
def test_of_several_members_of_a_oneof_the_last_counts(members: list[bytes]) -> None:
    payload = metric_bytes(*members) + metric_bytes(element(b"\x2a", NUMBER), name="next")
    assert assert_same_as_oracle(payload) == "decoded"
    points, _ = PROJECTION.decode(payload)
    kept = points.where(np.arange(len(points)) != 0)
    expected = ExportMetricsServiceRequest.FromString(payload)
    first = next(points for points in map(_points_of, _metrics(expected)) if points)
    del first[0]
    sent = ExportMetricsServiceRequest.FromString(kept.to_otlp())
    assert [list(_points_of(metric)) for metric in _metrics(sent)] == [
        list(points) for points in map(_points_of, _metrics(expected)) if points
    ]


def _metrics(request: ExportMetricsServiceRequest) -> list[Any]:
    return [metric for rm in request.resource_metrics for sm in rm.scope_metrics for metric in sm.metrics]


def _points_of(metric: Any) -> Any:
    return getattr(metric, metric.WhichOneof("data")).data_points if metric.WhichOneof("data") else []


@pytest.mark.parametrize("ok", [True, False])
def test_numbers_in_several_parts_are_joined_before_they_are_judged(ok: bool) -> None:
    one = struct.pack("<Q", 1)
    body = b"\x21" + struct.pack("<Q", 3 if ok else 4) + element(b"\x32", one) + b"\x31" + one + element(b"\x32", one)
    body += b"\x39" + struct.pack("<d", 1.0) + element(b"\x3a", struct.pack("<d", 2.0))
    payload = metric_bytes(element(b"\x4a", element(b"\x0a", body) + b"\x10\x02"))
    assert assert_same_as_oracle(payload) == "decoded"
    buckets = [b"\x08\x02" + element(b"\x12", b"\x01"), element(b"\x12", b"\x01\x80\x01")]
    body = b"\x21" + struct.pack("<Q", 130 if ok else 1) + b"".join(element(b"\x42", part) for part in buckets)
    payload = metric_bytes(element(b"\x52", element(b"\x0a", body + b"\x42\x02\x10\x00") + b"\x10\x02"))
    assert assert_same_as_oracle(payload) == "decoded"
    assert len(PROJECTION.decode(payload)[0]) == ok


@pytest.mark.parametrize(
    ("reason", "fields"),
    [
        ("no_metric_name", {"name": ""}),
        ("no_value", {"value": None}),
        ("no_temporality", {"kind": "sum", "temporality": "unspecified"}),
        ("negative_sum", {"kind": "sum", "value": -1}),
        ("negative_sum", {"kind": "sum", "value": -0.5}),
        ("bad_histogram", {"kind": "histogram", "bounds": [1.0], "counts": [1, 2, 3]}),
        ("bad_histogram", {"kind": "histogram", "bounds": [2.0, 1.0], "counts": [1, 2, 3]}),
        ("bad_histogram", {"kind": "histogram", "bounds": [1.0, 1.0], "counts": [1, 2, 3]}),
        ("bad_histogram", {"kind": "histogram", "bounds": [1.0, math.nan], "counts": [1, 2, 3]}),
        ("bad_histogram", {"kind": "histogram", "bounds": [1.0], "counts": [1, 2], "count": 4}),
        ("bad_histogram", {"kind": "histogram", "bounds": [1.0], "counts": []}),
        ("bad_exponential_histogram", {"kind": "exponential_histogram", "scale": 2**31 - 1}),
        ("bad_exponential_histogram", {"kind": "exponential_histogram", "scale": -12}),
        ("bad_exponential_histogram", {"kind": "exponential_histogram", "offset": 2**31 - 1, "counts": [1, 1]}),
        ("bad_exponential_histogram", {"kind": "exponential_histogram", "count": 2}),
        ("bad_exponential_histogram", {"kind": "exponential_histogram", "counts": [0] * 16_385}),
        ("bad_summary", {"kind": "summary", "quantiles": {1.5: 1.0}}),
        ("bad_summary", {"kind": "summary", "quantiles": {math.nan: 1.0}}),
        ("bad_summary", {"kind": "summary", "quantiles": {-0.1: 1.0}}),
    ],
)
def test_points_that_cannot_be_are_rejected_alone(reason: str, fields: dict[str, Any]) -> None:
    payload = metrics_request([{"name": "good"}, fields, {"name": "good", "value": 2.0}]).SerializeToString()
    assert assert_same_as_oracle(payload) == "decoded"
    points, rejected = PROJECTION.decode(payload)
    assert rejected == {reason: 1}
    assert points["value"].tolist() == [1.0, 2.0]
    sent = ExportMetricsServiceRequest.FromString(points.to_otlp())
    assert [metric.name for metric in _metrics(sent)] == ["good"]


@pytest.mark.parametrize(
    "fields",
    [
        {"value": math.nan},
        {"value": -math.inf},
        {"kind": "sum", "value": -0.0},
        {"kind": "sum", "value": math.nan},
        {"kind": "sum", "value": -5.0, "monotonic": False},
        {"kind": "sum", "value": None, "flags": 1},
        {"kind": "histogram", "bounds": [-math.inf, -0.0, 5e-324, math.inf], "counts": [0] * 5},
        {"kind": "histogram", "bounds": [], "counts": [], "count": 9},
        {"kind": "exponential_histogram", "offset": -(2**31), "counts": [1]},
        {"kind": "exponential_histogram", "scale": -11, "offset": 2**31 - 1, "counts": [1]},
        {"kind": "summary", "quantiles": {0.0: 1.0, 1.0: math.nan}},
        {"start_unix_nano": 9, "time_unix_nano": 3},
    ],
)
def test_strange_points_are_kept(fields: dict[str, Any]) -> None:
    payload = metrics_request([fields]).SerializeToString()
    assert assert_same_as_oracle(payload) == "decoded"
    points, rejected = PROJECTION.decode(payload)
    assert (len(points), rejected) == (1, {})
    assert points.to_otlp() is payload


def test_the_bits_of_a_stale_marker_pass_unchanged() -> None:
    stale = 0x7FF0000000000002
    payload = metric_bytes(element(b"\x2a", element(b"\x0a", b"\x21" + struct.pack("<Q", stale)) + NUMBER))
    points, _ = PROJECTION.decode(payload)
    sent = points.where(np.array([True, False])).to_otlp()
    assert struct.pack("<Q", stale) in sent


@pytest.mark.parametrize(
    ("what", "payload"),
    [
        ("points", lambda n: metric_bytes(element(b"\x2a", b"\x0a\x00" * n))),
        ("metrics", lambda n: element(b"\x0a", element(b"\x12", b"\x12\x00" * n))),
        ("exemplars", lambda n: metric_bytes(element(b"\x2a", element(b"\x0a", b"\x2a\x00" * n)))),
        ("quantiles", lambda n: metric_bytes(element(b"\x5a", element(b"\x0a", b"\x32\x00" * n)))),
        ("attributes", lambda n: metric_bytes(element(b"\x2a", element(b"\x0a", b"\x3a\x00" * n)))),
    ],
)
@pytest.mark.parametrize("columns", [COLUMNS, ["point.x"]])
def test_counts_are_limited_before_anything_is_allocated_for_them(what: str, payload: Any, columns: list[str]) -> None:
    projection = MetricsProjection(columns, Limits(max_items=1_000, max_children=1_000))
    projection.decode(payload(1_000))
    with pytest.raises(PayloadTooLarge, match="too many"):
        projection.decode(payload(1_001))
