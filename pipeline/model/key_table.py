# cython: boundscheck=False, wraparound=False, initializedcheck=False, cdivision=True
"""From spans to rows: key bytes, a hash table over them, and the loop that finds the row of each span of a batch.

The key of a series is a resource number and its label values::

    u32 resource | per label: u16 length, bytes | …          little-endian; length 0xFFFF: absent

Keys lie in one *arena*. A slot of the hash table is ``tag << 32 | row + 1``; the tag is 32 bits of the hash and also
says where the slot's home is, so that growing and removing never touch the keys. Probing is linear and removal shifts
back, so there are no tombstones. Keys are compared byte by byte. The hash is NH (Black et al., UMAC, 1999) with a
secret per table: without the secret nobody can choose labels that collide more often than random ones.

All of it is one module because Cython inlines within a module only.

Cython in pure Python mode: compiled and uncompiled give the same results. Pointers are base plus index, so that
memoryviews take their place uncompiled. Words are loaded little-endian, as the decoder writes them.
"""

import cython
import numpy as np

if cython.compiled:
    from cython.cimports.libc.string import memcpy
    from cython.cimports.pipeline.memory import (
        bytes_at,
        copy_bytes,
        hash_bytes,
        ints_at,
        load,
        longs_at,
        same_bytes,
        uints_at,
        words_at,
    )
else:
    from pipeline.memory import (
        bytes_at,
        copy_bytes,
        hash_bytes,
        ints_at,
        load,
        longs_at,
        same_bytes,
        uints_at,
        words_at,
    )

_done = cython.declare(cython.int, 0)
_miss = cython.declare(cython.int, 1)
_slow_cell = cython.declare(cython.int, 2)
_need_resource = cython.declare(cython.int, 3)
_unknown = cython.declare(cython.int, -1)
_refused = cython.declare(cython.int, -2)
_source_size = cython.declare(cython.int, 6)
_hashed = cython.declare(cython.int, 17)  # "~" and 16 hexadecimal digits

DONE = _done
"""Every span has its row."""
MISS = _miss
"""No row has the key in ``RowFinder.key()``; ``detail`` is the resource slot."""
SLOW_CELL = _slow_cell
"""The label takes a value that has to be formatted; ``detail`` is the number of the source."""
NEED_RESOURCE = _need_resource
"""``detail`` is a row of the resource table whose number is unknown."""

UNKNOWN_RESOURCE = _unknown
REFUSED_RESOURCE = _refused

OVERFLOW_VALUE = b"__cardinality_overflow__"
"""Value in place of those that a per-label limit keeps out (Tempo's metrics-generator, max_cardinality_per_label)."""
FIXED_TEXTS = b"truefalse" + OVERFLOW_VALUE
"""The texts that every plan begins with."""

OVERFLOW_REASONS = ("series_limit", "resource_series_limit", "resource_limit", "label_value_limit")
"""Why spans were counted in a series other than their own; order of the finder's counters."""


@cython.cfunc
@cython.inline
@cython.nogil
@cython.exceptval(check=False)
def control_bytes(word: cython.ulonglong) -> cython.ulonglong:
    """Not zero where one of eight bytes is below 0x20 or equal to 0x7F (Anderson, Bit Twiddling Hacks, hasless and
    haszero).
    """
    full: cython.ulonglong = 0xFFFFFFFFFFFFFFFF
    ones: cython.ulonglong = 0x0101010101010101
    high: cython.ulonglong = 0x8080808080808080
    low: cython.ulonglong = (word - ones * 0x20) & full & (word ^ full)
    word ^= ones * 0x7F
    return (low | ((word - ones) & full & (word ^ full))) & high


@cython.cfunc
@cython.nogil
@cython.exceptval(check=False)
def replace_controls(dst: cython.p_uchar, d: cython.Py_ssize_t, n: cython.Py_ssize_t) -> cython.void:
    """Control characters become ``_``: no label can break a line of a log or of an exposition."""
    i: cython.Py_ssize_t
    for i in range(d, d + n):
        if dst[i] < 0x20 or dst[i] == 0x7F:
            dst[i] = 0x5F


