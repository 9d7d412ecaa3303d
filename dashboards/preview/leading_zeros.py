"""New counters and histograms are seen at zero once, as on the page for a Prometheus (docs/decisions/0006)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import numpy.typing as npt

from pipeline.api import MetricSnapshot
from pipeline.model.snapshot import ExponentialValues, HistogramValues, Metric, MetricKind, NumberValues, Values


class LeadingZeros:
    """What one scraper has seen."""

    def __init__(self) -> None:
        self._newest = 0

    def shown(self, snapshots: Sequence[MetricSnapshot]) -> list[MetricSnapshot]:
        """The snapshots, with zeros where a series began after the newest of the scrape before."""
        starts = [metric.series.start_unix_nano for one in snapshots for metric in one.metrics if len(metric.series)]
        found = [replace(one, metrics=tuple(map(self._metric, one.metrics))) for one in snapshots]
        self._newest = max([self._newest, *(int(start.max()) for start in starts)])
        return found

    def _metric(self, metric: Metric) -> Metric:
        new = metric.series.start_unix_nano > self._newest
        if metric.kind is MetricKind.GAUGE or not new.any():
            return metric
        return replace(metric, values=_zeroed(metric.values, new))


def _zeroed(values: Values, rows: npt.NDArray[np.bool_]) -> Values:
    """Zeros in some rows; exemplars stay."""
    if isinstance(values, NumberValues):
        return replace(values, values=np.where(rows, 0.0, values.values))
    if isinstance(values, HistogramValues):
        return replace(values, counts=_cleared(values.counts, rows), sums=np.where(rows, 0.0, values.sums))
    if isinstance(values, ExponentialValues):
        return replace(
            values,
            counts=_cleared(values.counts, rows),
            zero_count=np.where(rows, 0.0, values.zero_count),
            sums=np.where(rows, 0.0, values.sums),
        )
    return values


def _cleared(counts: npt.NDArray[np.float64], rows: npt.NDArray[np.bool_]) -> npt.NDArray[np.float64]:
    return np.where(rows[:, None], 0.0, counts)
