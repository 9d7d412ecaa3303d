# cython: boundscheck=False, wraparound=False, initializedcheck=False, cdivision=True
"""From spans to halves (``layout.py``): which spans are one side of a call, and their eight words each.

Cython in pure Python mode: runs compiled and uncompiled with the same results.
"""

import cython
import numpy as np

if cython.compiled:
    from cython.cimports.pipeline.memory import bytes_at, ints_at, words_at
    from cython.cimports.pipeline.model.row_finder import RowFinder
    from cython.cimports.pipeline.wire_format import read_varint, skip_field
    from cython.cimports.processors.service_graph import layout
else:
    from pipeline.memory import bytes_at, ints_at, words_at
    from pipeline.model.row_finder import RowFinder
    from pipeline.wire_format import read_varint, skip_field
    from processors.service_graph import layout

# Numbers of SpanKind and StatusCode in trace.proto.
_SERVER = cython.declare(cython.ulonglong, 2)
_CLIENT = cython.declare(cython.ulonglong, 3)
_PRODUCER = cython.declare(cython.ulonglong, 4)
_CONSUMER = cython.declare(cython.ulonglong, 5)
_ERROR = cython.declare(cython.ulonglong, 2)

# The float64 1.0.
_WEIGHT_1 = cython.declare(cython.ulonglong, 0x3FF0000000000000)

LINKS_FIELD = cython.declare(cython.ulonglong, 13)
"""``Span.links`` in trace.proto."""


@cython.final
@cython.cclass
class HalfScan:
    """Writes the halves of a batch: a pass over its spans for each side.

    Attributes:
        clients, servers, consumers: Halves of each side, and how many of the servers are consumers.
        unknown: Halves whose label set has to be asked for.
    """

    clients = cython.declare(cython.Py_ssize_t, visibility="readonly")
    servers = cython.declare(cython.Py_ssize_t, visibility="readonly")
    consumers = cython.declare(cython.Py_ssize_t, visibility="readonly")
    unknown = cython.declare(cython.Py_ssize_t, visibility="readonly")
    _out: object
    _rows: object
    _lonely: object
    room: cython.Py_ssize_t
    out: cython.p_ulonglong
    rows: cython.p_int
    lonely: cython.p_uchar
    words: cython.p_ulonglong
    first: cython.Py_ssize_t
    width: cython.Py_ssize_t
    trace: cython.Py_ssize_t
    span: cython.Py_ssize_t
    parent: cython.Py_ssize_t
    kind: cython.Py_ssize_t
    status: cython.Py_ssize_t
    start: cython.Py_ssize_t
    end: cython.Py_ssize_t

    def __init__(self) -> None:
        self.clients = self.servers = self.consumers = self.unknown = 0
        self.room = 0
        self._make_room(1024)

    def bind(self, fields: tuple) -> None:
        """Where spans have trace id, span id, parent span id, kind, status code, start and end."""
        self.trace, self.span, self.parent, self.kind, self.status, self.start, self.end = fields

    def bind_lonely(self, lonely: object) -> None:
        """uint8 by label set of clients: 1 for those that need no server."""
        self._lonely = lonely
        self.lonely = bytes_at(lonely)

    def scan(
        self,
        words: object,
        first: cython.Py_ssize_t,
        width: cython.Py_ssize_t,
        rows: object,
        n: cython.Py_ssize_t,
        of_clients: RowFinder,
        of_servers: RowFinder,
    ) -> object:
        """Find the halves, clients before servers, with weight 1.

        Args:
            words, first, width: The words of row r begin at ``first + r * width``.
            rows: int32[n], the rows to look at; None: rows 0 to n - 1.
            of_clients, of_servers: Find the label sets of this batch.
        Returns:
            uint64[clients + servers, 8], valid until the next call. Where the label set is unknown, its number is 0.
        """
        is_part: cython.bint = rows is not None
        self._make_room(n)
        chosen: cython.p_int = ints_at(rows) if is_part else self.rows
        self.words = words_at(words)
        self.first = first
        self.width = width
        with cython.nogil:
            self.unknown = 0
            scan_clients(self, chosen, is_part, n, of_clients)
            scan_servers(self, of_servers)
        return self._out[: self.clients + self.servers]

    def rows_of_halves(self) -> object:
        """int32[clients + servers], the row of each half; valid until the next scan."""
        return self._rows[: self.clients + self.servers]

    def label(self, halves: object, numbers: object) -> None:
        """Give halves (int32[n], rows of ``scan``'s result) the numbers of their label sets."""
        i: cython.Py_ssize_t
        half: cython.p_int = ints_at(halves)
        number: cython.p_int = ints_at(numbers)
        for i in range(len(halves)):
            put_label(self, half[i], self.out[half[i] * layout.HALF + layout.LABEL] >> 32, number[i])

    def _make_room(self, n: cython.Py_ssize_t) -> None:
        if n > self.room:
            self.room = 2 * n
            self._out = np.empty((self.room, layout.HALF), np.uint64)
            self._rows = np.empty(2 * self.room, np.int32)
            self.out = words_at(self._out.reshape(-1))
            self.rows = ints_at(self._rows)


