"""The configuration of service_graph: the Collector's keys, Tempo's keys, and a few of Weir's own, all on one level.

A Collector user pastes the block of ``connectors.service_graph``; a Tempo user pastes
``metrics_generator.processor.service_graphs`` and adds ``naming: tempo``. A key means the same under every naming;
``naming`` chooses the defaults, and the few behaviours in which the two originals differ (``nodes.py``). Where both
originals have a key for one thing, either is taken, but not both at once.
"""

from __future__ import annotations

from itertools import pairwise
from typing import Annotated, Any, Literal, Self, TypeVar

from pydantic import AfterValidator, BeforeValidator, Field, model_validator

from pipeline.api import ComponentConfig
from pipeline.config.durations import Duration
from processors.service_graph.edge_store import MAX_ITEMS
from processors.service_graph.names import CLIENT, CONNECTION_TYPE, FAILED, SERVER, VIRTUAL_NODE_LABEL
from processors.span_filter import FilterPolicy

OTELCOL_BUCKETS_S = (
    0.002, 0.004, 0.006, 0.008, 0.01, 0.05, 0.1, 0.2, 0.4, 0.8, 1.0, 1.4, 2.0, 5.0, 10.0, 15.0,
)  # fmt: skip
"""Source: servicegraphconnector/connector.go, ``defaultLatencyHistogramBuckets``."""
TEMPO_BUCKETS_S = tuple(0.1 * 2**n for n in range(8))
"""Source: tempo servicegraphs/config.go, ``ExponentialBuckets(0.1, 2, 8)``."""
OTELCOL_PEERS = ("peer.service", "db.name", "db.system")
TEMPO_PEERS = (*OTELCOL_PEERS, "db.system.name")
OTELCOL_DATABASE_NAMES = ("db.name",)
TEMPO_DATABASE_NAMES = ("db.namespace", "db.name", "db.system", "db.system.name")
NATIVE_HISTOGRAM_SIZE = 160
"""Buckets of an exponential histogram where only ``generate_native_histograms`` asks for one (OTel metrics SDK
default)."""

T = TypeVar("T")
Subprocessor = Literal["request", "latency", "connection-info"]


def _ascending(bounds: tuple[float, ...]) -> tuple[float, ...]:
    if any(low >= high for low, high in pairwise(bounds)):
        raise ValueError("buckets must be in ascending order, without repetition")
    return bounds


def _distinct(names: tuple[str, ...]) -> tuple[str, ...]:
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise ValueError(f"named more than once: {', '.join(twice)}")
    return names


def _subprocessor(value: Any) -> Any:
    return value.removeprefix("service-graphs-") if isinstance(value, str) else value


Names = Annotated[tuple[Annotated[str, Field(min_length=1)], ...], AfterValidator(_distinct)]


class Store(ComponentConfig):
    """Spans that wait for the other side of their edge.

    Attributes:
        ttl: How long a span waits. Unset: as the original does, 2s for otelcol and 10s for tempo. SDKs send spans
            in batches, 5s apart by default, so the two sides of an edge can well arrive further apart than 2s.
        max_items: Spans kept. Where there are more, the oldest is evicted (the originals turn away the newest, and
            with it edges that would have been complete at once). Unset: 1000 for otelcol and 10000 for tempo.
        max_items_per_trace: Spans of one trace that wait at a time. Unset: half of ``max_items``.
    """

    ttl: Duration | None = None
    max_items: int | None = Field(default=None, ge=1, le=MAX_ITEMS)
    max_items_per_trace: int | None = Field(default=None, ge=1)


class Exemplars(ComponentConfig):
    """Links from an observed duration to its trace, one per bucket.

    Attributes:
        enabled: Keep exemplars. Unset: as the original does, no for otelcol and yes for tempo.
    """

    enabled: bool | None = None


