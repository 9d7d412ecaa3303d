"""Reads the halves of a batch: their words, and their label sets as numbers of two private series tables.

What a half is stands in ``layout.py``.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from pipeline.api import Clock, SpanBatch
from pipeline.model.records import Field, Level
from pipeline.model.series import Limits, SeriesTable
from processors.adjusted_count import AdjustedCount
from processors.service_graph import halves, layout
from processors.service_graph.config import Config
from processors.service_graph.halves import HalfScan
from processors.service_graph.layout import FLAG_SHIFT, KEY_WORDS, LABEL_BITS
from processors.service_graph.lonely_clients import LonelyClients
from processors.service_graph.nodes import Half, Nodes
from processors.span_filter import SpanFilter

Int32s = npt.NDArray[np.int32]
UInt64s = npt.NDArray[np.uint64]

_ITEM = int(Level.ITEM)
NO_HALVES = np.empty((0, layout.HALF), np.uint64)

SPAN_COLUMNS = (
    "trace_id",
    "span_id",
    "parent_span_id",
    "kind",
    "status_code",
    "start_time_unix_nano",
    "end_time_unix_nano",
)
"""In the order of ``HalfScan.bind``."""
SERVICE_COLUMN = "resource.service.name"

MAX_LABEL_SETS = 1 << 16
"""Label sets of a side. Halves beyond are edges of the overflow series."""
MAX_LINKS = 128
"""Links of a span that are followed (OTel SDKs' default for the links of a span)."""
MIN_IDLE_S = 900.0
"""How long at least the number of a label set stays its own after its last half."""
CHECK_NANO = 30 * 10**9
"""Label sets are idle for so long before they are given up that it is enough to look twice a minute."""


class HalfReader:
    """See the module.

    Attributes:
        reads: Columns needed.
        clients, servers: Label sets of each side.
        cut_links: Links that were not followed.
    """

    def __init__(self, config: Config, nodes: Nodes, clock: Clock) -> None:
        idle_s = max(MIN_IDLE_S, 4 * config.ttl_s)  # a paired client is kept for two ttl at most
        limits = Limits(max_series=MAX_LABEL_SETS, expire_series_after_s=idle_s)
        self.clients = SeriesTable(nodes.client_labels, clock, limits=limits)
        self.servers = SeriesTable(nodes.server_labels, clock, limits=limits)
        self._scan = HalfScan()
        self._lonely = LonelyClients(self.clients, nodes.needs_no_server, self._scan)
        self._clock = clock
        self._checked_nano = clock.monotonic_nano()
        self._filter = SpanFilter(config.filter_policies)
        self._adjusted = AdjustedCount(tracestate=config.tracestate, ratio_key=config.span_multiplier_key)
        self._follow_links = config.links
        self._skip_nameless = config.skip_resources_without_service_name
        self._projection: object = None
        self._kind = 0
        self.cut_links = 0
        self.reads = tuple(
            dict.fromkeys((*SPAN_COLUMNS, SERVICE_COLUMN, *nodes.reads, *self._filter.reads, *self._adjusted.reads))
        )

    def read(self, spans: SpanBatch) -> UInt64s:
        """uint64[n, 8]: the halves among the spans, clients before servers."""
        if self._skip_nameless:
            spans = spans.where(spans[SERVICE_COLUMN].present())
        n = len(spans)
        if not n:
            return NO_HALVES
        if spans.projection is not self._projection:
            self._bind(spans)
        scan, records = self._scan, spans.records
        clients, servers = self.clients.finder_of(spans), self.servers.finder_of(spans)
        out = scan.scan(records.words, records.first[_ITEM], records.width[_ITEM], spans.rows, n, clients, servers)
        if scan.unknown:
            self._label_unknown(spans, out)
        adjusted = self._adjusted.of(spans)
        if adjusted is not None:
            out.view(np.float64)[:, layout.WEIGHT] = _at_rows(spans, adjusted.counts, scan.rows_of_halves())
        if self._filter:
            filtered = _at_rows(spans, ~self._filter.mask(spans), scan.rows_of_halves())
            out[:, layout.LABEL] |= (filtered * np.uint64(layout.FILTERED)) << FLAG_SHIFT
        if scan.consumers and self._follow_links:
            out = self._linked(out, spans, scan.rows_of_halves()[scan.clients :])
        return out

    def labels(self, word: int) -> Half:
        """Label set of a half, from its label word; of a missing side (0) none."""
        number = (word & 0xFFFF_FFFF) - 1
        if number < 0:
            return {}
        return self.table(word).labels_of(number)

    def table(self, word: int) -> SeriesTable:
        """The table of a half's label set, from its label word."""
        return self.servers if (word >> 32) & layout.SERVER else self.clients

    @property
    def generation(self) -> int:
        """Grows when numbers of label sets may have been given to others."""
        return self.clients.generation + self.servers.generation

    def expire(self) -> None:
        """Give up label sets that nobody has used for long."""
        now = self._clock.monotonic_nano()
        if now - self._checked_nano < CHECK_NANO:
            return
        self._checked_nano = now
        for table in (self.clients, self.servers):
            table.note_collected(delta=False)
            table.expire()

    def _bind(self, spans: SpanBatch) -> None:
        """Look where batches of another projection have what halves are made of."""
        fields = [_field_of(spans, column).word for column in SPAN_COLUMNS]
        self._scan.bind(tuple(fields))
        self._kind = fields[SPAN_COLUMNS.index("kind")]
        self._projection = spans.projection

    def _label_unknown(self, spans: SpanBatch, out: UInt64s) -> None:
        """Have the tables number the label sets that are new, or whose values take Python to format."""
        rows = self._scan.rows_of_halves()
        unknown = np.flatnonzero((out[:, layout.LABEL] & LABEL_BITS) == 0).astype(np.int32)
        clients = int(np.searchsorted(unknown, self._scan.clients))
        for table, halves_of_side in ((self.clients, unknown[:clients]), (self.servers, unknown[clients:])):
            if len(halves_of_side):
                numbers = table.rows_of(SpanBatch(spans.records, spans.projection, rows[halves_of_side]))
                self._scan.label(halves_of_side, numbers)

    def _linked(self, out: UInt64s, spans: SpanBatch, rows: Int32s) -> UInt64s:
        """Give consumers with links one half per linked producer, in place of the one with their parent."""
        found = np.empty(len(rows), np.int32)
        records = spans.records
        first, width = records.first[_ITEM], records.width[_ITEM]
        count = halves.linked(records.payload, records.words, first, width, self._kind, rows, found)
        if not count:
            return out
        before = len(out) - len(rows)
        replaced, copies = [], []
        for position in found[:count].tolist():
            keys = self._link_keys(records.body(Level.ITEM, int(rows[position])))
            if not len(keys):
                continue
            one = np.repeat(out[before + position : before + position + 1], len(keys), axis=0)
            one[:, :KEY_WORDS] = keys
            one[:, layout.LABEL] &= ~(np.uint64(layout.ALONE) << FLAG_SHIFT)
            replaced.append(before + position)
            copies.append(one)
        return np.concatenate((np.delete(out, replaced, axis=0), *copies))

    def _link_keys(self, body: bytes) -> UInt64s:
        """uint64[k, 3]: the distinct spans that a span links to."""
        links = Span.FromString(body).links
        keys = dict.fromkeys(
            link.trace_id + link.span_id
            for link in links
            if len(link.trace_id) == 16 and len(link.span_id) == 8 and any(link.trace_id) and any(link.span_id)
        )
        self.cut_links += max(len(keys) - MAX_LINKS, 0)
        return np.frombuffer(b"".join(list(keys)[:MAX_LINKS]), "<u8").reshape(-1, KEY_WORDS)


def _at_rows(spans: SpanBatch, values: npt.NDArray[Any], rows: Int32s) -> npt.NDArray[Any]:
    """The values, one per span of a batch, of item rows."""
    if spans.rows is None:
        return values[rows]
    by_row = np.empty(spans.records.count[Level.ITEM], values.dtype)
    by_row[spans.rows] = values
    return by_row[rows]


def _field_of(spans: SpanBatch, column: str) -> Field:
    """Where a column stands that must be there."""
    field = spans.projection.field(column)
    if field is None:
        raise KeyError(f"column {column!r} is not in this batch: declare it in `reads`")
    return field
