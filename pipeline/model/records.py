"""Decoded telemetry as row-major tables of 64-bit words over the bytes it came from.

One request becomes one array of words::

    words:  [ resource rows | scope rows | item rows ]                  items: spans, log records
            [ resource rows | scope rows | metric rows | point rows … ] metrics: points below metrics
    a row:  [ parent row, range of the body, header, field, field, … ]

Strings, bytes and nested messages stay where they are: their word is a *range*, ``offset << 32 | length`` into
``payload``. An attribute takes two words, its type and its value. Rows lie together because a decoder writes, and a
kernel that builds keys reads, one span at a time; a column is a strided numpy view. Absent is 0 throughout: proto3 does
not send zeros, so 0 and absent are the same on the wire.
"""

from __future__ import annotations

from enum import IntEnum
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

Words = npt.NDArray[np.uint64]

PARENT, RANGE, HEADER = 0, 1, 2
"""Words that every row starts with: the row in the enclosing table, the range of the message body, and
``bytes of tag and length before the body << 8 | Defect bits``."""
FIXED_WORDS = 3

REPEATED = 0xFFFF_FFFF_FFFF_FFFF
"""Value of a RAW word whose message came more than once, of a PACKED word whose numbers came in several parts: proto
says that such fields merge, so no single range holds them."""


class Level(IntEnum):
    """The tables of a batch. Up to POINT each row's parent is in the table before."""

    RESOURCE = 0
    SCOPE = 1
    ITEM = 2
    """Spans, log records, metrics."""
    POINT = 3
    """Data points, of all kinds of metrics."""
    EVENT = 3
    """Span events. Traces have no points: the table below the items is theirs."""
    EXEMPLAR = 4
    """Below points."""
    QUANTILE = 5
    """Below points, of summaries."""


class Kind(IntEnum):
    """How the word(s) of a field are to be read."""

    STRING = 1
    """Range of UTF-8, checked by the decoder."""
    BYTES = 2
    """Range of raw bytes."""
    UINT = 3
    """Unsigned integer."""
    ENUM = 4
    """Unsigned integer with names in ``pipeline.model.columns``."""
    ID8 = 5
    """One word: the eight bytes as a little-endian load."""
    ID16 = 6
    """Two words, likewise."""
    ATTRIBUTE = 7
    """Two words: ``ValueType`` and value."""
    RAW = 8
    """Range of a message body kept whole, or ``REPEATED``."""
    NUMBER = 9
    """Two words: ``ValueType`` (ABSENT, INT or DOUBLE) and value."""
    INT = 10
    """Signed integer in two's complement."""
    PACKED = 11
    """Range of packed numbers, or ``REPEATED``."""
    CHOICE = 12
    """Two words: which member of a oneof of messages came last (an ENUM), and the range of the field, its tag included,
    or ``REPEATED``."""
    BOOL = 13
    """0, or anything else."""
    DOUBLE = 14
    """IEEE bits of a double that is 0 where absent."""


WORDS_OF = {Kind.ID16: 2, Kind.ATTRIBUTE: 2, Kind.NUMBER: 2, Kind.CHOICE: 2}
"""Words of a field; one where the kind is not named."""


class ValueType(IntEnum):
    """First word of an attribute; the numbers are those of ``AnyValue`` in ``common.proto``."""

    ABSENT = 0
    STRING = 1
    BOOL = 2
    INT = 3
    DOUBLE = 4
    ARRAY = 5
    KVLIST = 6
    BYTES = 7
    EMPTY = 8


class Defect(IntEnum):
    """Bits in HEADER of spans that can never be accepted."""

    INVALID_TRACE_ID = 1
    INVALID_SPAN_ID = 2
    INVALID_PARENT_SPAN_ID = 4