class Config(ComponentConfig):
    """Keys of ``service_graph``. Durations are written as in the Collector: ``2s``, ``1m30s``.

    Both originals
        naming: ``otelcol`` (label ``failed``, lone client spans lead to a node "unknown"), ``tempo`` (neither; names
            of databases by address), or ``both``: the names of the metrics are the same, so one set is made, that of
            otelcol. Its label ``failed`` disappears in the sums that Tempo's dashboards make.
        dimensions: Attributes that become labels, looked up on the resource first, then on the span.
        database_name_attributes: A client span with one of them is a call to a database: an edge without a second
            span. ``database_name_attribute`` is the Collector's old spelling, with one name.

    Of the Collector
        latency_histogram_buckets: Bounds of both histograms. Tempo: ``histogram_buckets``, in seconds.
        exponential_histogram_max_size: Exponential histograms instead, with so many buckets.
        store: See ``Store``. Tempo: ``wait`` and ``max_items``.
        virtual_node_peer_attributes: Attributes of a client span that name a server which sends no spans; ``[]``
            makes no virtual nodes. Tempo: ``peer_attributes``.
        virtual_node_extra_label: Label ``virtual_node`` = ``client`` or ``server`` on edges to a virtual node. Tempo:
            ``enable_virtual_node_label``.
        store_expiration_loop: How often spans that waited too long are looked for. They are never paired, however
            rarely that is.
        cache_loop: Checked and otherwise without effect: the engine looks for idle series on its own.
        metrics_flush_interval: How often metrics go to exporters that do not pull.
        metrics_timestamp_offset: Taken off the timestamps of all points.

    Of Tempo
        wait, max_items, histogram_buckets, peer_attributes, enable_virtual_node_label: Tempo's spelling of
            ``store.ttl``, ``store.max_items``, ``latency_histogram_buckets`` (here in seconds),
            ``virtual_node_peer_attributes`` and ``virtual_node_extra_label``.
        enable_client_server_prefix: Dimensions become ``client_X`` and ``server_X``. Unset: yes for otelcol and no
            for tempo. Without prefix a dimension is one label, the server's value or, where it has none, the client's
            (Tempo: whichever came last).
        enable_messaging_system_latency_histogram: Time between the end of a producer and the start of its consumer.
        span_multiplier_key, enable_tracestate_span_multiplier: Where spans say how they were sampled
            (``processors/adjusted_count.py``). Tracestate unset: yes for otelcol and no for tempo.
        filter_policies: Spans that are looked at (``processors/span_filter.py``). A span that is left out is
            remembered, so that its partner does not become an edge to a virtual node.
        generate_native_histograms: ``native`` is short for ``exponential_histogram_max_size: 160``.
        subprocessors: Which metrics are made: request (counters), latency (histograms), connection-info (a gauge that
            is 1 for each pair of nodes). Tempo's names (``service-graphs-request`` …) are understood.
        workers: Checked and otherwise without effect.

    Weir's own
        exemplars: See ``Exemplars``.
        consumer_links: A consumer span with links makes an edge with each producer it links to, instead of with its
            parent, as the Collector does since 2026. Unset: yes for otelcol and no for tempo.
        series_expiration: A series without new edges for so long is removed; 0: never. 15 minutes in both originals.
        max_active_series: Series of one metric; beyond it edges count in one series with the label
            ``otel.metric.overflow="true"``. Totals stay exact.
        max_span_duration: Durations above are not observed, and counted: a clock was wrong.
        skip_resources_without_service_name: Leave out their spans, as both originals do. Otherwise their service is
            ``unknown_service``.
    """

    naming: Literal["otelcol", "tempo", "both"] = "otelcol"
    dimensions: Names = ()
    database_name_attributes: Names | None = None
    database_name_attribute: str | None = Field(default=None, min_length=1)

    latency_histogram_buckets: Annotated[tuple[Duration, ...], AfterValidator(_ascending)] | None = None
    exponential_histogram_max_size: int = Field(default=0, ge=0, le=10_000)
    store: Store = Store()
    virtual_node_peer_attributes: Names | None = None
    virtual_node_extra_label: bool | None = None
    store_expiration_loop: Duration = 2.0
    cache_loop: Duration = 60.0
    metrics_flush_interval: Duration = 60.0
    metrics_timestamp_offset: Duration = 0.0

    wait: Duration | None = None
    max_items: int | None = Field(default=None, ge=1, le=MAX_ITEMS)
    histogram_buckets: Annotated[tuple[float, ...], AfterValidator(_ascending)] | None = None
    peer_attributes: Names | None = None
    enable_virtual_node_label: bool | None = None
    enable_client_server_prefix: bool | None = None
    enable_messaging_system_latency_histogram: bool = False
    span_multiplier_key: str = ""
    enable_tracestate_span_multiplier: bool | None = None
    filter_policies: tuple[FilterPolicy, ...] = ()
    generate_native_histograms: Literal["classic", "native"] = "classic"
    subprocessors: tuple[Annotated[Subprocessor, BeforeValidator(_subprocessor)], ...] = ("request", "latency")
    workers: int = Field(default=10, ge=0)

    exemplars: Exemplars = Exemplars()
    consumer_links: bool | None = None
    series_expiration: Duration = 900.0
    max_active_series: int = Field(default=100_000, ge=1)
    max_span_duration: Annotated[Duration, Field(gt=0)] = 86_400.0
    skip_resources_without_service_name: bool = False

    @model_validator(mode="after")
    def _one_spelling_each(self) -> Self:
        given = self.model_fields_set | {f"store.{key}" for key in self.store.model_fields_set}
        for one, other in _SPELLINGS:
            if one in given and other in given:
                raise ValueError(f"use either `{one}` or `{other}`: they mean the same")
        return self

    @model_validator(mode="after")
    def _one_kind_of_histogram(self) -> Self:
        for key in ("latency_histogram_buckets", "histogram_buckets"):
            if self.exponential_size and key in self.model_fields_set:
                raise ValueError(f"use either `{key}` or `exponential_histogram_max_size`")
        return self

    @model_validator(mode="after")
    def _labels_are_distinct(self) -> Self:
        taken = sorted(_LABELS & set(self.dimensions))
        if taken and not self.prefixed_dimensions:
            raise ValueError(f"dimensions: already a label: {', '.join(taken)}")
        return self

    @property
    def tempo(self) -> bool:
        """Whether Tempo's defaults and behaviours apply."""
        return self.naming == "tempo"

    @property
    def ttl_s(self) -> float:
        """``store.ttl`` or ``wait``."""
        return _first(self.store.ttl, self.wait, 10.0 if self.tempo else 2.0)

    @property
    def item_limit(self) -> int:
        """``store.max_items`` or ``max_items``."""
        return _first(self.store.max_items, self.max_items, 10_000 if self.tempo else 1_000)

    @property
    def trace_limit(self) -> int:
        """``store.max_items_per_trace``."""
        return _first(self.store.max_items_per_trace, None, max(1, self.item_limit // 2))

    @property
    def buckets_s(self) -> tuple[float, ...]:
        """Bounds of explicit histograms."""
        default = TEMPO_BUCKETS_S if self.tempo else OTELCOL_BUCKETS_S
        return _first(self.latency_histogram_buckets, self.histogram_buckets, default)

    @property
    def exponential_size(self) -> int:
        """Buckets of exponential histograms; 0: explicit ones are made."""
        native = self.generate_native_histograms == "native"
        return self.exponential_histogram_max_size or (NATIVE_HISTOGRAM_SIZE if native else 0)

    @property
    def peers(self) -> tuple[str, ...]:
        """``virtual_node_peer_attributes`` or ``peer_attributes``."""
        default = TEMPO_PEERS if self.tempo else OTELCOL_PEERS
        return _first(self.virtual_node_peer_attributes, self.peer_attributes, default)

    @property
    def database_names(self) -> tuple[str, ...]:
        """``database_name_attributes``; empty means the default, as in the Collector."""
        default = TEMPO_DATABASE_NAMES if self.tempo else OTELCOL_DATABASE_NAMES
        old = (self.database_name_attribute,) if self.database_name_attribute else None
        return _first(self.database_name_attributes or None, old, default)

    @property
    def virtual_node_label(self) -> bool:
        """``virtual_node_extra_label`` or ``enable_virtual_node_label``."""
        return _first(self.virtual_node_extra_label, self.enable_virtual_node_label, False)

    @property
    def prefixed_dimensions(self) -> bool:
        """``enable_client_server_prefix``."""
        return _first(self.enable_client_server_prefix, None, not self.tempo)

    @property
    def tracestate(self) -> bool:
        """``enable_tracestate_span_multiplier``."""
        return _first(self.enable_tracestate_span_multiplier, None, not self.tempo)

    @property
    def exemplars_enabled(self) -> bool:
        """``exemplars.enabled``."""
        return _first(self.exemplars.enabled, None, self.tempo)

    @property
    def links(self) -> bool:
        """``consumer_links``."""
        return _first(self.consumer_links, None, not self.tempo)


_SPELLINGS = (
    ("store.ttl", "wait"),
    ("store.max_items", "max_items"),
    ("latency_histogram_buckets", "histogram_buckets"),
    ("virtual_node_peer_attributes", "peer_attributes"),
    ("virtual_node_extra_label", "enable_virtual_node_label"),
    ("database_name_attributes", "database_name_attribute"),
)
"""Keys of which only one may be given."""


_LABELS = frozenset((CLIENT, SERVER, CONNECTION_TYPE, FAILED, VIRTUAL_NODE_LABEL))


def _first(one: T | None, other: T | None, default: T) -> T:
    if one is not None:
        return one
    return default if other is None else other