@cython.cfunc
@cython.nogil
@cython.exceptval(check=False)
def put_long(
    dst: cython.p_uchar,
    d: cython.Py_ssize_t,
    src: cython.p_uchar,
    s: cython.Py_ssize_t,
    n: cython.Py_ssize_t,
    limit: cython.Py_ssize_t,
) -> cython.Py_ssize_t:
    """A value above the limit: its beginning up to a UTF-8 boundary, ``~`` and the hash of the whole. Returns the bytes
    written.
    """
    kept: cython.Py_ssize_t = limit - _hashed
    i: cython.Py_ssize_t
    digit: cython.int
    h: cython.ulonglong = hash_bytes(src, s, n, 0)
    while kept > 0 and (src[s + kept] & 0xC0) == 0x80:
        kept -= 1
    copy_bytes(dst, d, src, s, kept)
    replace_controls(dst, d, kept)
    dst[d + kept] = 0x7E
    for i in range(16):
        digit = (h >> (60 - 4 * i)) & 15
        dst[d + kept + 1 + i] = 0x30 + digit if digit < 10 else 0x57 + digit
    return kept + _hashed


@cython.cfunc
@cython.inline
@cython.nogil
@cython.exceptval(check=False)
def put_text(
    dst: cython.p_uchar,
    d: cython.Py_ssize_t,
    src: cython.p_uchar,
    s: cython.Py_ssize_t,
    n: cython.Py_ssize_t,
    size: cython.Py_ssize_t,
    limit: cython.Py_ssize_t,
) -> cython.Py_ssize_t:
    """Append length and text to a key; returns the new end. ``size`` is that of ``src``; ``dst`` has eight bytes to
    spare.
    """
    word: cython.ulonglong
    controls: cython.ulonglong = 0
    spaces: cython.ulonglong = 0x2020202020202020
    full: cython.ulonglong = 0xFFFFFFFFFFFFFFFF
    rest: cython.int = n & 7
    i: cython.Py_ssize_t = 0
    at: cython.Py_ssize_t = d + 2
    if n > limit:
        n = put_long(dst, at, src, s, n, limit)
    elif cython.compiled and s + n + 8 <= size:  # whole words, the last of which may reach beyond the text
        while i + 8 <= n:
            word = load(src, s + i)
            memcpy(dst + at + i, cython.address(word), 8)
            controls |= control_bytes(word)
            i += 8
        if rest:
            word = load(src, s + i)
            memcpy(dst + at + i, cython.address(word), 8)
            word &= full >> (64 - 8 * rest)
            controls |= control_bytes(word | (spaces << (8 * rest)))
        if controls:
            replace_controls(dst, at, n)
    else:
        copy_bytes(dst, at, src, s, n)
        replace_controls(dst, at, n)
    dst[d] = n & 0xFF
    dst[d + 1] = n >> 8
    return at + n


@cython.cfunc
@cython.nogil
@cython.exceptval(check=False)
def put_decimal(
    dst: cython.p_uchar, d: cython.Py_ssize_t, value: cython.ulonglong, signed: cython.bint
) -> cython.Py_ssize_t:
    """Append length and decimal digits; returns the new end."""
    full: cython.ulonglong = 0xFFFFFFFFFFFFFFFF
    rest: cython.ulonglong
    n: cython.Py_ssize_t = 1
    start: cython.Py_ssize_t = d + 2
    i: cython.Py_ssize_t
    if signed and value >> 63:
        value = ((value ^ full) + 1) & full
        dst[start] = 0x2D
        start += 1
    rest = value // 10
    while rest:
        n += 1
        rest //= 10
    for i in range(n):
        dst[start + n - 1 - i] = 0x30 + value % 10
        value //= 10
    n += start - d - 2
    dst[d] = n
    dst[d + 1] = 0
    return d + 2 + n