class PointDefect(IntEnum):
    """Bits in HEADER of data points that can never be accepted."""

    NO_METRIC_NAME = 1
    NO_VALUE = 2
    NO_TEMPORALITY = 4
    """Sum or histogram of unspecified temporality, which "MUST not be used" (metrics.proto)."""
    NEGATIVE_SUM = 8
    """A monotonic sum below zero."""
    BAD_HISTOGRAM = 16
    """Counts and bounds that do not belong together, bounds not ascending, a count that is not that of the buckets."""
    BAD_EXPONENTIAL_HISTOGRAM = 32
    """Scale or index out of range, too many buckets, a count that is not that of the buckets."""
    BAD_SUMMARY = 64
    """A quantile outside [0, 1]."""


class Field(NamedTuple):
    """Where a column's words stand in the rows of a table."""

    level: Level
    word: int
    kind: Kind


class Edit(NamedTuple):
    """A column that was changed after decoding. The words have its cells; the bodies of the rows do not yet.

    Attributes:
        column: Name.
        field: Where its cells stand.
        touched: bool[rows of the table], rows whose cell was set or removed.
    """

    column: str
    field: Field
    touched: npt.NDArray[np.bool_]


class Records:
    """The tables of one request.

    Attributes:
        words: uint64, all tables.
        first: Per level, index of the first word of row 0.
        width: Per level, words of a row.
        count: Per level, rows.
        pieces: ``payload`` in two, so that a few texts more do not cost a copy of all.
        edits: What the bodies of the rows do not show yet (``model/editor.py``).
    """

    __slots__ = ("_decoded", "count", "edits", "first", "pieces", "width", "words")

    def __init__(
        self,
        payload: bytes,
        words: Words,
        first: tuple[int, ...],
        width: tuple[int, ...],
        count: tuple[int, ...],
    ) -> None:
        self.pieces = (payload, b"")
        self.words = words
        self.first = first
        self.width = width
        self.count = count
        self.edits: tuple[Edit, ...] = ()
        self._decoded: Records | None = None

    @property
    def payload(self) -> bytes:
        """The bytes that ranges point into. Longer than the request where something was changed."""
        payload, texts = self.pieces
        if texts:
            payload += texts
            self.pieces = (payload, b"")
        return payload

    @property
    def size(self) -> int:
        """Length of ``payload``."""
        return sum(map(len, self.pieces))

    def append(self, texts: bytes | bytearray) -> None:
        """Put texts behind the payload. For who has the only reference."""
        if texts:
            payload, before = self.pieces
            self.pieces = (payload, before + texts)

    @property
    def decoded(self) -> Records:
        """The tables as they were decoded, whose bodies lie in each other as in the request. Bodies that were written
        anew lie behind the request. The object itself where nothing was changed.
        """
        return self._decoded or self

    def replaced(self, words: Words, payload: bytes, edits: tuple[Edit, ...]) -> Records:
        """The same tables with other words, over bytes that begin with the same ones."""
        other = Records(payload, words, self.first, self.width, self.count)
        other.edits = edits
        other._decoded = self.decoded
        return other

    def copied(self) -> Records:
        """The same tables over words of their own, without the room that no row was written to."""
        parts, first, at = [], [], 0
        for begin, width, count in zip(self.first, self.width, self.count, strict=True):
            parts.append(self.words[begin : begin + width * count])
            first.append(at)
            at += width * count
        other = Records(b"", np.concatenate(parts), tuple(first), self.width, self.count)
        other.pieces = self.pieces
        other.edits = self.edits
        other._decoded = self.decoded
        return other

    def column(self, level: int, word: int) -> Words:
        """Strided view, uint64[count[level]], of one word of every row."""
        start = self.first[level] + word
        width = self.width[level]
        return self.words[start : start + self.count[level] * width : width][: self.count[level]]

    def body(self, level: int, row: int) -> bytes:
        """The message body of one row."""
        return self.slice(int(self.words[self.first[level] + row * self.width[level] + RANGE]))

    def slice(self, word: int) -> bytes:
        """The bytes of a range."""
        offset, (source, texts) = word >> 32, self.pieces
        if offset >= len(source):
            offset, source = offset - len(source), texts
        return source[offset : offset + (word & 0xFFFF_FFFF)]
