"""LastValues: the newest value of every series that applications sent, as a meter would hand it out.

The Collector's prometheus exporter keeps its state like this ("last value accumulator")::

    point ─ scope, metric name, type ─▶ Family ─ job, instance, attributes ─▶ Series ─▶ row of a Part
                                                                                        labels, bounds: columns

A later point takes the place of an earlier one. Points of delta temporality are added up where each begins when the
last ended. "No recorded value" removes a series, and so does silence.

Not thread-safe. Cost: some 2 µs of Python a point; what is kept of a series is about 1 KB.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Literal

import numpy as np

from pipeline.model.last_value_points import READS, Points, ResourceNumbers
from pipeline.model.last_value_series import Family, FamilyKey, Indices, Int64s, Part, PointKey, Series
from pipeline.model.metrics import (
    EXPONENTIAL_HISTOGRAM,
    GAUGE,
    HISTOGRAM,
    NO_RECORDED_VALUE,
    SUM,
    SUMMARY,
    MetricBatch,
)
from pipeline.model.snapshot import Metric, MetricKind, MetricSnapshot, Scope, Temporality
from pipeline.model.value_columns import HistogramColumn

__all__ = ["READS", "LastValues", "snapshots_of"]

Deltas = Literal["add", "drop", "keep"]
Report = Callable[[str, str, int], None]
"""Called with a reason, the name of a metric, and how many points it is about."""

KINDS = {
    GAUGE: MetricKind.GAUGE,
    SUM: MetricKind.SUM,
    HISTOGRAM: MetricKind.HISTOGRAM,
    EXPONENTIAL_HISTOGRAM: MetricKind.EXPONENTIAL_HISTOGRAM,
    SUMMARY: MetricKind.SUMMARY,
}
MAX_SERIES = 500_000
MAX_NAME_BYTES = 1_024
MAX_ALIASES = 4
"""Encodings of one series that are remembered: senders may order attributes differently."""
DELTA = int(Temporality.DELTA)


class LastValues:
    """See the module.

    Args:
        now: Monotonic nanoseconds.
        expire_after_s: A series that no point has come for so long is gone; 0: never.
        by_instance: Resources with the same job and instance are one, and the newest counts, as in the Collector: a
            process that starts anew goes on with the series of the one before it. Else every resource is its own.
        deltas: What becomes of points of delta temporality: added up, left out, or kept as they are.
        keeps_ended: A point without a recorded value is one like any other. Else it removes its series.
        report: Told what is left out.
    """

    def __init__(
        self,
        now: Callable[[], int],
        report: Report,
        expire_after_s: float = 0.0,
        *,
        by_instance: bool = True,
        deltas: Deltas = "add",
        keeps_ended: bool = False,
    ) -> None:
        self._now = now
        self._report = report
        self._expire_after_ns = round(expire_after_s * 1e9)
        self._deltas = deltas
        self._ending = 0 if keeps_ended else NO_RECORDED_VALUE
        self._resources = ResourceNumbers(by_instance)
        self._families: dict[FamilyKey, Family] = {}
        self._series = 0
        self._created = 0

    def __len__(self) -> int:
        return self._series

    # Points in

    def add(self, metrics: MetricBatch) -> None:
        """Take the points of a batch over, which must have the columns ``READS``."""
        points = Points(metrics)
        resources = self._resources.numbers(metrics)[metrics.resource_rows].tolist()
        rows = metrics.metric_rows
        first = np.append(0, np.flatnonzero(rows[1:] != rows[:-1]) + 1)
        for begin, end in zip(first.tolist(), [*first[1:].tolist(), len(metrics)], strict=True):
            family = self._family(points, begin)
            if family is not None:
                self._add_metric(family, points, begin, end, resources)
                if not family.by_labels:
                    del self._families[family.key]

    def _family(self, points: Points, i: int) -> Family | None:
        key = points.family(i)
        if len(key.name) > MAX_NAME_BYTES:
            self._report("name_limit", key.name[:100], 1)
            return None
        is_delta = points.temporality[i] == DELTA
        is_up_down = key.type == SUM and not key.is_monotonic
        if is_delta and (self._deltas == "drop" or (self._deltas == "add" and is_up_down)):
            self._report("delta", key.name, 1)
            return None
        family = self._families.get(key)
        if family is None:
            scope = points.scope(i)
            if scope is None:
                self._report("damaged", key.name, 1)
                return None
            family = self._families[key] = Family(key, scope)
        family.temporality = Temporality.DELTA if is_delta and self._deltas == "keep" else Temporality.CUMULATIVE
        family.description, family.unit = points.text("metric.description", i), points.text("metric.unit", i)
        return family

    def _add_metric(self, family: Family, points: Points, begin: int, end: int, resources: list[int]) -> None:
        """The points of one metric, which are neighbours."""
        by_part: dict[Part, tuple[list[Series], list[int]]] = {}
        for i in range(begin, end):
            key = (resources[i], points.attributes(i), points.shape(i))
            series = family.by_point.get(key)
            if points.flags[i] & self._ending:
                if series is None:
                    labels, _ = points.label_key(i, resources[i])
                    series = None if labels is None else family.by_labels.get(labels)
                self._end(family, series)
                continue
            if series is None:
                series = self._find(family, points, i, key)
                if series is None:
                    continue
            taken = by_part.setdefault(series.part, ([], []))
            taken[0].append(series)
            taken[1].append(i)
        for part, (found, places) in by_part.items():
            self._store(family, part, found, points, np.array(places))

    def _find(self, family: Family, points: Points, i: int, key: PointKey) -> Series | None:
        """The series of a point that comes in an encoding not met before; created where it is new."""
        labels, reason = points.label_key(i, key[0])
        if labels is None:
            self._report(reason, family.key.name, 1)
            return None
        series = family.by_labels.get(labels)
        if series is not None and series.part.shape != key[2]:
            self._end(family, series)  # other bounds: another histogram
            series = None
        if series is None:
            if self._series >= MAX_SERIES:
                self._report("series_limit", family.key.name, 1)
                return None
            part = family.parts.get((labels[1], key[2]))
            if part is None:
                part = Part(labels[1], key[2], points.column(i, family.key.type))
                family.parts[labels[1], key[2]] = part
            series = family.by_labels[labels] = Series(family, labels, part)
            self._created += 1
            self._series += 1
            part.add(series, self._created)
        if len(series.aliases) < MAX_ALIASES:
            series.aliases.append(key)
            family.by_point[key] = series
        return series

    def _store(self, family: Family, part: Part, series: list[Series], points: Points, places: Indices) -> None:
        """Write points to the rows of their series."""
        rows = np.fromiter((one.row for one in series), np.intp, len(series))
        if len(np.unique(rows)) < len(rows):  # several points of one series: one after the other, by time
            order = np.argsort(points.time[places], kind="stable")
            for i in order.tolist():
                self._store(family, part, [series[i]], points, places[i : i + 1])
            return
        start, time, last = points.start[places], points.time[places], part.time[rows]
        is_added = np.zeros(len(rows), bool)
        keep = time >= last
        if points.temporality[int(places[0])] == DELTA and self._deltas == "add":
            follows = (start == last) | ((start == 0) & (time > last))
            is_added = (last >= 0) & follows
            keep = is_added | (last < 0) | (start > last)
        late = len(rows) - int(keep.sum())
        if late:
            self._report("late", family.key.name, late)
            rows, places, start, time, is_added = (column[keep] for column in (rows, places, start, time, is_added))
        part.column.store(rows, points.columns, places, is_added)
        part.start[rows] = np.where(is_added, part.start[rows], start)
        part.time[rows] = time
        part.seen[rows] = self._now()
        for row, place in points.with_exemplars(rows, places):
            part.exemplars[part.series[row]] = points.exemplars_of(place)

    # Series out

    def snapshots(self, time_unix_nano: int, split_times: bool = False) -> list[MetricSnapshot]:
        """All series, one snapshot per scope.

        Args:
            time_unix_nano: Of the snapshots.
            split_times: Series with different times stand in snapshots of their own, which have these times.
        """
        self._expire()
        resources, places = self._resources.used(part.resource[: len(part.series)] for part in self._parts())
        grouped: dict[tuple[bytes, str, int], list[Metric]] = {}
        scopes: dict[tuple[bytes, str, int], Scope] = {}
        for family in self._families.values():
            for part in family.parts.values():
                for time, rows in _by_time(part, time_unix_nano, split_times):
                    key = (family.key.scope, family.key.schema_url, time)
                    scopes[key] = family.scope
                    grouped.setdefault(key, []).append(_metric(family, part, rows, places))
        return [MetricSnapshot(resources, scopes[key], tuple(found), key[2]) for key, found in grouped.items()]

    def _expire(self) -> None:
        if not self._expire_after_ns:
            return
        oldest = self._now() - self._expire_after_ns
        for part in list(self._parts()):
            for series in part.idle(oldest):
                self._end(series.family, series)
        for key in [key for key, family in self._families.items() if not family.by_labels]:
            del self._families[key]

    def _end(self, family: Family, series: Series | None) -> None:
        if series is not None:
            family.remove(series)
            self._series -= 1

    def _parts(self) -> Iterator[Part]:
        for family in self._families.values():
            yield from family.parts.values()


def snapshots_of(
    metrics: MetricBatch,
    time_unix_nano: int,
    report: Report | None = None,
    *,
    deltas: Deltas = "drop",
    keeps_ended: bool = False,
    split_times: bool = False,
) -> list[MetricSnapshot]:
    """The points of one batch as a meter would hand them out; of several of one series the last."""
    values = LastValues(lambda: 0, report or _ignore, by_instance=False, deltas=deltas, keeps_ended=keeps_ended)
    values.add(metrics)
    return values.snapshots(time_unix_nano, split_times)


def _ignore(reason: str, metric: str, count: int) -> None:
    """What a meter sent, and its processors left, breaks no limit."""


def _by_time(part: Part, time_unix_nano: int, split_times: bool) -> Iterable[tuple[int, Indices]]:
    rows = np.arange(len(part.series))
    if not split_times:
        return [(time_unix_nano, rows)]
    times = part.time[rows]
    order = np.argsort(times, kind="stable")
    cuts = np.flatnonzero(np.diff(times[order])) + 1
    return [(int(times[taken[0]]), np.sort(taken)) for taken in np.split(order, cuts)]


def _metric(family: Family, part: Part, rows: Indices, places: Int64s) -> Metric:
    column = part.column
    exemplars = part.samples(rows, column.bounds if isinstance(column, HistogramColumn) else ())
    return Metric(
        family.key.name,
        family.description,
        family.unit,
        KINDS[family.key.type],
        family.key.is_monotonic,
        family.temporality,
        part.view(rows, places),
        column.values(rows, exemplars),
    )
