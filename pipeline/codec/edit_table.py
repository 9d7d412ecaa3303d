# cython: boundscheck=False, wraparound=False, initializedcheck=False, cdivision=True
"""Table: rows of a batch, how their elements are written, and what was changed in them.

    edits:   │ key begins │ word │ tag │ form │ … │ keys end │            touched: per edit, the rows it concerns
    choices: what elements came in (the member of a metric's oneof) decides the tag of their attributes

Bytes that the walker skipped come by here for the first time, so every read is preceded by a comparison with the end of
its message. What short functions do where they are compiled stands in ``edit_table.pxd``, to be inlined. Cython in pure
Python mode: runs compiled and uncompiled with the same results.
"""

import cython
import numpy as np

if cython.compiled:
    from cython.cimports.pipeline.memory import bytes_at, ints_at, longs_at, same_bytes, words_at
    from cython.cimports.pipeline.wire_format import read_length, read_varint, skip_field
else:
    from pipeline.memory import bytes_at, ints_at, longs_at, same_bytes, words_at
    from pipeline.wire_format import read_length, read_varint, skip_field

_nothing = np.zeros(1, np.uint64)
TEXT = cython.declare(cython.int, 1)
NUMBER = cython.declare(cython.int, 2)

if not cython.compiled:

    def body_of(table, row):
        """Begin and end of the body of a row."""
        where = table.words[table.first + row * table.width + 1]
        return where >> 32, (where >> 32) + (where & 0xFFFFFFFF)

    def parent_of(table, row):
        """Row of the element around this one."""
        return table.words[table.first + row * table.width]

    def is_touched(table, row):
        """Whether some edit concerns a row."""
        return any(table.touched[i * table.rows + row] for i in range(table.count))


