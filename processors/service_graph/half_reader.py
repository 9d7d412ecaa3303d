"""Reads the halves of a batch: their words, and their label sets as numbers of two private series tables."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from pipeline.api import Clock, SpanBatch
from pipeline.model.records import Field, Level
from pipeline.model.resources import Resource
from pipeline.model.series import LabelValues, Limits, SeriesTable
from processors.adjusted_count import AdjustedCount
from processors.service_graph import halves
from processors.service_graph.config import Config
from processors.service_graph.edge_store import FLAGS
from processors.service_graph.nodes import Half, Nodes
from processors.span_filter import SpanFilter

Int32s = npt.NDArray[np.int32]
UInt64s = npt.NDArray[np.uint64]

KEY_WORDS = 3
LABEL_WORD, WEIGHT_WORD = 6, 7
FLAG_SHIFT = np.uint64(32)
LABEL_BITS = np.uint64(0xFFFF_FFFF)

SPAN_COLUMNS = (
    "trace_id",
    "span_id",
    "parent_span_id",
    "kind",
    "status_code",
    "start_time_unix_nano",
    "end_time_unix_nano",
)
"""In the order of ``halves.fill``."""
SERVICE_COLUMN = "resource.service.name"

MAX_LABEL_SETS = 1 << 16
"""Label sets of a side. Halves beyond are edges of the overflow series."""
MAX_LINKS = 128
"""Links of a span that are followed (OTel SDKs' default for the links of a span)."""
MIN_IDLE_S = 900.0
"""How long at least the number of a label set stays its own after its last half."""


class LonelyLabelSets:
    """uint8 by label set of clients: 1 where they need no server. Beside the table like the column of an instrument."""

    def __init__(self, nodes: Nodes) -> None:
        self.flags = np.zeros(1, np.uint8)
        self._nodes = nodes

    def resize(self, capacity: int) -> None:
        """Make room for new label sets."""
        flags = np.zeros(capacity, np.uint8)
        flags[: len(self.flags)] = self.flags[:capacity]
        self.flags = flags

    def clear(self, rows: Int32s) -> None:
        """Forget freed label sets."""
        self.flags[rows] = 0

    def learn(self, table: SeriesTable, row: int, values: LabelValues, resource: Resource | None) -> None:  # noqa: ARG002
        """Look at a new label set."""
        names = (label.name for label in table.labels)
        half = {name: value for name, value in zip(names, values, strict=True) if value is not None}
        self.flags[row] = self._nodes.needs_no_server(half)


class Layout(NamedTuple):
    """Where the rows of a batch have what halves are made of."""

    words: UInt64s
    first: int
    width: int
    fields: tuple[int, ...]

    @property
    def kind(self) -> int:
        """Word of the span kind."""
        return self.fields[3]


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
        self._lonely = LonelyLabelSets(nodes)
        self.clients.attach(self._lonely)
        self.clients.on_new_row = self._lonely.learn
        self._no_lonely = np.zeros(1, np.uint8)
        self._filter = SpanFilter(config.filter_policies)
        self._adjusted = AdjustedCount(tracestate=config.tracestate, ratio_key=config.span_multiplier_key)
        self._follow_links = config.links
        self._skip_nameless = config.skip_resources_without_service_name
        self._projection: object = None
        self._fields: tuple[int, ...] = ()
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
            return np.empty((0, 8), np.uint64)
        layout = self._layout(spans)
        positions = np.empty(2 * n, np.int32)
        c, s, consumers = halves.split(layout.words, layout.first, layout.width, layout.kind, spans.rows, n, positions)
        clients, servers = positions[:c], positions[n : n + s]
        out = np.empty((c + s, 8), np.uint64)
        if c:
            self._fill(out[:c], spans, layout, clients, is_server=False)
        if s:
            self._fill(out[c:], spans, layout, servers, is_server=True)
        adjusted = self._adjusted.of(spans)
        if adjusted is not None:
            out.view(np.float64)[:, WEIGHT_WORD] = adjusted.counts[np.concatenate((clients, servers))]
        if self._filter:
            filtered = ~self._filter.mask(spans)[np.concatenate((clients, servers))]
            out[:, LABEL_WORD] |= (filtered * np.uint64(FLAGS["filtered"])) << FLAG_SHIFT
        if consumers and self._follow_links:
            out = self._linked(out, spans, layout, _rows(spans, servers))
        return out

    def labels(self, word: int) -> Half:
        """Label set of a half, from its label word; of a missing side (0) none."""
        number = (word & 0xFFFF_FFFF) - 1
        if number < 0:
            return {}
        return self.table(word).labels_of(number)

    def table(self, word: int) -> SeriesTable:
        """The table of a half's label set, from its label word."""
        return self.servers if (word >> 32) & FLAGS["server"] else self.clients

    @property
    def generation(self) -> tuple[int, int]:
        """Changes when numbers of label sets may have been given to others."""
        return self.clients.generation, self.servers.generation

    def expire(self) -> None:
        """Give up label sets that nobody has used for long."""
        for table in (self.clients, self.servers):
            table.note_collected(delta=False)
            table.expire()

    def _layout(self, spans: SpanBatch) -> Layout:
        if spans.projection is not self._projection:
            self._fields = tuple(_field(spans, column).word for column in SPAN_COLUMNS)
            self._projection = spans.projection
        records = spans.records
        return Layout(records.words, records.first[Level.ITEM], records.width[Level.ITEM], self._fields)

    def _fill(self, out: UInt64s, spans: SpanBatch, layout: Layout, positions: Int32s, *, is_server: bool) -> None:
        rows = _rows(spans, positions)
        side = SpanBatch(spans.records, spans.projection, rows)
        labels = (self.servers if is_server else self.clients).rows_of(side)
        alone = self._no_lonely if is_server else self._lonely.flags
        halves.fill(out, layout.words, layout.first, layout.width, layout.fields, rows, labels, alone, is_server)

    def _linked(self, out: UInt64s, spans: SpanBatch, layout: Layout, rows: Int32s) -> UInt64s:
        """Give consumers with links one half per linked producer, in place of the one with their parent."""
        found = np.empty(len(rows), np.int32)
        records = spans.records
        count = halves.linked(records.payload, layout.words, layout.first, layout.width, layout.kind, rows, found)
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
            one[:, LABEL_WORD] &= ~(np.uint64(FLAGS["alone"]) << FLAG_SHIFT)
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


def _rows(spans: SpanBatch, positions: Int32s) -> Int32s:
    """Item rows of positions in a batch."""
    return positions if spans.rows is None else spans.rows[positions]


def _field(spans: SpanBatch, column: str) -> Field:
    field = spans.projection.field(column)
    if field is None:
        raise KeyError(f"column {column!r} is not in this batch: declare it in `reads`")
    return field