@cython.cfunc
@cython.inline
@cython.nogil
@cython.exceptval(check=False)
def put_zeros(key: cython.p_uchar, at: cython.Py_ssize_t) -> cython.void:
    """Eight zero bytes."""
    zeros: cython.ulonglong = 0
    if cython.compiled:
        memcpy(key + at, cython.address(zeros), 8)
    else:
        key[at : at + 8] = bytes(8)


@cython.cfunc
@cython.inline
@cython.nogil
@cython.exceptval(check=False)
def key_tag(
    key: cython.p_uchar, words: cython.p_ulonglong, n: cython.Py_ssize_t, secret: cython.p_ulonglong
) -> cython.ulonglong:
    """32-bit hash of the n bytes of ``key``, which is followed by eight spare bytes; ``words`` is the same memory."""
    full: cython.ulonglong = 0xFFFFFFFFFFFFFFFF
    low: cython.ulonglong = 0xFFFFFFFF
    m: cython.ulonglong = 0x9E3779B97F4A7C15
    h: cython.ulonglong = 0
    a: cython.ulonglong
    b: cython.ulonglong
    i: cython.Py_ssize_t
    put_zeros(key, n)
    for i in range((n + 7) >> 3):
        a = (words[i] + secret[i]) & low
        b = ((words[i] >> 32) + (secret[i] >> 32)) & low
        h = (h + a * b) & full
    h ^= (cython.cast(cython.ulonglong, n) * m) & full
    h ^= h >> 32
    h = (h * m) & full
    h ^= h >> 29
    h = (h * m) & full
    return h >> 32


@cython.cfunc
@cython.inline
@cython.nogil
@cython.exceptval(check=False)
def probe(
    slots: cython.p_ulonglong,
    mask: cython.ulonglong,
    tag: cython.ulonglong,
    arena: cython.p_uchar,
    offsets: cython.p_ulonglong,
    lengths: cython.p_uint,
    key: cython.p_uchar,
    n: cython.Py_ssize_t,
) -> cython.Py_ssize_t:
    """The row that has the key, or -1."""
    at: cython.ulonglong = tag & mask
    slot: cython.ulonglong = slots[at]
    row: cython.Py_ssize_t
    low: cython.ulonglong = 0xFFFFFFFF
    while slot:
        if slot >> 32 == tag:
            row = (slot & low) - 1
            if lengths[row] == n and same_bytes(arena, offsets[row], key, 0, n):
                return row
        at = (at + 1) & mask
        slot = slots[at]
    return -1


def label_bytes(text: bytes, limit: int) -> bytes:
    """The bytes that a label value takes in a key: controls replaced, shortened to ``limit`` bytes."""
    room = np.zeros(len(text) + limit + 16, np.uint8)
    source = np.frombuffer(text + b"\0" * 8, np.uint8).copy()
    end = put_text(bytes_at(room), 0, bytes_at(source), 0, len(text), len(source), limit)
    return room[2:end].tobytes()


