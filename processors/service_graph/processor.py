"""ServiceGraph: spans → halves (``half_reader``) → edges (``edge_store``) → metrics (``edge_metrics``)."""

from __future__ import annotations

import logging
from collections.abc import Mapping

import numpy as np

from pipeline.api import Processor, Settings, SpanBatch
from processors.service_graph import checkpoint, layout
from processors.service_graph.config import Config as GraphConfig
from processors.service_graph.edge_metrics import NO_EDGE, EdgeMetrics, UInt64s
from processors.service_graph.edge_recorder import TIME_PROBLEMS
from processors.service_graph.edge_store import EdgeStore
from processors.service_graph.half_reader import HalfReader
from processors.service_graph.layout import FLAG_SHIFT, KIND, KINDS
from processors.service_graph.nodes import Nodes
from processors.service_graph.pairing import FATES

DROPPED_SPANS = "otelcol_connector_servicegraph_dropped_spans"
TOTAL_EDGES = "otelcol_connector_servicegraph_total_edges"
EXPIRED_EDGES = "otelcol_connector_servicegraph_expired_edges"
"""The Collector's own metrics of the connector; the attributes are ours."""
PENDING_SPANS = "otelcol_connector_servicegraph_pending_spans"
SANITIZED_SPANS = "otelcol_connector_servicegraph_sanitized_spans"
OVERFLOWED_EDGES = "otelcol_connector_servicegraph_overflowed_edges"
"""Spans that wait; spans that were not taken as they came; edges that count in the overflow series."""

DROPPED = ("evicted", "trace_limit", "duplicate", "filtered", "loop")
"""Fates of halves (``pairing``) that are reasons of ``dropped_spans``."""
AT_ONCE = 1 << 11
"""Halves between which edges are recorded, so that they are still in the cache."""
OUTCOMES = ("lost", "virtual_node")
"""What becomes of an expired half."""


class ServiceGraph(Processor):
    """The service graph connector: requests between services as metrics.

    A client span and its server span, which may come in any order and in different requests, are one edge.
    """

    Config = GraphConfig
    emits_metrics = True
    scope_name = "traces_service_graph"
    keyed_by = ("trace_id",)
    state_version = "1"
    saved_while_running = False

    def __init__(self, config: GraphConfig, settings: Settings) -> None:
        self.tick_interval_s = config.store_expiration_loop or 2.0
        self.metrics_flush_interval_s = config.metrics_flush_interval or 1.0
        self._ttl_s = config.ttl_s
        self._clock = settings.clock
        self._telemetry = settings.telemetry
        settings.meter.timestamp_offset_nano = round(config.metrics_timestamp_offset * 1e9)
        nodes = Nodes(config)
        self._halves = HalfReader(config, nodes, settings.clock)
        self._metrics = EdgeMetrics(config, nodes, self._halves, settings.meter)
        self._store = EdgeStore(config.item_limit, round(config.ttl_s * 1e9), config.trace_limit)
        self.reads = self._halves.reads
        self._reported: dict[tuple[str, ...], int] = {}
        self._edges = 0

    def start(self) -> None:
        """Show the own metrics at 0."""
        count = self._telemetry.count
        count(TOTAL_EDGES, 0)
        count(OVERFLOWED_EDGES, 0)
        for kind in KINDS:
            for outcome in OUTCOMES:
                count(EXPIRED_EDGES, 0, unmatched_span_kind=kind, outcome=outcome)
            for reason in DROPPED:
                count(DROPPED_SPANS, 0, reason=reason, span_kind=kind)
        self._telemetry.gauge(PENDING_SPANS, lambda: self._store.waiting)

    def process_traces(self, spans: SpanBatch) -> SpanBatch:
        """Find the edges that the batch completes."""
        now = self._clock.monotonic_nano()
        self._expire(now)
        halves = self._halves.read(spans)
        for begin in range(0, len(halves), AT_ONCE):
            edges = self._store.add(halves[begin : begin + AT_ONCE], now)
            if len(edges):
                self._metrics.record(edges)
                self._edges += len(edges)
        return spans

    def tick(self, now_unix_nano: int) -> None:  # noqa: ARG002 - waiting is measured with the monotonic clock
        """Let go of spans that waited too long, and report."""
        self._expire(self._clock.monotonic_nano())
        self._halves.expire()
        self._report()

    def snapshot(self) -> bytes:
        """The spans that wait."""
        return checkpoint.save(self._store, self._halves, self._clock.monotonic_nano())

    def restore(self, state: bytes) -> None:
        """Let the spans of a snapshot wait for the time that they had left."""
        checkpoint.load(state, self._store, self._halves, self._clock.monotonic_nano())

    def shutdown(self) -> None:
        """Report what the last tick left."""
        self._report()

    def _expire(self, now: int) -> None:
        while len(expired := self._store.expire(now)):
            rows = self._metrics.record(expired)
            self._count_expired(expired, rows == NO_EDGE)

    def _count_expired(self, expired: UInt64s, lost: np.ndarray) -> None:
        """Own metrics: which side's partner never came, and whether the span became an edge to a virtual node."""
        labels = expired[:, layout.LABEL] | expired[:, layout.HALF + layout.LABEL]  # one of them is 0
        kinds = ((labels >> FLAG_SHIFT) & np.uint64(KIND)).astype(np.int64)
        self._edges += len(expired)
        for outcome, chosen in zip(OUTCOMES, (lost, ~lost), strict=True):
            for kind, number in enumerate(np.bincount(kinds[chosen], minlength=len(KINDS)).tolist()):
                if number:
                    self._telemetry.count(EXPIRED_EDGES, number, unmatched_span_kind=KINDS[kind], outcome=outcome)
        if lost.any():
            self._telemetry.logger.limited(
                "expired",
                "Spans expired before their partner came: it is late for store.ttl, sampled out, or goes elsewhere.",
                level=logging.INFO,
                spans=int(lost.sum()),
                ttl_s=self._ttl_s,
            )

    def _report(self) -> None:
        """Own metrics, for what has been added since the last time."""
        self._grow(TOTAL_EDGES, self._edges)
        fates = self._store.fates()
        for reason in DROPPED:
            for kind, number in zip(KINDS, fates[FATES.index(reason)].tolist(), strict=True):
                self._grow(DROPPED_SPANS, number, reason=reason, span_kind=kind)
        for problem, number in zip(TIME_PROBLEMS, self._metrics.problems.tolist(), strict=True):
            self._grow(SANITIZED_SPANS, number, reason=problem)
        self._grow(SANITIZED_SPANS, self._metrics.not_positive_latencies, reason="negative_messaging_latency")
        self._grow(SANITIZED_SPANS, self._halves.cut_links, reason="link_limit")
        self._grow(OVERFLOWED_EDGES, self._metrics.overflowed)

    def _grow(self, name: str, total: int, **attributes: str) -> None:
        key = (name, *attributes.values())
        added = total - self._reported.get(key, 0)
        if added:
            self._telemetry.count(name, added, **attributes)
            self._reported[key] = total
            if name == DROPPED_SPANS:
                self._warn(added, attributes)

    def _warn(self, number: int, attributes: Mapping[str, str]) -> None:
        hints = {
            "evicted": "store.max_items is too small for the rate of spans whose partner has not come",
            "trace_limit": "one trace has more waiting spans than store.max_items_per_trace",
        }
        if attributes["reason"] in hints:
            self._telemetry.logger.limited(
                attributes["reason"],
                f"Spans were dropped before their partner came: {hints[attributes['reason']]}.",
                spans=number,
                span_kind=attributes["span_kind"],
            )
