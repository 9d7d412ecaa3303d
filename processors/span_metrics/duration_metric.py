"""The histogram of durations, whichever its flavour: exact to the nanosecond, explicit or exponential."""

from __future__ import annotations

import numpy as np

from pipeline.api import Meter, SpanBatch
from pipeline.model.series import Rows, SeriesTable
from processors.adjusted_count import Adjusted
from processors.span_metrics.durations import Durations

NANOS_PER = {"ms": 1_000_000, "s": 1_000_000_000}


class DurationMetric:
    """Records durations.

    Args:
        unit: What values and bounds are in, ``ms`` or ``s``.
        shown_unit: The unit of the metric.
        buckets_s: Bounds in seconds.
        max_size: Buckets of an exponential histogram; None: explicit ``buckets_s``.
    """

    def __init__(
        self,
        meter: Meter,
        name: str,
        table: SeriesTable,
        *,
        unit: str,
        shown_unit: str,
        buckets_s: tuple[float, ...],
        max_size: int | None,
        exemplars: bool,
    ) -> None:
        self._nanos = NANOS_PER[unit]
        self._exemplars = exemplars
        self._table = table
        text = "Duration of spans"
        resolution = 1 / self._nanos
        if max_size is None:
            # Divided as durations are, so that a duration equal to a bound is in its bucket.
            bounds = [round(bound * 1e9) / self._nanos for bound in buckets_s]
            self._histogram = meter.histogram(
                name, shown_unit, text, buckets=bounds, resolution=resolution, table=table, exemplars=exemplars
            )
        else:
            self._histogram = meter.exponential_histogram(
                name, shown_unit, text, max_size=max_size, resolution=resolution, table=table, exemplars=exemplars
            )

    def record(
        self, spans: SpanBatch, durations: Durations, calls: SeriesTable, calls_rows: Rows, adjusted: Adjusted | None
    ) -> None:
        """Record a batch, each span as often as it counts. ``calls_rows`` serve where calls have the same labels."""
        rows = calls_rows if calls is self._table else self._table.rows_of(spans)
        if durations.observed is not None:
            rows = np.where(durations.observed, rows, np.int32(-1))
        weights = None if adjusted is None else adjusted.counts
        self._histogram.record(rows, durations.nanos / self._nanos, weights, spans if self._exemplars else None)