@cython.final
@cython.cclass
class KeyIndex:
    """The hash table over the keys of an arena. The caller owns the arrays and says when they are replaced."""

    _kept: object
    _secret: cython.p_ulonglong
    _slots: cython.p_ulonglong
    _mask: cython.ulonglong
    _arena: cython.p_uchar
    _offsets: cython.p_ulonglong
    _lengths: cython.p_uint
    _key: cython.p_uchar
    _key_words: cython.p_ulonglong

    def __init__(self, key_bytes: int, secret: object) -> None:
        """``key_bytes``: the longest key; ``secret``: uint64, at least as long."""
        scratch = np.zeros(key_bytes // 8 + 4, np.uint64)
        self._kept = [scratch, secret, ()]
        self._secret = words_at(secret)
        self._key_words = words_at(scratch)
        self._key = bytes_at(scratch.view(np.uint8))

    def bind(self, slots: object, arena: object, offsets: object, lengths: object) -> None:
        """Use these arrays: uint64[power of two], uint8, uint64[rows], uint32[rows]."""
        self._kept[2] = (slots, arena, offsets, lengths)
        self._slots = words_at(slots)
        self._mask = len(slots) - 1
        self._arena = bytes_at(arena)
        self._offsets = words_at(offsets)
        self._lengths = uints_at(lengths)

    def find(self, key: bytes) -> int:
        """Row of a key, or -1."""
        tag: cython.ulonglong = self._tag_of(key)
        return probe(self._slots, self._mask, tag, self._arena, self._offsets, self._lengths, self._key, len(key))

    def insert(self, key: bytes, row: cython.Py_ssize_t) -> None:
        """Enter a row whose key is not in the table. A slot must be free."""
        self._enter(self._tag_of(key), row)

    def remove(self, rows: object) -> None:
        """Take rows (int32) out. Their keys must still stand in the arena."""
        wanted: cython.p_int = ints_at(rows)
        i: cython.Py_ssize_t
        n: cython.Py_ssize_t = len(rows)
        for i in range(n):
            self._leave(wanted[i])

    def refill(self, old: object) -> None:
        """Enter every slot of an older table."""
        slots: cython.p_ulonglong = words_at(old)
        low: cython.ulonglong = 0xFFFFFFFF
        i: cython.Py_ssize_t
        n: cython.Py_ssize_t = len(old)
        for i in range(n):
            if slots[i]:
                self._enter(slots[i] >> 32, (slots[i] & low) - 1)

    def move(self, rows: object, arena: object) -> int:
        """Copy the keys of these rows (int32) to the start of another arena and note their new places; returns the
        bytes used.
        """
        wanted: cython.p_int = ints_at(rows)
        target: cython.p_uchar = bytes_at(arena)
        i: cython.Py_ssize_t
        n: cython.Py_ssize_t = len(rows)
        used: cython.Py_ssize_t = 0
        length: cython.Py_ssize_t
        for i in range(n):
            length = self._lengths[wanted[i]]
            copy_bytes(target, used, self._arena, self._offsets[wanted[i]], length)
            self._offsets[wanted[i]] = used
            used += length
        return used

    @cython.cfunc
    @cython.exceptval(check=False)
    def _tag_of(self, key: bytes) -> cython.ulonglong:
        i: cython.Py_ssize_t
        n: cython.Py_ssize_t = len(key)
        for i in range(n):
            self._key[i] = key[i]
        return key_tag(self._key, self._key_words, n, self._secret)

    @cython.cfunc
    @cython.nogil
    @cython.exceptval(check=False)
    def _enter(self, tag: cython.ulonglong, row: cython.Py_ssize_t) -> cython.void:
        at: cython.ulonglong = tag & self._mask
        number: cython.ulonglong = row + 1
        while self._slots[at]:
            at = (at + 1) & self._mask
        self._slots[at] = tag << 32 | number

    @cython.cfunc
    @cython.nogil
    @cython.exceptval(check=False)
    def _leave(self, row: cython.Py_ssize_t) -> cython.void:
        """Take a row out and move back what stood behind it because its home was taken (Knuth, TAOCP 6.4, algorithm
        R).
        """
        n: cython.Py_ssize_t = self._lengths[row]
        number: cython.ulonglong = row + 1
        hole: cython.ulonglong
        at: cython.ulonglong
        home: cython.ulonglong
        copy_bytes(self._key, 0, self._arena, self._offsets[row], n)
        number |= key_tag(self._key, self._key_words, n, self._secret) << 32
        hole = (number >> 32) & self._mask
        while self._slots[hole] != number:
            if self._slots[hole] == 0:
                return
            hole = (hole + 1) & self._mask
        at = (hole + 1) & self._mask
        while self._slots[at]:
            home = (self._slots[at] >> 32) & self._mask
            if ((at - home) & self._mask) >= ((at - hole) & self._mask):
                self._slots[hole] = self._slots[at]
                hole = at
            at = (at + 1) & self._mask
        self._slots[hole] = 0


@cython.final
@cython.cclass
class RowFinder:
    """The loop over a batch. It finds; what is not there the caller inserts, and calls again from that span on."""

    _kept: object
    _plan: cython.p_longlong
    _texts: cython.p_uchar
    _texts_size: cython.Py_ssize_t
    _limit: cython.Py_ssize_t
    _secret: cython.p_ulonglong
    # the table of series, and the table of label values where they are limited
    _slots: cython.p_ulonglong
    _mask: cython.ulonglong
    _arena: cython.p_uchar
    _offsets: cython.p_ulonglong
    _lengths: cython.p_uint
    _value_slots: cython.p_ulonglong
    _value_mask: cython.ulonglong
    _value_arena: cython.p_uchar
    _value_offsets: cython.p_ulonglong
    _value_lengths: cython.p_uint
    # per row, per resource slot, per label
    _updated: cython.p_longlong
    _row_resource: cython.p_int
    _row_count: cython.Py_ssize_t
    _resource_updated: cython.p_longlong
    _overflow_rows: cython.p_int
    _resource_full: cython.p_uchar
    _label_full: cython.p_uchar
    _counters: cython.p_longlong
    _none: cython.Py_ssize_t
    # the key under construction, and its variant with limited values replaced
    _key: cython.p_uchar
    _key_words: cython.p_ulonglong
    _other: cython.p_uchar
    _other_words: cython.p_ulonglong
    _value: cython.p_uchar
    _value_words: cython.p_ulonglong
    _key_length: cython.Py_ssize_t
    _replaced: cython.bint
    # the batch
    _payload: cython.p_uchar
    _size: cython.Py_ssize_t
    _words: cython.p_ulonglong
    _shape: cython.p_longlong
    _rows: cython.p_int
    _chosen: cython.bint
    _resources: cython.p_int
    _per_resource: cython.bint
    _slow_first: cython.p_longlong
    _slow_words: cython.p_ulonglong
    _slow_bytes: cython.p_uchar
    _slow: cython.bint
    _out: cython.p_int
    _now: cython.longlong
    _full: cython.bint
    _any_label_full: cython.bint
    _status: cython.int
    _detail: cython.longlong

    def __init__(self, key_bytes: int, limit: int, secret: object, per_resource: bool) -> None:
        """``key_bytes``: the longest key; ``limit``: the longest label value."""
        scratch = np.zeros((3, key_bytes // 8 + 4), np.uint64)
        self._kept = {"scratch": scratch, "secret": secret}
        self._limit = limit
        self._secret = words_at(secret)
        self._key_words = words_at(scratch[0])
        self._key = bytes_at(scratch[0].view(np.uint8))
        self._other_words = words_at(scratch[1])
        self._other = bytes_at(scratch[1].view(np.uint8))
        self._value_words = words_at(scratch[2])
        self._value = bytes_at(scratch[2].view(np.uint8))
        self._key_length = 0
        self._replaced = False
        self._per_resource = per_resource
        self._slow = False
        self._any_label_full = False
        self._full = False
        self._status = 0
        self._detail = 0

    def bind_series(
        self, slots: object, arena: object, offsets: object, lengths: object, updated: object, row_resource: object
    ) -> None:
        """Use the arrays of the series table."""
        self._kept["series"] = (slots, arena, offsets, lengths, updated, row_resource)
        self._row_resource = ints_at(row_resource)
        self._row_count = len(row_resource)
        self._slots = words_at(slots)
        self._mask = len(slots) - 1
        self._arena = bytes_at(arena)
        self._offsets = words_at(offsets)
        self._lengths = uints_at(lengths)
        self._updated = longs_at(updated)

    def bind_values(self, slots: object, arena: object, offsets: object, lengths: object) -> None:
        """Use the arrays of the table of label values."""
        self._kept["values"] = (slots, arena, offsets, lengths)
        self._value_slots = words_at(slots)
        self._value_mask = len(slots) - 1
        self._value_arena = bytes_at(arena)
        self._value_offsets = words_at(offsets)
        self._value_lengths = uints_at(lengths)

    def bind_limits(
        self,
        resource_updated: object,
        overflow_rows: object,
        resource_full: object,
        label_full: object,
        counters: object,
    ) -> None:
        """Use these arrays; the last entry of the per-resource ones stands for no resource."""
        self._kept["limits"] = (resource_updated, overflow_rows, resource_full, label_full, counters)
        self._resource_updated = longs_at(resource_updated)
        self._overflow_rows = ints_at(overflow_rows)
        self._resource_full = bytes_at(resource_full)
        self._label_full = bytes_at(label_full)
        self._counters = longs_at(counters)
        self._none = len(overflow_rows) - 1

    def set_full(self, series: bool, any_label: bool) -> None:
        """Which limits are reached."""
        self._full = series
        self._any_label_full = any_label

    def begin(self, plan: object, texts: object, shape: object, resources: object) -> None:
        """A new batch: int64 plan and uint8 texts of ``LabelPlan``, int64[6] first and width per level, int32 numbers
        of resources.
        """
        self._kept["batch"] = (plan, texts, shape, resources)
        self._plan = longs_at(plan)
        self._texts = bytes_at(texts)
        self._texts_size = len(texts)
        self._shape = longs_at(shape)
        self._resources = ints_at(resources)
        self._slow = False

    def set_slow(self, first: object, words: object, texts: object) -> None:
        """Formatted cells: per source the index in ``words`` (-1: none), ranges per row of the source's table, uint8
        texts.
        """
        self._kept["slow"] = (first, words, texts)
        self._slow_first = longs_at(first)
        self._slow_words = words_at(words)
        self._slow_bytes = bytes_at(texts)
        self._slow = True

    def key(self) -> bytes:
        """The key that the last call did not find."""
        scratch = self._kept["scratch"][1 if self._replaced else 0]
        return scratch.view(np.uint8)[: self._key_length].tobytes()

    def touch(self, rows: cython.const[cython.int][::1], now: cython.longlong) -> int:
        """Stamp rows (int32) with ``now``; negative ones are passed over. Returns the first that is no live row, or
        -1.
        """
        i: cython.Py_ssize_t
        row: cython.Py_ssize_t
        n: cython.Py_ssize_t = len(rows)
        for i in range(n):
            row = rows[i]
            if row >= 0:
                if row >= self._row_count or self._lengths[row] == 0:
                    return row
                self._updated[row] = now
                self._resource_updated[self._row_resource[row]] = now
        return -1

    def find(
        self,
        payload: cython.const[cython.uchar][::1],
        words: cython.const[cython.ulonglong][::1],
        rows: object,
        out: cython.int[::1],
        start: cython.Py_ssize_t,
        now: cython.longlong,
    ) -> tuple[int, int, int]:
        """Fill ``out`` from span ``start`` on; returns where it stopped, the status and its detail.

        ``rows`` are the item rows of the batch, None for all. Releases the GIL. Rows that are found are stamped with
        ``now``.
        """
        at: cython.Py_ssize_t
        n: cython.Py_ssize_t = len(out)
        self._size = len(payload)
        self._chosen = rows is not None
        self._now = now
        if rows is not None:
            self._rows = ints_at(rows)
        if cython.compiled:
            self._payload = cython.cast(cython.p_uchar, cython.address(payload[0]))
            self._words = cython.cast(cython.p_ulonglong, cython.address(words[0]))
            self._out = cython.address(out[0])
            with cython.nogil:
                at = self._scan(start, n)
        else:
            self._payload, self._words, self._out = payload, memoryview(words), memoryview(out)
            at = self._scan(start, n)
        return at, self._status, self._detail

    @cython.cfunc
    @cython.nogil
    @cython.exceptval(check=False)
    def _scan(self, at: cython.Py_ssize_t, n: cython.Py_ssize_t) -> cython.Py_ssize_t:
        item: cython.Py_ssize_t
        scope: cython.Py_ssize_t
        parent: cython.Py_ssize_t
        resource: cython.Py_ssize_t
        row: cython.Py_ssize_t
        while at < n:
            item = self._shape[2] + (self._rows[at] if self._chosen else at) * self._shape[5]
            scope = self._shape[1] + cython.cast(cython.Py_ssize_t, self._words[item]) * self._shape[4]
            parent = self._words[scope]
            resource = self._resources[parent] if self._per_resource else self._none
            if resource == _unknown:
                self._status = _need_resource
                self._detail = parent
                return at
            if resource == _refused:
                resource = self._none
                row = self._overflow_rows[resource]
                self._counters[2] += row >= 0
            else:
                parent = self._shape[0] + parent * self._shape[3]
                if not self._build(resource, parent, scope, item):
                    self._status = _slow_cell
                    return at
                row = self._find_row(resource)
            if row < 0:
                self._status = _miss
                self._detail = resource
                return at
            self._out[at] = row
            self._updated[row] = self._now
            self._resource_updated[resource] = self._now
            at += 1
        self._status = _done
        return at

    @cython.cfunc
    @cython.inline
    @cython.nogil
    @cython.exceptval(check=False)
    def _build(
        self,
        resource: cython.Py_ssize_t,
        resource_at: cython.Py_ssize_t,
        scope_at: cython.Py_ssize_t,
        item_at: cython.Py_ssize_t,
    ) -> cython.bint:
        """Write the key of one span; False: a value has to be formatted first."""
        key: cython.p_uchar = self._key
        p: cython.Py_ssize_t = 1
        d: cython.Py_ssize_t = 4
        end: cython.Py_ssize_t
        _label: cython.Py_ssize_t
        sources: cython.Py_ssize_t
        base: cython.Py_ssize_t
        number: cython.ulonglong = 0xFFFFFFFF
        if resource != self._none:
            number = resource
        key[0] = number & 0xFF
        key[1] = (number >> 8) & 0xFF
        key[2] = (number >> 16) & 0xFF
        key[3] = (number >> 24) & 0xFF
        for _label in range(self._plan[0]):
            sources = p + 3
            end = sources + self._plan[p] * _source_size
            while sources < end:
                base = item_at if self._plan[sources] == 2 else scope_at if self._plan[sources] == 1 else resource_at
                base = self._put_cell(d, sources, base + self._plan[sources + 1], base)
                if base < 0:
                    return False
                if base:
                    d = base
                    break
                sources += _source_size
            else:
                if self._plan[p + 2] < 0:
                    key[d] = 0xFF
                    key[d + 1] = 0xFF
                    d += 2
                else:
                    d = put_text(
                        key, d, self._texts, self._plan[p + 1], self._plan[p + 2], self._texts_size, self._limit
                    )
            p = end
        key[d] = 0xFF
        key[d + 1] = 0xFF
        self._key_length = d + 2
        return True

    @cython.cfunc
    @cython.inline
    @cython.nogil
    @cython.exceptval(check=False)
    def _put_cell(
        self, d: cython.Py_ssize_t, source: cython.Py_ssize_t, cell: cython.Py_ssize_t, base: cython.Py_ssize_t
    ) -> cython.Py_ssize_t:
        """Append the value of one cell; returns the new end, 0 where the cell is absent, -1 where it has to be
        formatted.
        """
        low: cython.ulonglong = 0xFFFFFFFF
        kind: cython.longlong = self._plan[source + 2]
        value: cython.ulonglong = self._words[cell]
        text: cython.Py_ssize_t
        level: cython.Py_ssize_t
        if kind == 7:
            kind = value
            if kind == 0:
                return 0
            value = self._words[cell + 1]
        if kind == 1:
            return put_text(self._key, d, self._payload, value >> 32, value & low, self._size, self._limit)
        if self._plan[source + 2] == 7:
            if kind == 3:
                return put_decimal(self._key, d, value, True)
            if kind == 2:
                text = 0 if value else 4
                return put_text(self._key, d, self._texts, text, 5 if text else 4, self._texts_size, self._limit)
            if kind == 8:
                return put_text(self._key, d, self._texts, 0, 0, self._texts_size, self._limit)
            if not self._slow or self._slow_first[self._plan[source + 3]] < 0:
                self._detail = self._plan[source + 3]
                return -1
            level = self._plan[source]
            text = self._slow_first[self._plan[source + 3]] + (base - self._shape[level]) // self._shape[3 + level]
            value = self._slow_words[text]
            return put_text(self._key, d, self._slow_bytes, value >> 32, value & low, 0, self._limit)
        if kind == 4:
            text = self._plan[source + 4]
            if value < cython.cast(cython.ulonglong, self._plan[source + 5]):
                text += 2 * value
            return put_text(
                self._key, d, self._texts, self._plan[text], self._plan[text + 1], self._texts_size, self._limit
            )
        return put_decimal(self._key, d, value, False)

    @cython.cfunc
    @cython.inline
    @cython.nogil
    @cython.exceptval(check=False)
    def _find_row(self, resource: cython.Py_ssize_t) -> cython.Py_ssize_t:
        """The row of the key, or of what stands for it at a limit; -1 where there is none yet."""
        n: cython.Py_ssize_t = self._key_length
        tag: cython.ulonglong = key_tag(self._key, self._key_words, n, self._secret)
        row: cython.Py_ssize_t
        row = probe(self._slots, self._mask, tag, self._arena, self._offsets, self._lengths, self._key, n)
        if row >= 0:
            return row
        self._replaced = False
        if self._any_label_full:
            n = self._replace_values()
            if self._replaced:
                self._key_length = n
                tag = key_tag(self._other, self._other_words, n, self._secret)
                row = probe(self._slots, self._mask, tag, self._arena, self._offsets, self._lengths, self._other, n)
                if row >= 0:
                    self._counters[3] += 1
                    return row
        if self._full or self._resource_full[resource]:
            row = self._overflow_rows[resource]
            self._counters[0 if self._full else 1] += row >= 0
        return row

    @cython.cfunc
    @cython.nogil
    @cython.exceptval(check=False)
    def _replace_values(self) -> cython.Py_ssize_t:
        """Write the key once more, with unknown values of full labels replaced; returns its length."""
        p: cython.Py_ssize_t = 4
        d: cython.Py_ssize_t = 4
        n: cython.Py_ssize_t
        label: cython.Py_ssize_t
        copy_bytes(self._other, 0, self._key, 0, 4)
        for label in range(self._plan[0] + 1):
            n = self._key[p] | (cython.cast(cython.Py_ssize_t, self._key[p + 1]) << 8)
            p += 2
            if n != 0xFFFF and self._label_full[label] and not self._knows_value(label, p, n):
                d = put_text(self._other, d, self._texts, 9, 24, self._texts_size, self._limit)
                self._replaced = True
            else:
                self._other[d] = self._key[p - 2]
                self._other[d + 1] = self._key[p - 1]
                d += 2
                if n != 0xFFFF:
                    copy_bytes(self._other, d, self._key, p, n)
                    d += n
            if n != 0xFFFF:
                p += n
        return d

    @cython.cfunc
    @cython.nogil
    @cython.exceptval(check=False)
    def _knows_value(self, label: cython.Py_ssize_t, p: cython.Py_ssize_t, n: cython.Py_ssize_t) -> cython.bint:
        """Whether the table of label values has ``key[p:p+n]`` for the label."""
        tag: cython.ulonglong
        self._value[0] = label & 0xFF
        self._value[1] = label >> 8
        copy_bytes(self._value, 2, self._key, p, n)
        tag = key_tag(self._value, self._value_words, n + 2, self._secret)
        return (
            probe(
                self._value_slots,
                self._value_mask,
                tag,
                self._value_arena,
                self._value_offsets,
                self._value_lengths,
                self._value,
                n + 2,
            )
            >= 0
        )
