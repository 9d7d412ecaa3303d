"""Metrics as an application might send them, with everything that a translation to Prometheus can stumble over."""

from __future__ import annotations

import itertools
from typing import Any

from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, ArrayValue, KeyValue, KeyValueList
from opentelemetry.proto.metrics.v1.metrics_pb2 import AggregationTemporality, Metric

CUMULATIVE = AggregationTemporality.AGGREGATION_TEMPORALITY_CUMULATIVE
NAMES = (
    "http.server.request.duration", "system.cpu.time", "a-b c", "métrique", "double__under", "jobs.total", "total",
    "cpu.ratio", "elapsed.seconds", "process.bytes.total", "x:y", "UPPER.Case", "trailing_", "seconds.total.ratio",
    "日本", "a.total.b", "per_second", "%",
)  # fmt: skip
UNITS = (
    "", "s", "ms", "By", "By/s", "1", "%", "{request}", "{request}/s", "m/s", "/s", "KiBy", "custom", "a/b/c",
    "s/{call}", "Cel", "1/s", "per", "h/d", "foo bar", "By/", "mo", "w",
)  # fmt: skip
KINDS = ("gauge", "sum", "up_down", "histogram", "exponential", "summary")
ALONE = ("1st.metric", "_leading", "9", "a" * 200, ".dot", "service.name")
"""Names without a prefix that makes them distinct."""
ATTRIBUTES: tuple[dict[str, Any], ...] = (
    {"http.method": "GET", "Zone": 'q"\\'},
    {"a.b": "first", "a_b": "second", "a-b": "third"},
    {"1x": "digit", "_private": "p", "ünïcode": "ü", "__reserved__": "r", "a__b": "x"},
    {"empty": "", "int": 7, "double": 1.5, "large": 1e21, "true": True, "none": None},
    {"list": [1, "two", 2.5, False], "map": {"k": "v", "n": {"z": 1}}, "raw": b"\x00\xff"},
    {"job": "mine", "instance": "here", "service.name": "point", "otel_scope_name": "other"},
    {"x.y.": "dots", ":colon": "c"},
    {},
)


def any_value(value: Any) -> AnyValue:
    match value:
        case None:
            return AnyValue()
        case bool():
            return AnyValue(bool_value=value)
        case int():
            return AnyValue(int_value=value)
        case float():
            return AnyValue(double_value=value)
        case bytes():
            return AnyValue(bytes_value=value)
        case list():
            return AnyValue(array_value=ArrayValue(values=[any_value(one) for one in value]))
        case dict():
            return AnyValue(kvlist_value=KeyValueList(values=key_values(value)))
        case _:
            return AnyValue(string_value=value)


def key_values(attributes: dict[str, Any]) -> list[KeyValue]:
    return [KeyValue(key=key, value=any_value(value)) for key, value in attributes.items()]


def metric(name: str, unit: str, kind: str, attributes: dict[str, Any], now: int) -> Metric:
    """One point, of values that differ from 0."""
    found = Metric(name=name, unit=unit, description=f"What {name} means")
    point: dict[str, Any] = {
        "attributes": key_values(attributes),
        "start_time_unix_nano": now - 10_000_000_000,
        "time_unix_nano": now,
    }
    if kind == "gauge":
        found.gauge.data_points.add(**point, as_double=-1.5)
    elif kind in {"sum", "up_down"}:
        found.sum.aggregation_temporality, found.sum.is_monotonic = CUMULATIVE, kind == "sum"
        found.sum.data_points.add(**point, as_int=7)
    elif kind == "histogram":
        found.histogram.aggregation_temporality = CUMULATIVE
        found.histogram.data_points.add(**point, count=6, sum=9.5, bucket_counts=[1, 2, 3], explicit_bounds=[0.5, 10.0])
    elif kind == "exponential":
        found.exponential_histogram.aggregation_temporality = CUMULATIVE
        one = found.exponential_histogram.data_points.add(**point, count=8, sum=12.5, scale=3, zero_count=1)
        one.positive.offset, one.negative.offset = -2, 5
        one.positive.bucket_counts.extend([1, 0, 0, 0, 3])
        one.negative.bucket_counts.extend([2, 1])
    else:
        summary = found.summary.data_points.add(**point, count=5, sum=2.5)
        summary.quantile_values.add(quantile=0.5, value=0.4)
        summary.quantile_values.add(quantile=0.99, value=0.9)
    return found


def request(now: int) -> ExportMetricsServiceRequest:
    """Every name with every unit in some kind, every kind with all attributes, from two resources and scopes."""
    whole = ExportMetricsServiceRequest()
    shop = whole.resource_metrics.add()
    shop.resource.attributes.extend(
        key_values(
            {"service.name": "cart", "service.namespace": "shop", "service.instance.id": "cart-1", "host.name": "n1"}
        )
    )
    scoped = shop.scope_metrics.add(schema_url="https://opentelemetry.io/schemas/1.30.0")
    scoped.scope.name, scoped.scope.version = "meter", "1.2"
    scoped.scope.attributes.extend(key_values({"lib.kind": "http", "name": "dropped"}))
    kinds = itertools.cycle(KINDS)
    for number, (name, unit) in enumerate(itertools.product(NAMES, UNITS)):
        scoped.metrics.append(metric(f"m{number}.{name}", unit, next(kinds), ATTRIBUTES[0], now))
    for number, (kind, attributes) in enumerate(itertools.product(KINDS, ATTRIBUTES)):
        scoped.metrics.append(metric(f"labels{number}", "s", kind, attributes, now))
    nameless = whole.resource_metrics.add()
    nameless.resource.attributes.extend(key_values({"service.name": "alone", "os.type": "linux"}))
    plain = nameless.scope_metrics.add()
    for name in ALONE:
        plain.metrics.append(metric(name, "", "gauge", {}, now))
    return whole
