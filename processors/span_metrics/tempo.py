"""Tempo's metrics: ``traces_spanmetrics_calls_total``, ``_latency``, ``_size_total`` and ``traces_target_info``.

Names and labels are those that Grafana queries. They are valid in Prometheus, so translation leaves them alone; the
latency has no unit, because Tempo's name has no ``_seconds``. Two things differ from Tempo: a sampled span does not add
a fraction to a counter but a rounded count (``processors/adjusted_count.py``), and series belong to no resource.
"""

from __future__ import annotations

from pipeline.api import Label, Settings, SpanBatch
from pipeline.model.meter import Limits
from processors.adjusted_count import AdjustedCount
from processors.span_metrics import names, target_info
from processors.span_metrics.config import Config
from processors.span_metrics.duration_metric import DurationMetric
from processors.span_metrics.durations import Count, Durations
from processors.span_metrics.labels import LabelMaker
from processors.span_metrics.target_info import TargetInfo
from processors.span_metrics.zero_errors import ZeroErrors

STALE_S = 900.0
"""Source: tempo, metrics generator registry, ``stale_duration``."""
NATIVE_BUCKETS = 100
"""Source: tempo, overrides, ``native_histogram_max_bucket_number``."""


class TempoMetrics:
    """Measures batches in Tempo's way.

    Args:
        count: Told of what was left out of labels.

    Attributes:
        reads: Columns needed.
        labels: Knows the names that open labels have got.
        target_info: Likewise, where it is made.
        zero_errors: Keeps error counters at 0 alive, where they are wanted.
    """

    def __init__(self, config: Config, settings: Settings, count: Count) -> None:
        self._config = config
        self._exemplars = config.exemplars.kept
        self._adjusted_count = AdjustedCount(
            tracestate=config.enable_tracestate_span_multiplier is True, ratio_key=config.span_multiplier_key
        )
        self.labels = LabelMaker("tempo", config.dimension_lookup_order != "span_first", names.tempo_label, count)
        expires_s = STALE_S if config.series_expiration is None else config.series_expiration
        limits = Limits(
            max_series=config.max_active_series,
            max_values_per_label=config.max_cardinality_per_label,
            expire_series_after_s=expires_s,
        )
        meter = settings.meter
        self._table = table = meter.table(self._make_labels(), limits=limits)
        self.labels.bind(table)
        made = config.subprocessors
        self._calls = (
            meter.counter(names.TEMPO_CALLS, description="Number of spans", table=table, exemplars=self._exemplars)
            if "count" in made
            else None
        )
        self._latency = self._make_latency(settings) if "latency" in made else None
        self._size = meter.counter(names.TEMPO_SIZE, "", "Bytes of spans", table=table) if "size" in made else None
        self.target_info = TargetInfo(meter, limits, config, count) if config.enable_target_info else None
        zero_errors = config.zero_error_series and self._calls is not None and config.intrinsic_dimensions.status_code
        self.zero_errors = ZeroErrors(table, names.TEMPO_STATUS_CODE, expires_s > 0) if zero_errors else None
        self.reads = self._columns()

    def observe(self, spans: SpanBatch, durations: Durations) -> None:
        """Count the spans of a batch and record their durations and sizes."""
        if self.target_info is not None:
            self.target_info.set(spans)
        adjusted = self._adjusted_count.of(spans)
        spans = self.labels.derive(spans, adjusted)
        rows = self._table.rows_of(spans)
        if self._calls is not None:
            self._calls.add(rows, 1.0 if adjusted is None else adjusted.counts, spans if self._exemplars else None)
        if self._latency is not None:
            self._latency.record(spans, durations, self._table, rows, adjusted)
        if self._size is not None:
            self._size.add(
                rows, spans["span_bytes"]
            )  # as in Tempo, of the spans that came, not of those they stand for

    def _make_labels(self) -> tuple[Label, ...]:
        config = self._config
        chosen = config.intrinsic_dimensions
        intrinsic = (
            (chosen.service, Label(names.TEMPO_SERVICE, ("resource.service.name",), names.UNKNOWN_SERVICE)),
            (chosen.span_name, Label(names.TEMPO_SPAN_NAME, ("name",))),
            (chosen.span_kind, Label(names.TEMPO_SPAN_KIND, ("kind",))),
            (chosen.status_code, Label(names.TEMPO_STATUS_CODE, ("status_code",))),
            (chosen.status_message, Label(names.TEMPO_STATUS_MESSAGE, ("status_message",))),
        )
        return (
            *(label for wanted, label in intrinsic if wanted),
            *self.labels.dimensions(config.dimensions, "dimensions"),
            *self.labels.mappings(config.dimension_mappings),
            *self._target_labels(),
        )

    def _target_labels(self) -> tuple[Label, ...]:
        """The labels that join series to ``traces_target_info``."""
        if not self._config.enable_target_info:
            return ()
        instance = Label(names.INSTANCE, ("resource.service.instance.id",))
        return (self.labels.job(names.JOB), *((instance,) if self._config.enable_instance_label else ()))

    def _make_latency(self, settings: Settings) -> DurationMetric:
        config = self._config
        return DurationMetric(
            settings.meter,
            names.TEMPO_LATENCY,
            self._table,
            unit="s",
            shown_unit="",
            buckets_s=config.histogram_buckets,
            max_size=NATIVE_BUCKETS if config.generate_native_histograms == "native" else None,
            exemplars=self._exemplars,
        )

    def _columns(self) -> tuple[str, ...]:
        return (
            *(column for label in self._table.labels for column in label.columns),
            *self.labels.reads,
            *self._adjusted_count.reads,
            *(target_info.READS if self.target_info is not None else ()),
            *(("trace_id", "span_id") if self._exemplars else ()),
            *(("span_bytes",) if self._size is not None else ()),
        )