@cython.cfunc
@cython.inline
@cython.nogil
@cython.exceptval(check=False)
def put_half(
    scan: HalfScan, half: cython.Py_ssize_t, at: cython.Py_ssize_t, key: cython.Py_ssize_t, other: cython.Py_ssize_t
) -> cython.void:
    """Write the words of a half that come from its span alone; ``key`` and ``other`` are columns of span ids."""
    base: cython.p_ulonglong = scan.words
    to: cython.Py_ssize_t = half * layout.HALF
    scan.out[to] = base[at + scan.trace]
    scan.out[to + 1] = base[at + scan.trace + 1]
    scan.out[to + layout.SPAN] = base[at + key]
    scan.out[to + layout.OTHER] = base[at + other]
    scan.out[to + layout.START] = base[at + scan.start]
    scan.out[to + layout.END] = base[at + scan.end]


@cython.cfunc
@cython.inline
@cython.nogil
@cython.exceptval(check=False)
def put_label(
    scan: HalfScan, half: cython.Py_ssize_t, flags: cython.ulonglong, number: cython.Py_ssize_t
) -> cython.void:
    """Write the label word of a half. Clients may need no server."""
    if number < 0:
        scan.unknown += 1
    elif not flags & layout.SERVER and scan.lonely[number]:
        flags |= layout.ALONE
    scan.out[half * layout.HALF + layout.LABEL] = (flags << 32) | cython.cast(cython.ulonglong, number + 1)
    scan.out[half * layout.HALF + layout.WEIGHT] = _WEIGHT_1


@cython.cfunc
@cython.nogil
@cython.exceptval(check=False)
def scan_clients(
    scan: HalfScan, rows: cython.p_int, is_part: cython.bint, n: cython.Py_ssize_t, labels: RowFinder
) -> cython.void:
    """Write the halves of clients and producers; note the rows of the others in the second half of ``rows``."""
    base: cython.p_ulonglong = scan.words
    i: cython.Py_ssize_t
    row: cython.Py_ssize_t
    at: cython.Py_ssize_t
    c: cython.Py_ssize_t = 0
    s: cython.Py_ssize_t = 0
    kind: cython.ulonglong
    flags: cython.ulonglong
    for i in range(n):
        row = rows[i] if is_part else i
        at = scan.first + row * scan.width
        kind = base[at + scan.kind]
        if i + 4 < n:
            labels.expect(rows[i + 4] if is_part else i + 4)
        if kind == _CLIENT or kind == _PRODUCER:
            flags = layout.FAILED if base[at + scan.status] == _ERROR else 0
            if kind == _PRODUCER:
                flags |= layout.MESSAGING
            put_half(scan, c, at, scan.span, scan.parent)
            put_label(scan, c, flags, labels.row_at(row))
            scan.rows[c] = cython.cast(cython.int, row)
            c += 1
        elif kind == _SERVER or kind == _CONSUMER:
            scan.rows[scan.room + s] = cython.cast(cython.int, row)
            s += 1
    scan.clients = c
    scan.servers = s


