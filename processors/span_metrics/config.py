"""The configuration of span_metrics: the Collector's keys, Tempo's keys, and a few of Weir's own, all on one level.

A Collector user pastes the block of ``connectors.span_metrics``; a Tempo user pastes
``metrics_generator.processor.span_metrics`` and adds ``naming: tempo``. No key means different things in the two,
``dimensions`` takes both spellings. A key that only one flavour has is refused where that flavour is not made,
because it would do nothing.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Mapping
from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import AfterValidator, BeforeValidator, Field, model_validator

from pipeline.api import ComponentConfig
from pipeline.config.durations import Duration
from processors.span_filter import FilterPolicy
from processors.span_metrics.names import INTRINSIC_LABELS, NAMESPACE, RESERVED_DIMENSIONS, tempo_label

Temporality = Literal["AGGREGATION_TEMPORALITY_CUMULATIVE", "AGGREGATION_TEMPORALITY_DELTA"]
CUMULATIVE: Temporality = "AGGREGATION_TEMPORALITY_CUMULATIVE"
DELTA: Temporality = "AGGREGATION_TEMPORALITY_DELTA"

DEFAULT_BUCKETS_S = (
    0.002, 0.004, 0.006, 0.008, 0.01, 0.05, 0.1, 0.2, 0.4, 0.8, 1.0, 1.4, 2.0, 5.0, 10.0, 15.0,
)  # fmt: skip
"""Source: spanmetricsconnector/config.go, ``defaultHistogramBucketsMs``."""
TEMPO_BUCKETS_S = tuple(0.002 * 2**n for n in range(14))
"""Source: tempo modules/generator/processor/spanmetrics/config.go, ``ExponentialBuckets(0.002, 2, 14)``."""


class Dimension(ComponentConfig):
    """An attribute that becomes a label. A plain string is short for ``{name: …}``, as Tempo writes it.

    Attributes:
        name: Attribute key.
        default: Value where the span has no such attribute; without it the label is left out.
        glob: Instead of ``name``: all attributes whose key matches, ``*`` for any run of characters and ``?`` for
            one. Slow: each span is decoded with the official classes, since the keys are not known beforehand.
    """

    name: str | None = Field(default=None, min_length=1)
    default: str | None = None
    glob: str | None = Field(default=None, min_length=1)

    @model_validator(mode="after")
    def _one_of_name_and_glob(self) -> Self:
        if (self.name is None) == (self.glob is None):
            raise ValueError("exactly one of `name` and `glob` must be set")
        if self.glob is not None and self.default is not None:
            raise ValueError("`default` can only be used with `name`")
        return self


def _named(value: Any) -> Any:
    return {"name": value} if isinstance(value, str) else value


Dimensions = tuple[Annotated[Dimension, BeforeValidator(_named)], ...]


def _ascending(bounds: tuple[float, ...]) -> tuple[float, ...]:
    if any(low >= high for low, high in itertools.pairwise(bounds)):
        raise ValueError("buckets must be in ascending order, without repetition")
    return bounds


class ExplicitBuckets(ComponentConfig):
    """Upper bounds of the buckets, as durations."""

    buckets: Annotated[tuple[Duration, ...], AfterValidator(_ascending)] = DEFAULT_BUCKETS_S


class ExponentialBuckets(ComponentConfig):
    """A base-2 exponential histogram, a native histogram in Prometheus."""

    max_size: int = Field(default=160, ge=2, le=10_000)


class Histogram(ComponentConfig):
    """The duration metric.

    Attributes:
        disable: Make none.
        unit: ``ms`` or ``s``.
        explicit: Buckets; the default, with the Collector's bounds.
        exponential: Instead of ``explicit``.
        dimensions: Further dimensions on the duration metric alone.
    """

    disable: bool = False
    unit: Literal["ms", "s"] = "ms"
    explicit: ExplicitBuckets | None = None
    exponential: ExponentialBuckets | None = None
    dimensions: Dimensions = ()

    @model_validator(mode="before")
    @classmethod
    def _null_means_defaults(cls, data: Any) -> Any:
        """``exponential:`` with nothing behind it asks for the defaults of that section, as in the Collector."""
        if not isinstance(data, dict):
            return data
        return {key: {} if key in ("explicit", "exponential") and part is None else part for key, part in data.items()}

    @model_validator(mode="after")
    def _one_kind(self) -> Self:
        if self.explicit is not None and self.exponential is not None:
            raise ValueError("use either `explicit` or `exponential` buckets histogram")
        return self


class Exemplars(ComponentConfig):
    """Links from a measurement to a trace.

    Attributes:
        enabled: Keep exemplars.
        max_per_data_point: The Collector keeps the first N spans of an interval. Here one span per bucket is kept,
            drawn evenly from all of the interval, so a point of a histogram has at most as many as it has buckets; 0
            keeps none.
    """

    enabled: bool = False
    max_per_data_point: int = Field(default=5, ge=0)

    @property
    def kept(self) -> bool:
        """Whether there are any."""
        return self.enabled and self.max_per_data_point > 0


class Events(ComponentConfig):
    """The metric that counts span events. Slow: each span is decoded with the official classes.

    Attributes:
        enabled: Make it.
        dimensions: Further labels, looked for in the attributes of the span, the resource and the event.
    """

    enabled: bool = False
    dimensions: Dimensions = ()

    @model_validator(mode="after")
    def _has_dimensions(self) -> Self:
        if self.enabled and not self.dimensions:
            raise ValueError("no dimensions configured for events")
        return self


class IntrinsicDimensions(ComponentConfig):
    """Tempo's own labels.

    Attributes:
        service: ``service.name`` of the resource.
        span_name: Name of the span.
        span_kind: SPAN_KIND_…
        status_code: STATUS_CODE_…
        status_message: Message of the status; mind the cardinality.
    """

    service: bool = True
    span_name: bool = True
    span_kind: bool = True
    status_code: bool = True
    status_message: bool = False


class DimensionMapping(ComponentConfig):
    """A label made of several attributes.

    Attributes:
        name: Of the label.
        source_labels: Attribute keys; the resource's value comes before the span's, absent ones are left out.
        join: What stands between them.
    """

    name: str = Field(min_length=1)
    source_labels: tuple[str, ...] = Field(min_length=1)
    join: str = ""


Subprocessor = Literal["latency", "count", "size"]


def _subprocessor(value: Any) -> Any:
    name = value.removeprefix("span-metrics-") if isinstance(value, str) else value
    return "count" if name == "calls" else name


class Config(ComponentConfig):
    """Keys of ``span_metrics``. Durations are written as in the Collector: ``15s``, ``1m30s``.

    Both flavours
        naming: ``otelcol`` (``traces.span.metrics.calls``, labels ``service.name`` …), ``tempo``
            (``traces_spanmetrics_calls_total``, labels ``service`` …), or ``both``.
        dimensions: Attributes that become labels.
        dimension_lookup_order: ``span_first`` or ``resource_first``: whose attribute wins. Unset: as the original
            does, ``span_first`` for otelcol and ``resource_first`` for tempo.
        dimension_mappings: Labels joined from several attributes (Tempo's key).
        filter_policies: Spans that are looked at (Tempo's key, ``processors/span_filter.py``).
        span_multiplier_key: Attribute with the sampling ratio (Tempo's key, ``processors/adjusted_count.py``).
        enable_tracestate_span_multiplier: Take the sampling ratio from ``ot=th:``. Unset: as the original does, yes
            for otelcol and no for tempo.
        metrics_flush_interval: How often metrics go to exporters that do not pull.
        series_expiration: A series without new spans for so long is removed; 0: never. Unset: as the original does, 15m
            for tempo and never for otelcol.
        exemplars: See ``Exemplars``.
        max_active_series: Series of one metric over all resources; beyond it spans count in a series with the one label
            ``otel.metric.overflow="true"`` (per resource). Totals stay exact.
        max_cardinality_per_label: Values a single label may have; further ones read ``__cardinality_overflow__``; 0:
            no limit. Exact and in order of arrival, where Tempo estimates.
        ingestion_time_range_slack: Spans that ended longer ago, or lie further in the future, are left out and
            counted. Unset: as the original does, 30s for tempo and no limit for otelcol. 0: no limit.
        max_span_duration: Durations above are not observed, and counted: a clock was wrong, and one span of 50 years
            would spoil the sum.
        zero_error_series: Show calls with STATUS_CODE_ERROR at 0 as soon as a series without error exists, so that
            the first error is seen by rate() and an error ratio is 0 rather than absent. Not made where
            aggregation_cardinality_limit is set: there each series takes one of few places. They count against
            max_active_series. In Tempo's naming the size counter, which has the same series, shows them too.
        skip_resources_without_service_name: Leave out spans of resources without ``service.name`` as the Collector
            does. Otherwise they count as ``unknown_service``, the name that SDKs are to use (semantic conventions,
            service.name).

    Of the Collector (naming otelcol or both)
        calls_dimensions: Further dimensions on the calls alone.
        histogram: The duration metric.
        exclude_dimensions: Standard labels to leave out: service.name, span.name, span.kind, status.code,
            collector.instance.id. Other names are ignored, as there.
        events: The metric that counts span events.
        include_instrumentation_scope: Names of scopes whose spans get the labels ``span.instrumentation.scope.name``
            and ``.version``.
        namespace: Comes before the metrics' names, with a dot; may be empty.
        resource_metrics_key_attributes: Resource attributes that make one resource; none: all. Series then survive
            what changes with a restart or a pod. Shown are the attributes that came first.
        resource_metrics_cache_size: Resources. At the limit the least recently used one gives way with its series if
            nothing came from it for a minute; else the spans of a new one count in an overflow series.
        metrics_expiration: A resource without new spans for so long is removed with its series; 0: never.
        aggregation_cardinality_limit: Distinct label sets per metric and resource; spans beyond count in the overflow
            series. 0: no limit but max_active_series.
        aggregation_temporality: Delta applies to exporters that are pushed to; a scrape is always cumulative.
        metric_timestamp_cache_size: Checked, and otherwise without effect: deltas chain without a cache.
        dimensions_cache_size: Without effect, and deprecated there: series have no cache besides their table.
        add_resource_attributes: Keep the resource's attributes although ``exclude_resource_metrics`` is set.
        exclude_resource_metrics: Leave the resource's attributes off the metrics, so that resources share series; the
            Collector's gate ``connector.spanmetrics.excludeResourceMetrics``.
        enable_metrics_sampling_method: Label ``sampling.method`` = ``extrapolated`` or ``counted``.
        include_collector_instance_id: Label ``collector.instance.id``. Off, unlike the Collector's default since
            v0.152: the Collector's value is random per process, so each restart begins a new set of series and rate()
            over one instance breaks (which is why Alloy turned it off). Turn it on where several Weirs hold parts of
            the same series; the value is Weir's own ``service.instance.id``, stable across restarts.

    Of Tempo (naming tempo or both)
        histogram_buckets: Bounds in seconds.
        generate_native_histograms: ``classic`` buckets or a ``native`` histogram. Tempo's ``both`` is not supported.
        intrinsic_dimensions: Which of Tempo's own labels are made.
        enable_target_info: Make ``traces_target_info``, a gauge at 1 per resource with its attributes as labels, and
            the labels ``job`` and ``instance`` that join it to the other metrics.
        target_info_excluded_dimensions: Resource attributes that do not become labels there.
        enable_instance_label: Make the label ``instance``.
        subprocessors: Which of the metrics are made: latency, count, size. Tempo's names of the sub-processors
            (``span-metrics-latency`` …) are understood, and ``calls`` for ``count``.
    """

    written_otherwise: ClassVar[Mapping[str, str]] = {
        "latency_histogram_buckets": "write histogram: {explicit: {buckets: […]}}",
        "metrics_exporter": "list it as an exporter of the pipeline of traces, and as a receiver of one of metrics",
    }

    naming: Literal["otelcol", "tempo", "both"] = "otelcol"
    dimensions: Dimensions = ()
    dimension_lookup_order: Literal["span_first", "resource_first"] | None = None
    dimension_mappings: tuple[DimensionMapping, ...] = ()
    filter_policies: tuple[FilterPolicy, ...] = ()
    span_multiplier_key: str = ""
    enable_tracestate_span_multiplier: bool | None = None
    metrics_flush_interval: Annotated[Duration, Field(gt=0)] = 60.0
    series_expiration: Duration | None = None
    exemplars: Exemplars = Exemplars()
    max_active_series: int = Field(default=100_000, ge=1)
    max_cardinality_per_label: int = Field(default=0, ge=0)
    ingestion_time_range_slack: Duration | None = None
    max_span_duration: Annotated[Duration, Field(gt=0, le=3e9)] = 86_400.0
    zero_error_series: bool = True
    skip_resources_without_service_name: bool = False

    calls_dimensions: Dimensions = ()
    histogram: Histogram = Histogram()
    exclude_dimensions: tuple[str, ...] = ()
    events: Events = Events()
    include_instrumentation_scope: tuple[str, ...] = ()
    namespace: str = NAMESPACE
    resource_metrics_key_attributes: tuple[str, ...] = ()
    resource_metrics_cache_size: int = Field(default=1000, ge=1)
    metrics_expiration: Duration = 0.0
    aggregation_cardinality_limit: int = Field(default=0, ge=0)
    aggregation_temporality: Temporality = CUMULATIVE
    metric_timestamp_cache_size: int = 1000
    dimensions_cache_size: int = 0
    add_resource_attributes: bool = False
    exclude_resource_metrics: bool = False
    enable_metrics_sampling_method: bool = False
    include_collector_instance_id: bool = False

    histogram_buckets: Annotated[tuple[float, ...], AfterValidator(_ascending)] = TEMPO_BUCKETS_S
    generate_native_histograms: Literal["classic", "native"] = "classic"
    intrinsic_dimensions: IntrinsicDimensions = IntrinsicDimensions()
    enable_target_info: bool = False
    target_info_excluded_dimensions: tuple[str, ...] = ()
    enable_instance_label: bool = True
    subprocessors: tuple[Annotated[Subprocessor, BeforeValidator(_subprocessor)], ...] = ("latency", "count", "size")

    @property
    def otelcol(self) -> bool:
        """Whether the Collector's metrics are made."""
        return self.naming != "tempo"

    @property
    def tempo(self) -> bool:
        """Whether Tempo's metrics are made."""
        return self.naming != "otelcol"

    @model_validator(mode="after")
    def _keys_have_an_effect(self) -> Self:
        unused = sorted(self.model_fields_set & self.keys_without_effect())
        if unused:
            other = "otelcol" if self.naming == "tempo" else "tempo"
            raise ValueError(f"{', '.join(unused)}: only with `naming: {other}` or `both`")
        return self

    @model_validator(mode="after")
    def _dimensions_are_distinct(self) -> Self:
        if self.otelcol:
            for name, more in (
                ("calls_dimensions", self.calls_dimensions),
                ("histogram.dimensions", self.histogram.dimensions),
                ("events.dimensions", self.events.dimensions if self.events.enabled else ()),
            ):
                _refuse_duplicates(name, RESERVED_DIMENSIONS, self._label_names(self.dimensions + more))
        if self.tempo:
            labels = [tempo_label(name) for name in self._label_names(self.dimensions)]
            _refuse_duplicates("dimensions", INTRINSIC_LABELS, labels)
        return self

    @model_validator(mode="after")
    def _delta_has_a_cache(self) -> Self:
        if self.aggregation_temporality == DELTA and self.metric_timestamp_cache_size <= 0:
            raise ValueError(
                f"invalid delta timestamp cache size: {self.metric_timestamp_cache_size}, "
                "the maximum number of the items in the cache should be positive"
            )
        return self

    def keys_without_effect(self) -> frozenset[str]:
        """Keys that belong to metrics which are not made; giving one is a mistake."""
        return {"otelcol": _TEMPO_KEYS, "tempo": _OTELCOL_KEYS, "both": frozenset[str]()}[self.naming]

    def with_bounds_s(self, bounds: tuple[float, ...]) -> Self:
        """The configuration with further bounds in its explicit histograms; exponential ones need none.

        Raises:
            ValueError: There is no histogram to add them to.
        """
        changes: dict[str, Any] = {}
        if self.otelcol:
            if self.histogram.disable:
                raise ValueError("histogram.disable must be false")
            if self.histogram.exponential is None:
                explicit = self.histogram.explicit or ExplicitBuckets()
                explicit = explicit.model_copy(update={"buckets": _merged(explicit.buckets, bounds)})
                changes["histogram"] = self.histogram.model_copy(update={"explicit": explicit})
        if self.tempo:
            if self.subprocessors and "latency" not in self.subprocessors:
                raise ValueError("subprocessors must have latency")
            if self.generate_native_histograms != "native":
                changes["histogram_buckets"] = _merged(self.histogram_buckets, bounds)
        return self.model_copy(update=changes)

    def _label_names(self, dimensions: Dimensions) -> list[str]:
        return [dimension.name for dimension in dimensions if dimension.name] + [
            m.name for m in self.dimension_mappings
        ]


def _merged(bounds: tuple[float, ...], more: tuple[float, ...]) -> tuple[float, ...]:
    """Both in order; equal to the nanosecond is equal."""
    known = {round(bound * 1e9) for bound in bounds}
    return tuple(sorted((*bounds, *(bound for bound in more if round(bound * 1e9) not in known))))


def _refuse_duplicates(where: str, taken: Iterable[str], names: Iterable[str]) -> None:
    seen = set(taken)
    for name in names:
        if name in seen:
            raise ValueError(f"failed validating {where}: duplicate dimension name {name}")
        seen.add(name)


_OTELCOL_KEYS = frozenset(
    (
        "calls_dimensions", "histogram", "exclude_dimensions", "events", "include_instrumentation_scope", "namespace",
        "resource_metrics_key_attributes", "resource_metrics_cache_size", "metrics_expiration",
        "aggregation_cardinality_limit", "aggregation_temporality", "metric_timestamp_cache_size",
        "dimensions_cache_size", "add_resource_attributes", "exclude_resource_metrics",
        "enable_metrics_sampling_method", "include_collector_instance_id",
    )
)  # fmt: skip
_TEMPO_KEYS = frozenset(
    (
        "histogram_buckets", "generate_native_histograms", "intrinsic_dimensions", "enable_target_info",
        "target_info_excluded_dimensions", "enable_instance_label", "subprocessors",
    )
)  # fmt: skip
