"""The Collector's metrics: ``calls``, ``duration`` and ``events``, by default below ``traces.span.metrics``."""

from __future__ import annotations

from pipeline.api import Label, Settings, SpanBatch
from pipeline.model.meter import Limits, SeriesTable
from processors.adjusted_count import AdjustedCount
from processors.span_metrics import events, names
from processors.span_metrics.config import DEFAULT_BUCKETS_S, Config
from processors.span_metrics.duration_metric import DurationMetric
from processors.span_metrics.durations import Count, Durations
from processors.span_metrics.labels import LabelMaker
from processors.span_metrics.zero_errors import ZeroErrors


class OtelcolMetrics:
    """Measures batches in the Collector's way.

    Attributes:
        reads: Columns needed.
        labels: Knows the names that open labels have got.
        zero_errors: Keeps error counters at 0 alive, where they are wanted.
    """

    def __init__(self, config: Config, settings: Settings, count: Count) -> None:
        self._config = config
        self._meter = settings.meter
        self._tables: list[SeriesTable] = []
        self._per_resource = config.add_resource_attributes or not config.exclude_resource_metrics
        self._exemplars = config.exemplars.kept
        self.labels = LabelMaker("otelcol", config.dimension_lookup_order == "resource_first", str, count)
        self._adjusted_count = AdjustedCount(
            tracestate=config.enable_tracestate_span_multiplier is not False, ratio_key=config.span_multiplier_key
        )
        common = self._common_labels(settings.resource.get("service.instance.id", ""))
        prefix = f"{config.namespace}." if config.namespace else ""
        calls = self._table((*common, *self.labels.dimensions(config.calls_dimensions, "calls")))
        self._calls = self._meter.counter(
            f"{prefix}{names.CALLS}", description="Number of spans", table=calls, exemplars=self._exemplars
        )
        self._duration = None if config.histogram.disable else self._make_duration(f"{prefix}{names.DURATION}", common)
        self._events = self._make_events(f"{prefix}events", common) if config.events.enabled else None
        self.zero_errors = self._make_zero_errors()
        self.reads = self._columns()

    def observe(self, spans: SpanBatch, durations: Durations) -> None:
        """Count the spans of a batch and record their durations."""
        adjusted = self._adjusted_count.of(spans)
        spans = self.labels.derive(spans, adjusted)
        calls = self._calls
        rows = calls.table.rows_of(spans)
        calls.add(rows, 1.0 if adjusted is None else adjusted.counts, spans if self._exemplars else None)
        if self._duration is not None:
            self._duration.record(spans, durations, calls.table, rows, adjusted)
        if self._events is not None:
            self._events.add(spans, rows, adjusted)

    def _common_labels(self, instance_id: str) -> tuple[Label, ...]:
        config = self._config
        standard = (
            Label(names.SERVICE_NAME, ("resource.service.name",), names.UNKNOWN_SERVICE),
            Label(names.SPAN_NAME, ("name",)),
            Label(names.SPAN_KIND, ("kind",)),
            Label(names.STATUS_CODE, ("status_code",)),
            *((Label(names.COLLECTOR_INSTANCE_ID, (), instance_id),) if config.include_collector_instance_id else ()),
        )
        scopes = frozenset(config.include_instrumentation_scope)
        return (
            *(label for label in standard if label.name not in config.exclude_dimensions),
            *self.labels.dimensions(config.dimensions, "dimensions"),
            *self.labels.mappings(config.dimension_mappings),
            *(self.labels.scopes(scopes) if scopes else ()),
            *((self.labels.sampling_method(),) if config.enable_metrics_sampling_method else ()),
        )

    def _table(self, labels: tuple[Label, ...]) -> SeriesTable:
        """The table of these labels; metrics with the same labels share one."""
        config = self._config
        limit, total = config.aggregation_cardinality_limit, config.max_active_series
        limits = Limits(
            max_series=min(limit, total) if limit and not self._per_resource else total,
            max_series_per_resource=limit,
            max_resources=config.resource_metrics_cache_size,
            max_values_per_label=config.max_cardinality_per_label,
            expire_series_after_s=config.series_expiration or 0.0,
            expire_resource_after_s=config.metrics_expiration,
        )
        keys = config.resource_metrics_key_attributes
        table = self._meter.table(labels, per_resource=self._per_resource, resource_keys=keys, limits=limits)
        if table not in self._tables:
            self._tables.append(table)
            self.labels.bind(table)
        return table

    def _make_duration(self, name: str, common: tuple[Label, ...]) -> DurationMetric:
        config = self._config.histogram
        return DurationMetric(
            self._meter,
            name,
            self._table((*common, *self.labels.dimensions(config.dimensions, "duration"))),
            unit=config.unit,
            shown_unit=config.unit,
            buckets_s=DEFAULT_BUCKETS_S if config.explicit is None else config.explicit.buckets,
            max_size=None if config.exponential is None else config.exponential.max_size,
            exemplars=self._exemplars,
        )

    def _make_events(self, name: str, common: tuple[Label, ...]) -> events.SpanEvents:
        config = self._config
        own = self.labels.dimensions(config.events.dimensions, "events")
        counter = self._meter.counter(name, description="Number of span events", table=self._table((*common, *own)))
        from_event = {dimension.name for dimension in (*config.dimensions, *config.events.dimensions)}
        return events.SpanEvents(counter, self._calls.table, from_event)

    def _make_zero_errors(self) -> ZeroErrors | None:
        config = self._config
        wanted = config.zero_error_series and not config.aggregation_cardinality_limit
        if not wanted or names.STATUS_CODE in config.exclude_dimensions:
            return None
        return ZeroErrors(self._calls.table, names.STATUS_CODE, expires=bool(config.series_expiration))

    def _columns(self) -> tuple[str, ...]:
        return (
            *(column for table in self._tables for label in table.labels for column in label.columns),
            *self.labels.reads,
            *self._adjusted_count.reads,
            *(("resource",) if self._per_resource else ()),
            *(("trace_id", "span_id") if self._exemplars else ()),
            *(events.READS if self._events else ()),
        )
