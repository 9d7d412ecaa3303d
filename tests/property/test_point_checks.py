"""Packed numbers of data points and the sums over them, against the official parser: the roads for short varints and
for bounds that repeat give what the slow ones do.
"""

from __future__ import annotations

import math
import struct
from itertools import pairwise

import pytest
from google.protobuf.message import DecodeError
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.metrics.v1.metrics_pb2 import AggregationTemporality, ExponentialHistogramDataPoint

from pipeline.codec import otlp_metrics, projection
from pipeline.codec.otlp_encode import element, varint
from pipeline.codec.otlp_metrics import MetricsProjection
from pipeline.errors import MalformedPayload
from pipeline.testing import metrics_request
from tests.kernels import MODES, uncompiled

VARINTS = st.sampled_from([0, 1, 127, 128, 16_383, 16_384, 2**28, 2**63]) | st.integers(0, 2**64 - 1)
LONG = st.integers(1, 12).map(lambda size: b"\x80" * (size - 1) + b"\x01")
"""Varints of one byte to two more than there may be."""
BOUNDS = st.lists(st.sampled_from([-1.0, -0.0, 0.0, 0.5, 1.0, 2.0, math.inf, math.nan]), max_size=3)
EXAMPLES = settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


@pytest.fixture(params=MODES)
def points(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> MetricsProjection:
    """The decoder in both modes."""
    if request.param == "uncompiled":
        monkeypatch.setattr(otlp_metrics, "point_checks", uncompiled("pipeline.codec.point_checks"))
        monkeypatch.setattr(projection, "wire", uncompiled("pipeline.codec.wire"))
    return MetricsProjection(())


def packed_request(numbers: bytes, count: int) -> bytes:
    """A request of one exponential histogram whose positive buckets are these bytes."""
    point = b"\x21" + struct.pack("<Q", count % 2**64) + element(b"\x42", element(b"\x12", numbers))
    data = element(b"\x52", element(b"\x0a", point) + b"\x10\x02")
    return element(b"\x0a", element(b"\x12", element(b"\x12", b"\x0a\x01m" + data)))


def outcome(points: MetricsProjection, payload: bytes) -> str:
    try:
        _, rejected = points.decode(payload)
    except MalformedPayload:
        return "refused"
    return "rejected" if rejected else "accepted"


@given(counts=st.lists(VARINTS, max_size=40), wrong=st.sampled_from([0, 0, 1, -1, 128]))
@EXAMPLES
def test_buckets_of_any_size_add_up(points: MetricsProjection, counts: list[int], wrong: int) -> None:
    numbers = b"".join(map(varint, counts))
    expected = "rejected" if wrong else "accepted"
    assert outcome(points, packed_request(numbers, sum(counts) + wrong)) == expected


@given(before=st.integers(0, 20), pieces=st.lists(LONG | st.just(b"\x05"), max_size=12), cut=st.integers(0, 3))
@EXAMPLES
def test_varints_that_are_too_long_or_cut_off_are_refused_as_by_the_official_parser(
    points: MetricsProjection, before: int, pieces: list[bytes], cut: int
) -> None:
    numbers = (b"\x01" * before + b"".join(pieces))[: -cut or None]
    try:
        parsed = ExponentialHistogramDataPoint.Buckets.FromString(element(b"\x12", numbers))
    except DecodeError:
        assert outcome(points, packed_request(numbers, 0)) == "refused"
    else:
        assert outcome(points, packed_request(numbers, sum(parsed.bucket_counts))) == "accepted"


@given(histograms=st.lists(BOUNDS, min_size=1, max_size=6))
@EXAMPLES
def test_bounds_are_judged_also_where_they_repeat(points: MetricsProjection, histograms: list[list[float]]) -> None:
    rows = [{"kind": "histogram", "bounds": bounds, "counts": [1] * (len(bounds) + 1)} for bounds in histograms]
    request: ExportMetricsServiceRequest = metrics_request(rows)
    bad = sum(
        any(map(math.isnan, bounds)) or any(one >= other for one, other in pairwise(bounds)) for bounds in histograms
    )
    _, rejected = points.decode(request.SerializeToString())
    assert sum(rejected.values()) == bad


@pytest.mark.parametrize(
    ("offset", "buckets", "expected"),
    [
        (0, 16_384, "accepted"),
        (0, 16_385, "rejected"),
        (2**31 - 3, 3, "accepted"),
        (2**31 - 2, 3, "rejected"),
        (2**31 - 1, 0, "accepted"),
        (-(2**31), 3, "accepted"),
    ],
)
@pytest.mark.parametrize("side", ["positive", "negative"])
def test_buckets_have_a_number_and_a_highest_index(
    points: MetricsProjection, side: str, offset: int, buckets: int, expected: str
) -> None:
    request = ExportMetricsServiceRequest()
    data = request.resource_metrics.add().scope_metrics.add().metrics.add(name="m").exponential_histogram
    data.aggregation_temporality = AggregationTemporality.AGGREGATION_TEMPORALITY_CUMULATIVE
    one = ExponentialHistogramDataPoint.Buckets(offset=offset, bucket_counts=[0] * buckets)
    data.data_points.add(**{side: one})
    assert outcome(points, request.SerializeToString()) == expected
