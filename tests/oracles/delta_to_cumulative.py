"""Deltas added up point by point over the official messages, buckets in dicts: what ``deltatocumulative`` must give."""

from __future__ import annotations

import sys
from collections import Counter
from typing import Any

from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest

DELTA, CUMULATIVE = 1, 2
KINDS = ("sum", "histogram", "exponential_histogram")


class Oracle:
    """Takes requests, gives back what goes on."""

    def __init__(self, max_buckets: int = 160) -> None:
        self.max_buckets = max_buckets
        self.totals: dict[str, Any] = {}
        self.dropped: Counter[str] = Counter()

    def process(self, given: ExportMetricsServiceRequest) -> ExportMetricsServiceRequest:
        request = ExportMetricsServiceRequest.FromString(given.SerializeToString())
        for resource in request.resource_metrics:
            for scope in resource.scope_metrics:
                for metric in list(scope.metrics):
                    kind = metric.WhichOneof("data") or ""
                    data = getattr(metric, kind)
                    if kind not in KINDS or data.aggregation_temporality != DELTA:
                        continue
                    family: list[Any] = [_plain(resource.resource), _plain(scope.scope), metric.name, metric.unit, kind]
                    family += [kind == "sum" and data.is_monotonic]
                    points = [self._point(repr([*family, _plain(point)]), kind, point) for point in data.data_points]
                    del data.data_points[:]
                    data.data_points.extend(point for point in points if point is not None)
                    data.aggregation_temporality = CUMULATIVE
        return request

    def _point(self, key: str, kind: str, new: Any) -> Any:
        total = self.totals.get(key)
        if total is not None and new.start_time_unix_nano < total.start_time_unix_nano:
            self.dropped["delta.ErrOlderStart"] += 1
            return None
        if total is not None and new.time_unix_nano <= total.time_unix_nano:
            self.dropped["delta.ErrOutOfOrder"] += 1
            return None
        out = type(new).FromString(new.SerializeToString())
        if total is not None and not (kind == "histogram" and total.explicit_bounds != new.explicit_bounds):
            out.start_time_unix_nano = total.start_time_unix_nano
            getattr(self, f"_add_{kind}")(out, total)
        self.totals[key] = out
        return out

    def _add_sum(self, out: Any, total: Any) -> None:
        whole = [point.WhichOneof("value") == "as_int" for point in (out, total)]
        parts = [
            point.as_int if is_whole else point.as_double for point, is_whole in zip((out, total), whole, strict=True)
        ]
        if all(whole) and -(2**63) <= sum(parts) < 2**63:
            out.as_int = sum(parts)
        else:
            out.as_double = float(parts[0]) + float(parts[1])

    def _add_histogram(self, out: Any, total: Any) -> None:
        out.count += total.count
        out.bucket_counts[:] = [one + other for one, other in zip(out.bucket_counts, total.bucket_counts, strict=True)]
        _add_optional(out, total)

    def _add_exponential_histogram(self, out: Any, total: Any) -> None:
        sides = [{name: _buckets(point, name) for name in ("positive", "negative")} for point in (out, total)]
        scales, scale = [out.scale, total.scale], min(out.scale, total.scale)
        while True:
            merged: dict[str, Counter[int]] = {"positive": Counter(), "negative": Counter()}
            for own, old in zip(sides, scales, strict=True):
                for name, buckets in own.items():
                    for index, count in buckets.items():
                        merged[name][index // 2 ** (old - scale)] += count
            if all(not one or max(one) - min(one) < self.max_buckets for one in merged.values()):
                break
            scale -= 1
        out.scale = scale
        out.zero_count += total.zero_count
        threshold = max(out.zero_threshold, total.zero_threshold)
        if out.zero_threshold != total.zero_threshold:
            for one in merged.values():
                for index in [index for index in one if _bound(index, scale) < threshold * (1 - 1e-12)]:
                    out.zero_count += one.pop(index)
                    out.zero_threshold = max(threshold, out.zero_threshold, _bound(index + 1, scale))
        out.zero_threshold = max(threshold, out.zero_threshold)
        for name, one in merged.items():
            _put(getattr(out, name), one)
        out.count += total.count
        _add_optional(out, total)


def normal(request: ExportMetricsServiceRequest) -> ExportMetricsServiceRequest:
    """Without metrics that have no points, empty buckets at the ends, and the last digits of zero thresholds."""
    out = ExportMetricsServiceRequest.FromString(request.SerializeToString())
    for resource in out.resource_metrics:
        for scope in resource.scope_metrics:
            kept = [metric for metric in scope.metrics if getattr(metric, metric.WhichOneof("data") or "").data_points]
            del scope.metrics[:]
            scope.metrics.extend(kept)
            for metric in scope.metrics:
                for point in metric.exponential_histogram.data_points:
                    point.zero_threshold = float(f"{point.zero_threshold:.9g}")
                    for name in ("positive", "negative"):
                        _put(getattr(point, name), _buckets(point, name))
                        if not getattr(point, name).bucket_counts:
                            point.ClearField(name)
        emptied = [scope for scope in resource.scope_metrics if scope.metrics]
        del resource.scope_metrics[:]
        resource.scope_metrics.extend(emptied)
    left = [resource for resource in out.resource_metrics if resource.scope_metrics]
    del out.resource_metrics[:]
    out.resource_metrics.extend(left)
    return out


def _plain(owner: Any) -> list[Any]:
    """What an owner of attributes is told from others by."""
    names = [getattr(owner, name, "") for name in ("name", "version")]
    return [*names, sorted((pair.key, pair.value.SerializeToString(deterministic=True)) for pair in owner.attributes)]


def _buckets(point: Any, name: str) -> Counter[int]:
    side = getattr(point, name)
    return Counter({side.offset + i: count for i, count in enumerate(side.bucket_counts) if count})


def _bound(index: int, scale: int) -> float:
    """The lower bound of a bucket, or the largest number."""
    power = index * 2.0**-scale
    return 2.0**power if power < sys.float_info.max_exp else sys.float_info.max


def _put(side: Any, buckets: Counter[int]) -> None:
    first, last = min(buckets, default=0), max(buckets, default=-1)
    side.offset = first
    side.bucket_counts[:] = [buckets[index] for index in range(first, last + 1)]


def _add_optional(out: Any, total: Any) -> None:
    for name, combine in (("sum", lambda a, b: a + b), ("min", min), ("max", max)):
        if out.HasField(name) and total.HasField(name):
            setattr(out, name, combine(getattr(out, name), getattr(total, name)))
        else:
            out.ClearField(name)