@cython.cfunc
@cython.nogil
@cython.exceptval(check=False)
def scan_servers(scan: HalfScan, labels: RowFinder) -> cython.void:
    """Write the halves of servers and consumers, whose rows have been noted. One without parent needs no client."""
    base: cython.p_ulonglong = scan.words
    i: cython.Py_ssize_t
    row: cython.Py_ssize_t
    at: cython.Py_ssize_t
    half: cython.Py_ssize_t
    consumers: cython.Py_ssize_t = 0
    flags: cython.ulonglong
    for i in range(scan.servers):
        half = scan.clients + i
        row = scan.rows[scan.room + i]
        at = scan.first + row * scan.width
        if i + 4 < scan.servers:
            labels.expect(scan.rows[scan.room + i + 4])
        flags = layout.SERVER | (layout.FAILED if base[at + scan.status] == _ERROR else 0)
        if base[at + scan.kind] == _CONSUMER:
            flags |= layout.MESSAGING
            consumers += 1
        if base[at + scan.parent] == 0:
            flags |= layout.ALONE
        put_half(scan, half, at, scan.parent, scan.span)
        put_label(scan, half, flags, labels.row_at(row))
        scan.rows[half] = cython.cast(cython.int, row)
    scan.consumers = consumers


@cython.cfunc
@cython.nogil
@cython.exceptval(check=False)
def has_field(b: cython.p_uchar, p: cython.Py_ssize_t, e: cython.Py_ssize_t, field: cython.ulonglong) -> cython.bint:
    """Whether the message ``b[p:e]`` has the length-delimited field, looking at tags and lengths alone. Damage ends
    the search."""
    tag: cython.ulonglong
    while p < e:
        p, tag = read_varint(b, p, e)
        if p < 0:
            return False
        if tag == (field << 3 | 2):
            return True
        p = skip_field(b, p, e, tag)
        if p < 0:
            return False
    return False


@cython.ccall
def linked(
    payload: bytes,
    words: object,
    first: cython.Py_ssize_t,
    width: cython.Py_ssize_t,
    kind: cython.Py_ssize_t,
    rows: object,
    out: object,
) -> cython.Py_ssize_t:
    """Find the consumers among ``rows`` whose span has links.

    Args:
        out: int32[n], positions in ``rows`` are written to it.
    Returns:
        How many there are.
    """
    n: cython.Py_ssize_t = len(rows)
    i: cython.Py_ssize_t
    at: cython.Py_ssize_t
    p: cython.Py_ssize_t
    e: cython.Py_ssize_t
    found: cython.Py_ssize_t = 0
    place: cython.ulonglong
    low: cython.ulonglong = 0xFFFFFFFF
    base: cython.p_ulonglong = words_at(words)
    row: cython.p_int = ints_at(rows)
    to: cython.p_int = ints_at(out)
    size: cython.Py_ssize_t = len(payload)
    b: cython.p_uchar = cython.cast(cython.p_uchar, cython.cast(cython.p_char, payload)) if cython.compiled else payload
    with cython.nogil:
        for i in range(n):
            at = first + row[i] * width
            if base[at + kind] != _CONSUMER:
                continue
            place = base[at + 1]
            p = cython.cast(cython.Py_ssize_t, place >> 32)
            e = p + cython.cast(cython.Py_ssize_t, place & low)
            if e <= size and has_field(b, p, e, LINKS_FIELD):
                to[found] = cython.cast(cython.int, i)
                found += 1
    return found