@cython.final
@cython.cclass
class Table:
    """A table of rows, how its elements are written, and what was changed in them.

    Args:
        payload: What the ranges point into.
        extra: Texts that stand behind it.
        words: uint64, the records.
        shape: Index of the first word of row 0, words of a row, rows; then of the rows that have a choice the index of
            the first word, the words of a row, and the word (0: there is none).
        tags: int32[3]; of an element of the table, of the field in it that holds what was changed (0: the element
            itself), and of the children to leave out (0: none).
        choices: int32[8]; per choice that elements may have come in the tag of their attributes, of metrics the tag of
            the member; the first one where there is no choice.
        keys: The keys of the changed attributes, joined.
        edits: int32[m * 4 + 1]; per edit where its key begins, its word, the tag of the field (0: an attribute), and
            how the field is written: ``TEXT``, ``NUMBER`` or ``VALUE`` (an AnyValue), and above these bits its tag in
            the message that ``tag`` then means (0: the field is in the element itself); at last where the keys end.
        touched: uint8[m * rows]; per edit the rows that it concerns.
        swaps: uint64; per attribute of the rows that are written, as ``list_pairs`` gives them, 0 where it stays, all
            ones where it goes, else the range of the KeyValue that takes its place. None: all stay.
    """

    def __init__(self, payload, extra, words, shape, tags, choices, keys, edits, touched, swaps):  # type: ignore[no-untyped-def]
        seen = np.zeros(len(edits) // 4 + 1, np.int64)
        self._keep = (payload, extra, words, choices, keys, edits, touched, swaps, seen)
        self.first, self.width, self.rows = shape[0], shape[1], shape[2]
        self.choice_first, self.choice_width, self.choice_word = shape[3], shape[4], shape[5]
        self.element_tag, self.nested_tag, self.children_tag = tags[0], tags[1], tags[2]
        self.count = len(edits) // 4
        self.is_swapping = swaps is not None
        self.is_listing = self.is_cumulative = False
        self.ordinal = self.block_begin = self.block_end = self.run_end = 0
        if cython.compiled:
            self.payload = cython.cast(cython.p_uchar, cython.cast(cython.p_char, payload))
            self.extra = cython.cast(cython.p_uchar, cython.cast(cython.p_char, extra))
            self.keys = cython.cast(cython.p_uchar, cython.cast(cython.p_char, keys))
        else:
            self.payload = payload
            self.extra = extra
            self.keys = keys
        self.size = len(payload)
        self.extra_size = len(extra)
        self.words = words_at(words)
        self.choices = ints_at(choices)
        self.attribute_tag = self.choices[0]
        self.edits = ints_at(edits)
        self.touched = bytes_at(touched)
        self.seen = longs_at(seen)
        if swaps is not None:
            self.swaps = words_at(swaps)
        bit: cython.ulonglong = 1
        size: cython.int
        i: cython.int
        self.fields = 0
        self.key_sizes = 0
        for i in range(self.count):
            if self.edits[i * 4 + 2] != 0:
                self.fields += 1
            else:
                size = self.edits[i * 4 + 4] - self.edits[i * 4]
                self.key_sizes |= bit << (size if size < 63 else 63)


@cython.cfunc
@cython.nogil
@cython.exceptval(check=False)
def choose(table: Table, row: cython.Py_ssize_t) -> cython.void:
    """Take the tag of the attributes of a row's own kind of element."""
    number: cython.Py_ssize_t
    if table.choice_word:
        number = table.choice_first + parent_of(table, row) * table.choice_width + table.choice_word
        number = table.words[number]
        table.attribute_tag = table.choices[number]


@cython.cfunc
@cython.nogil
@cython.exceptval(check=False)
def find_key(b: cython.p_uchar, p: cython.Py_ssize_t, e: cython.Py_ssize_t) -> cython.ulonglong:
    """Range of the key of the KeyValue ``b[p:e]``; an empty one where it is damaged. The last one counts."""
    tag: cython.ulonglong
    where: cython.ulonglong = 0
    begin: cython.ulonglong
    size: cython.Py_ssize_t
    # What encoders write: key, then value, both shorter than 128 bytes.
    if e - p >= 4 and b[p] == 0x0A and b[p + 1] < 0x80:
        begin = p + 2
        size = b[p + 1]
        if e - p - 4 >= size and b[p + 2 + size] == 0x12 and e - p - 4 - size == b[p + 3 + size]:
            return (begin << 32) | cython.cast(cython.ulonglong, size)
    while p < e:
        p, tag = read_varint(b, p, e)
        if p < 0:
            return 0
        if tag == 0x0A:
            p, size = read_length(b, p, e)
            if p < 0:
                return 0
            begin = p
            where = (begin << 32) | cython.cast(cython.ulonglong, size)
            p += size
        else:
            p = skip_field(b, p, e, tag)
            if p < 0:
                return 0
    return where


@cython.cfunc
@cython.nogil
@cython.exceptval(check=False)
def find_edit(table: Table, b: cython.p_uchar, key: cython.ulonglong, row: cython.Py_ssize_t) -> cython.int:
    """The edit of a row that concerns the attribute with this key; -1: none."""
    low32: cython.ulonglong = 0xFFFFFFFF
    size: cython.Py_ssize_t = key & low32
    begin: cython.Py_ssize_t
    bit: cython.ulonglong = 1
    i: cython.int
    if size == 0 or not (table.key_sizes >> (size if size < 63 else 63)) & bit:
        return -1
    for i in range(table.count):
        begin = table.edits[i * 4]
        if (
            table.edits[i * 4 + 4] - begin == size
            and table.touched[i * table.rows + row]
            and same_bytes(b, key >> 32, table.keys, begin, size)
        ):
            return i
    return -1


@cython.cfunc
@cython.nogil
@cython.exceptval(check=False)
def list_message(
    table: Table, p: cython.Py_ssize_t, e: cython.Py_ssize_t, pairs: cython.p_ulonglong, at: cython.Py_ssize_t
) -> cython.Py_ssize_t:
    """Position after the attributes in ``payload[p:e]``; -1 where it is damaged."""
    where: cython.ulonglong
    b: cython.p_uchar = table.payload
    tag: cython.ulonglong
    size: cython.Py_ssize_t
    while p < e:
        p, tag = read_varint(b, p, e)
        if p < 0:
            return -1
        if tag != table.attribute_tag:
            p = skip_field(b, p, e, tag)
            if p < 0:
                return -1
            continue
        p, size = read_length(b, p, e)
        if p < 0:
            return -1
        if table.is_listing:
            where = p
            pairs[at * 2] = find_key(b, p, p + size)
            pairs[at * 2 + 1] = (where << 32) | cython.cast(cython.ulonglong, size)
        at += 1
        p += size
    return at


@cython.cfunc
@cython.nogil
@cython.exceptval(check=False)
def list_rows(
    table: Table, rows: cython.p_int, n: cython.Py_ssize_t, pairs: cython.p_ulonglong, counts: cython.p_longlong
) -> cython.Py_ssize_t:
    """The loop of ``list_pairs``."""
    b: cython.p_uchar = table.payload
    tag: cython.ulonglong
    i: cython.Py_ssize_t
    p: cython.Py_ssize_t
    e: cython.Py_ssize_t
    size: cython.Py_ssize_t
    at: cython.Py_ssize_t = 0
    begin: cython.Py_ssize_t
    for i in range(n):
        p, e = body_of(table, rows[i])
        begin = at
        choose(table, rows[i])
        if table.nested_tag == 0:
            at = list_message(table, p, e, pairs, at)
        while table.nested_tag != 0 and p < e and at >= 0:
            p, tag = read_varint(b, p, e)
            if p < 0:
                at = -1
            elif tag == table.nested_tag:
                p, size = read_length(b, p, e)
                at = -1 if p < 0 else list_message(table, p, p + size, pairs, at)
                p += size
            else:
                p = skip_field(b, p, e, tag)
                if p < 0:
                    at = -1
        counts[i] = at - begin if at >= 0 else -1
        if at < 0:
            at = begin
    return at


@cython.ccall
def list_pairs(table: Table, rows: object, pairs: object, counts: object) -> cython.Py_ssize_t:
    """Find the attributes of rows.

    Args:
        rows: int32[n], n above 0.
        pairs: uint64[k * 2], out: per attribute the range of its key and that of the KeyValue, one row after the other;
            of rows that have been counted and are not damaged. None: only count them.
        counts: int64[n], out: attributes per row; -1 where the row is damaged, of which none are listed.
    Returns:
        Attributes of all rows.
    """
    rows_view: cython.p_int = ints_at(rows)
    counts_view: cython.p_longlong = longs_at(counts)
    table.is_listing = pairs is not None
    pairs_view: cython.p_ulonglong = words_at(pairs if pairs is not None else _nothing)
    n: cython.Py_ssize_t = len(rows)
    found: cython.Py_ssize_t
    if cython.compiled:
        with cython.nogil:
            found = list_rows(table, rows_view, n, pairs_view, counts_view)
        return found
    return list_rows(table, rows_view, n, pairs_view, counts_view)


@cython.cfunc
@cython.nogil
@cython.exceptval(check=False)
def growth_of(table: Table, rows: cython.p_int, n: cython.Py_ssize_t, is_all: cython.bint) -> cython.Py_ssize_t:
    """Bytes by which n rows of a table, or its first n, grow at most where they are written."""
    low32: cython.ulonglong = 0xFFFFFFFF
    total: cython.Py_ssize_t = 64 + 32 * n  # tags and lengths of an element, a nested message, a member
    row: cython.Py_ssize_t
    cell: cython.Py_ssize_t
    kind: cython.ulonglong
    form: cython.int
    i: cython.Py_ssize_t
    j: cython.int
    for j in range(table.count):
        for i in range(n):
            row = i if is_all else rows[i]
            if not table.touched[j * table.rows + row]:
                continue
            cell = table.first + row * table.width + table.edits[j * 4 + 1]
            total += table.edits[j * 4 + 4] - table.edits[j * 4] + 48
            kind = table.words[cell]
            form = table.edits[j * 4 + 3] & 7
            if form == TEXT:
                total += cython.cast(cython.Py_ssize_t, kind & low32)
            elif form != NUMBER and (kind == 1 or 5 <= kind <= 7):
                total += cython.cast(cython.Py_ssize_t, table.words[cell + 1] & low32)
    return total


@cython.cfunc
@cython.nogil
@cython.exceptval(check=False)
def longest_of(table: Table) -> cython.Py_ssize_t:
    """Size of the longest body of a table."""
    longest: cython.Py_ssize_t = 0
    row: cython.Py_ssize_t
    p: cython.Py_ssize_t
    e: cython.Py_ssize_t
    for row in range(table.rows):
        p, e = body_of(table, row)
        if e - p > longest:
            longest = e - p
    return longest


@cython.ccall
def growth(table: Table, rows: object) -> cython.Py_ssize_t:
    """Bytes by which rows grow at most where they are written."""
    return growth_of(table, ints_at(rows), len(rows), False)
