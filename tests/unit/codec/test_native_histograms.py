"""Exponential histograms of applications as native ones, on the protobuf page and over remote write: both signs, the
zero bucket, and scales that Prometheus has not, read back with the official messages.
"""

from __future__ import annotations

import random
from collections import Counter
from typing import Any

import pytest
from opentelemetry.proto.metrics.v1.metrics_pb2 import ExponentialHistogramDataPoint

from pipeline.codec.otlp_metrics import MetricsProjection
from pipeline.codec.prometheus_families import Family, assemble
from pipeline.codec.prometheus_labels import Format, LabelOptions, LabelWriter
from pipeline.codec.prometheus_names import Escaping, Namer
from pipeline.codec.prometheus_protobuf import write_families
from pipeline.codec.remote_write import Message, RemoteWriter
from pipeline.model.last_values import READS, snapshots_of
from pipeline.testing import metrics_request
from tests.oracles.prometheus_proto import native_buckets, read_delimited
from tests.oracles.remote_write_proto import series_of

NOW = 1_700_000_000_000_000_000


def random_point(seed: int) -> ExponentialHistogramDataPoint:
    chance = random.Random(seed)
    point = ExponentialHistogramDataPoint(scale=chance.randint(-4, 20), sum=chance.gauss(0, 9), zero_count=seed % 3)
    for side in (point.positive, point.negative):
        side.offset = chance.randint(-70, 70)
        side.bucket_counts.extend(chance.choice((0, 0, 1, 2, 300)) for _ in range(chance.randint(0, 30)))
    point.count = point.zero_count + sum(point.positive.bucket_counts) + sum(point.negative.bucket_counts)
    point.zero_threshold = chance.choice((0.0, 1e-9))
    return point


def families(point: ExponentialHistogramDataPoint) -> list[Family]:
    request = metrics_request([{"kind": "exponential_histogram", "name": "e"}])
    metric = request.resource_metrics[0].scope_metrics[0].metrics[0]
    metric.exponential_histogram.data_points[0].CopyFrom(point)
    batch, rejected = MetricsProjection(READS).decode(request.SerializeToString())
    assert rejected == {}
    labels = LabelWriter(Namer(), LabelOptions(with_scope=False), Format.PROTOBUF, Escaping.ALLOW_UTF8)
    snapshots = snapshots_of(batch, NOW)
    found = assemble(snapshots, Namer(), labels, Format.PROTOBUF, Escaping.ALLOW_UTF8, lambda *_: None)
    return [family for family in found if family.name == "e"]


def expected(point: ExponentialHistogramDataPoint) -> dict[str, Any]:
    """By definition: bucket i of scale s ends at 2^((i + 1) / 2^s), bucket n of schema s at 2^(n / 2^s)."""
    schema = min(point.scale, 8)
    sides = {}
    for name, side in (("positive", point.positive), ("negative", point.negative)):
        counts: Counter[int] = Counter()
        for i, count in enumerate(side.bucket_counts, start=side.offset):
            counts[-(-(i + 1) // 2 ** (point.scale - schema))] += count
        sides[name] = dict(+counts)
    about = {"schema": schema, "sum": point.sum, "count": point.count, "zero": point.zero_count}
    return {**about, "threshold": point.zero_threshold or 1e-128, **sides}


@pytest.mark.parametrize("seed", range(30))
def test_on_the_protobuf_page(seed: int) -> None:
    point = random_point(seed)
    (family,) = read_delimited(b"".join(write_families(families(point), lambda *_: None)))
    shown = family.metric[0].histogram
    assert expected(point) == {
        "schema": shown.schema,
        "sum": shown.sample_sum,
        "count": shown.sample_count,
        "zero": shown.zero_count,
        "threshold": shown.zero_threshold,
        "positive": native_buckets(shown.positive_span, shown.positive_delta),
        "negative": native_buckets(shown.negative_span, shown.negative_delta),
    }


@pytest.mark.parametrize("message", [Message.V1, Message.V2])
@pytest.mark.parametrize("seed", range(30))
def test_over_remote_write(seed: int, message: Message) -> None:
    point = random_point(seed)
    (request,) = RemoteWriter(message, 1, 1 << 20, lambda *_: None).encode(families(point), None, NOW)
    ((_, series),) = series_of(request.payload, v2=message is Message.V2)
    (shown,) = series.histograms
    assert expected(point) == {
        "schema": shown.schema,
        "sum": shown.sum,
        "count": shown.count_int,
        "zero": shown.zero_count_int,
        "threshold": shown.zero_threshold,
        "positive": native_buckets(shown.positive_spans, shown.positive_deltas),
        "negative": native_buckets(shown.negative_spans, shown.negative_deltas),
    }
