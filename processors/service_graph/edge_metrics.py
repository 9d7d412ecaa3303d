"""The metrics of edges: series by label sets, and the four or five instruments over them.

Names and labels are those that Grafana's Tempo data source queries. ``…_request_failed_total`` has every series of
``…_request_total``, from the start at 0, so that an error ratio is 0 rather than absent.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from pipeline.api import ExponentialHistogram, Histogram, Meter, SpanBatch
from pipeline.model.records import Field, Kind, Level, Records
from pipeline.model.series import Limits
from pipeline.model.snapshot import OVERFLOW_LABEL
from processors.service_graph import layout
from processors.service_graph.config import Config
from processors.service_graph.edge_recorder import EdgeRecorder, messaging_latency
from processors.service_graph.edge_rows import TYPES, UNKNOWN_ROW, RowCache
from processors.service_graph.half_reader import HalfReader
from processors.service_graph.nodes import Nodes

Int32s = npt.NDArray[np.int32]
UInt64s = npt.NDArray[np.uint64]

REQUEST_TOTAL = "traces_service_graph_request_total"
REQUEST_FAILED_TOTAL = "traces_service_graph_request_failed_total"
REQUEST_SERVER = "traces_service_graph_request_server"
REQUEST_CLIENT = "traces_service_graph_request_client"
REQUEST_MESSAGING = "traces_service_graph_request_messaging_system"
CONNECTION_INFO = "traces_service_graph_connection_info"
"""As OTLP names; Prometheus adds ``_seconds`` to the histograms."""

NO_EDGE = -1
_LABEL_SET_BITS = (1 << 28) - 1
_SERVER_LABEL = layout.SERVER << 32


class EdgeMetrics:
    """See the module.

    Attributes:
        problems: int64[3], halves whose times cannot be right, by ``TIME_PROBLEMS``.
        not_positive_latencies: Messages that were taken before they were sent.
        overflowed: Edges that were counted in the overflow series.
    """

    def __init__(self, config: Config, nodes: Nodes, halves: HalfReader, meter: Meter) -> None:
        self.not_positive_latencies = 0
        self.overflowed = 0
        self._config = config
        self._nodes = nodes
        self._halves = halves
        self._meter = meter
        self._exemplars = config.exemplars_enabled
        self._is_offering = config.exemplars_enabled or bool(config.exponential_size)
        limits = Limits(max_series=config.max_active_series, expire_series_after_s=config.series_expiration)
        self._table = meter.table(nodes.series_labels, limits=limits)
        self._cache = RowCache()
        self._recorder = EdgeRecorder(self._cache, round(config.max_span_duration * 1e9))
        self.problems = self._recorder.problems
        self._generation = 0
        self._requests = self._failed = self._info = None
        self._server = self._client = self._messaging = None
        if "request" in config.subprocessors:
            self._requests = meter.counter(REQUEST_TOTAL, description=_TOTAL, table=self._table)
            self._failed = meter.counter(REQUEST_FAILED_TOTAL, description=_FAILED, table=self._table)
        if "latency" in config.subprocessors:
            self._server = self._histogram(REQUEST_SERVER, _SERVER)
            self._client = self._histogram(REQUEST_CLIENT, _CLIENT)
            if config.enable_messaging_system_latency_histogram:
                self._messaging = self._histogram(REQUEST_MESSAGING, _MESSAGING)
        if "connection-info" in config.subprocessors:
            self._info = meter.gauge(CONNECTION_INFO, description=_INFO, table=self._table)
        self._table.attach(self)  # behind the instruments, which have grown when it hears of it

    def resize(self, capacity: int) -> None:  # noqa: ARG002
        """Show the native loop the columns of the instruments that it adds to."""
        if self._requests is not None and self._failed is not None:
            self._recorder.bind_counters(self._requests.columns["values"], self._failed.columns["values"])
        if self._server is not None and self._client is not None and not self._is_offering:
            server, client = (
                (histogram.columns["counts"].reshape(-1), histogram.columns["sums"].reshape(-1))
                for histogram in (self._server, self._client)
            )
            bounds = np.array(self._server.bounds or (0.0,))
            count = len(self._server.bounds)
            self._recorder.bind_histograms(server, client, bounds, count, self._server.per_unit)

    def clear(self, rows: Int32s) -> None:
        """The instruments clear their columns themselves."""

    def record(self, edges: UInt64s) -> Int32s:
        """Count and observe edges (uint64[n, 16], n > 0).

        Returns:
            int32[n], their rows; ``NO_EDGE`` for a lone half that makes no edge.
        """
        recorder = self._recorder
        self._check_generation()
        if recorder.find(edges):
            self._learn(recorder.keys, recorder.rows)
        rows = recorder.rows
        self._table.resolve(rows)
        if not recorder.record():
            self._note_refusals()
        overflow = self._table.overflow_rows[self._table.no_resource]
        if overflow >= 0:
            self.overflowed += int(np.count_nonzero(rows == overflow))
        if self._info is not None:
            self._info.set(rows, 1.0)
        if self._is_offering or self._messaging is not None:
            self._observe(edges, rows)
        return rows

    def _observe(self, edges: UInt64s, rows: Int32s) -> None:
        """Observe durations with what the native loop does not keep: exemplars, scales, latencies of messages."""
        recorder = self._recorder
        spans = self._exemplar_spans(edges) if self._exemplars else None
        weights = recorder.weights if recorder.weighted else None
        if self._is_offering and self._server is not None and self._client is not None:
            self._server.record(*recorder.server_side, weights, spans)
            self._client.record(*recorder.client_side, weights, spans)
        if self._messaging is not None:
            self._record_messaging(self._messaging, edges, rows, weights, spans)

    def _note_refusals(self) -> None:
        """Let each instrument know what the native loop refused for it."""
        refused = self._recorder.refused
        instruments = (self._requests, self._failed, self._server, self._client)
        for instrument, number in zip(instruments, refused.tolist(), strict=True):
            if instrument is not None:
                instrument.refused += number
        refused[:] = 0

    def _histogram(self, name: str, description: str) -> Histogram | ExponentialHistogram:
        size, table, exemplars = self._config.exponential_size, self._table, self._exemplars
        if size:
            return self._meter.exponential_histogram(
                name, "s", description, max_size=size, table=table, exemplars=exemplars
            )
        bounds = self._config.buckets_s
        return self._meter.histogram(name, "s", description, buckets=bounds, table=table, exemplars=exemplars)

    def _record_messaging(
        self,
        histogram: Histogram | ExponentialHistogram,
        edges: UInt64s,
        rows: Int32s,
        weights: npt.NDArray[np.float64] | None,
        spans: SpanBatch | None,
    ) -> None:
        seconds = np.empty(len(edges))
        self.not_positive_latencies += messaging_latency(edges, seconds)
        rows = np.where(seconds < 0, NO_EDGE, rows).astype(np.int32)
        if (rows >= 0).any():
            histogram.record(rows, seconds, weights, spans)

    def _check_generation(self) -> None:
        """Forget the rows where numbers of rows or of label sets have been given to others."""
        generation = self._table.generation + self._halves.generation
        if generation != self._generation:
            self._cache.clear()
            self._generation = generation

    def _learn(self, keys: UInt64s, rows: Int32s) -> None:
        """Find the series of edges that the cache does not know."""
        new = np.flatnonzero(rows == UNKNOWN_ROW)
        distinct, which = np.unique(keys[new], return_inverse=True)
        found = np.array([self._row_of(key) for key in distinct.tolist()], np.int32)
        for key, row in zip(distinct.tolist(), found.tolist(), strict=True):
            self._cache.put(key, row)
        rows[new] = found[which]

    def _row_of(self, key: int) -> int:
        """Row of the series of a key of ``edge_rows``."""
        client = self._halves.labels(key >> 36)
        server = self._halves.labels((key >> 8 & _LABEL_SET_BITS) | _SERVER_LABEL)
        if OVERFLOW_LABEL in client or OVERFLOW_LABEL in server:
            return self._table.overflow_row()
        values = self._nodes.series(TYPES[key >> 1 & 7], client, server, bool(key & 1))
        return NO_EDGE if values is None else self._table.row_of(values)

    def _exemplar_spans(self, edges: UInt64s) -> SpanBatch:
        """The edges as if they were spans: exemplars lead to the client's span, or to the server's if it is alone."""
        ids = np.array(edges)
        lone = ids[:, layout.LABEL] == 0
        ids[lone, : layout.SPAN] = edges[lone, layout.HALF : layout.HALF + layout.SPAN]
        ids[lone, layout.SPAN] = edges[lone, layout.HALF + layout.OTHER]
        n = len(edges)
        records = Records(b"", ids.reshape(-1), (0, 0, 0), (layout.EDGE,) * 3, (0, 0, n))
        return SpanBatch(records, _EdgeProjection())  # type: ignore[arg-type]  # nothing but ids is read


_CLIENT_IDS = {
    "trace_id": Field(Level.ITEM, layout.TRACE, Kind.ID16),
    "span_id": Field(Level.ITEM, layout.SPAN, Kind.ID8),
}


class _EdgeProjection:
    """Where edges have their ids."""

    columns = readable = frozenset(_CLIENT_IDS)

    def field(self, column: str) -> Field | None:
        """Words of a client's half."""
        return {
            "trace_id": Field(Level.ITEM, layout.TRACE, Kind.ID16),
            "span_id": Field(Level.ITEM, layout.SPAN, Kind.ID8),
        }.get(column)


_TOTAL = "Requests between two nodes"
_FAILED = "Failed requests between two nodes"
_SERVER = "Duration of a request between two nodes as seen from the server"
_CLIENT = "Duration of a request between two nodes as seen from the client"
_MESSAGING = "Time between the end of a producer and the start of its consumer"
_INFO = "1 for each pair of nodes that have had a request"
