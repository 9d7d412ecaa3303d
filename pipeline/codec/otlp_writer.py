# cython: boundscheck=False, wraparound=False, initializedcheck=False, cdivision=True
"""Requests and changed bodies, written in one pass over words and payload.

    body:    │ trace_id │ name │ attribute a │ attribute b │ kind │ attribute c │ …
    written: │ trace_id │ name │ attribute b │ new a │ c │ new d │ kind │ …        attributes side by side

An attribute that was set takes the place of the first of its key, or follows on the last attribute; all of a key go
where it was removed. Attributes end up side by side, so that one range holds them all. Of rows above items, what was
changed lies in a message of their own (the Resource of a ResourceSpans), and the items below are left out: they follow
when a whole request is written, unchanged neighbours as one copy.

Bytes that the walker skipped come by here for the first time, so every read is preceded by a comparison with the end of
its message. A body that is damaged is left as it is. Cython in pure Python mode: runs compiled and uncompiled with the
same results.
"""

import cython
import numpy as np

if cython.compiled:
    from cython.cimports.pipeline.memory import (
        bytes_at,
        bytes_in,
        copy_bytes,
        cut_bytes,
        ints_at,
        longs_at,
        move_bytes,
        new_bytes,
        same_bytes,
        words_at,
    )
    from cython.cimports.pipeline.wire_format import put_varint, read_length, read_varint, skip_field, varint_size
else:
    from pipeline.memory import (
        bytes_at,
        bytes_in,
        copy_bytes,
        cut_bytes,
        ints_at,
        longs_at,
        move_bytes,
        new_bytes,
        same_bytes,
        words_at,
    )
    from pipeline.wire_format import put_varint, read_length, read_varint, skip_field, varint_size

ABSENT = cython.declare(cython.int, 0)
BOOL = cython.declare(cython.int, 2)
INT = cython.declare(cython.int, 3)
DOUBLE = cython.declare(cython.int, 4)
EMPTY = cython.declare(cython.int, 8)

TEMPORALITY = cython.declare(cython.ulonglong, 0x10)  # tag of aggregation_temporality in all members that have it
CUMULATIVE = cython.declare(cython.int, 2)

_nothing = np.zeros(1, np.uint64)


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
        edits: int32[m * 3 + 1]; per edit where its key begins, its word, and the tag of a text (0: an attribute); at
            last where the keys end.
        touched: uint8[m * rows]; per edit the rows that it concerns.
        swaps: uint64; per attribute of the rows that are written, as ``list_pairs`` gives them, 0 where it stays, all
            ones where it goes, else the range of the KeyValue that takes its place. None: all stay.
    """

    _keep: object
    payload: cython.p_uchar
    extra: cython.p_uchar
    size: cython.Py_ssize_t
    extra_size: cython.Py_ssize_t
    words: cython.p_ulonglong
    choices: cython.p_int
    keys: cython.p_uchar
    edits: cython.p_int
    touched: cython.p_uchar
    swaps: cython.p_ulonglong
    out: cython.p_uchar
    scratch: cython.p_uchar
    seen: cython.p_longlong
    first: cython.Py_ssize_t
    width: cython.Py_ssize_t
    rows: cython.Py_ssize_t
    choice_first: cython.Py_ssize_t
    choice_width: cython.Py_ssize_t
    choice_word: cython.Py_ssize_t
    count: cython.int
    texts: cython.int
    is_swapping: cython.bint
    is_listing: cython.bint
    is_cumulative: cython.bint
    cumulative: cython.p_uchar
    key_sizes: cython.ulonglong
    element_tag: cython.ulonglong
    nested_tag: cython.ulonglong
    children_tag: cython.ulonglong
    attribute_tag: cython.ulonglong
    ordinal: cython.Py_ssize_t
    block_begin: cython.Py_ssize_t
    block_end: cython.Py_ssize_t
    run_end: cython.Py_ssize_t

    def __init__(self, payload, extra, words, shape, tags, choices, keys, edits, touched, swaps):  # type: ignore[no-untyped-def]
        seen = np.zeros(len(edits) // 3 + 1, np.int64)
        self._keep = (payload, extra, words, choices, keys, edits, touched, swaps, seen)
        self.first, self.width, self.rows = shape[0], shape[1], shape[2]
        self.choice_first, self.choice_width, self.choice_word = shape[3], shape[4], shape[5]
        self.element_tag, self.nested_tag, self.children_tag = tags[0], tags[1], tags[2]
        self.count = len(edits) // 3
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
        self.texts = 0
        self.key_sizes = 0
        for i in range(self.count):
            if self.edits[i * 3 + 2] != 0:
                self.texts += 1
            else:
                size = self.edits[i * 3 + 3] - self.edits[i * 3]
                self.key_sizes |= bit << (size if size < 63 else 63)


@cython.cfunc
@cython.inline
@cython.nogil
@cython.exceptval(check=False)
def put_bytes(
    out: cython.p_uchar, at: cython.Py_ssize_t, b: cython.p_uchar, begin: cython.Py_ssize_t, end: cython.Py_ssize_t
) -> cython.Py_ssize_t:
    """Position after a copy of ``b[begin:end]``."""
    copy_bytes(out, at, b, begin, end - begin)
    return at + end - begin


@cython.cfunc
@cython.inline
@cython.nogil
@cython.exceptval(check=False)
def put_range(table: Table, at: cython.Py_ssize_t, where: cython.ulonglong) -> cython.Py_ssize_t:
    """Position after the length and a copy of a range of the payload or of what stands behind it."""
    low32: cython.ulonglong = 0xFFFFFFFF
    size: cython.Py_ssize_t = where & low32
    begin: cython.Py_ssize_t = where >> 32
    at = put_varint(table.out, at, size)
    if begin >= table.size:
        begin -= table.size
        return put_bytes(table.out, at, table.extra, begin, begin + size)
    return put_bytes(table.out, at, table.payload, begin, begin + size)


@cython.cfunc
@cython.nogil
@cython.exceptval(check=False)
def close_element(
    out: cython.p_uchar, at: cython.Py_ssize_t, body: cython.Py_ssize_t, end: cython.Py_ssize_t, tag: cython.ulonglong
) -> cython.Py_ssize_t:
    """Write tag and length of the element at ``at`` whose body stands in ``out[body:end]``, and move the body where it
    must stand; the distance that it was moved.
    """
    size: cython.Py_ssize_t = end - body
    shift: cython.Py_ssize_t = at + varint_size(tag) + varint_size(size) - body
    if shift != 0:
        move_bytes(out, body + shift, body, size)
    at = put_varint(out, at, tag)
    put_varint(out, at, size)
    return shift


@cython.cfunc
@cython.inline
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
@cython.inline
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
        begin = table.edits[i * 3]
        if (
            table.edits[i * 3 + 3] - begin == size
            and table.touched[i * table.rows + row]
            and same_bytes(b, key >> 32, table.keys, begin, size)
        ):
            return i
    return -1


@cython.cfunc
@cython.nogil
@cython.exceptval(check=False)
def put_attribute(table: Table, i: cython.int, row: cython.Py_ssize_t, at: cython.Py_ssize_t) -> cython.Py_ssize_t:
    """Position after the attribute of edit i as its cell has it; nothing is written where the cell is absent."""
    out: cython.p_uchar = table.out
    cell: cython.Py_ssize_t = table.first + row * table.width + table.edits[i * 3 + 1]
    kind: cython.int = table.words[cell]
    word: cython.ulonglong = table.words[cell + 1]
    low32: cython.ulonglong = 0xFFFFFFFF
    key: cython.Py_ssize_t = table.edits[i * 3]
    key_size: cython.Py_ssize_t = table.edits[i * 3 + 3] - key
    size: cython.Py_ssize_t = word & low32
    value: cython.Py_ssize_t
    j: cython.int
    if kind == ABSENT:
        return at
    if kind == BOOL:
        value = 2
    elif kind == INT:
        value = 1 + varint_size(word)
    elif kind == DOUBLE:
        value = 9
    elif kind == EMPTY:
        value = 0
    else:
        value = 1 + varint_size(size) + size
    at = put_varint(out, at, table.attribute_tag)
    at = put_varint(out, at, 1 + varint_size(key_size) + key_size + 1 + varint_size(value) + value)
    out[at] = 0x0A
    at = put_varint(out, at + 1, key_size)
    at = put_bytes(out, at, table.keys, key, key + key_size)
    out[at] = 0x12
    at = put_varint(out, at + 1, value)
    if kind == EMPTY:
        return at
    if kind == BOOL or kind == INT:
        out[at] = kind << 3
        return put_varint(out, at + 1, word)
    if kind == DOUBLE:
        out[at] = 0x21
        for j in range(8):
            out[at + 1 + j] = (word >> (8 * j)) & 0xFF
        return at + 9
    out[at] = kind << 3 | 2
    return put_range(table, at + 1, word)


@cython.cfunc
@cython.inline
@cython.nogil
@cython.exceptval(check=False)
def put_text(table: Table, i: cython.int, row: cython.Py_ssize_t, at: cython.Py_ssize_t) -> cython.Py_ssize_t:
    """Position after the text of edit i, which is left out where it is empty."""
    word: cython.ulonglong = table.words[table.first + row * table.width + table.edits[i * 3 + 1]]
    low32: cython.ulonglong = 0xFFFFFFFF
    if word & low32 == 0:
        return at
    at = put_varint(table.out, at, cython.cast(cython.ulonglong, table.edits[i * 3 + 2]))
    return put_range(table, at, word)


@cython.cfunc
@cython.nogil
@cython.exceptval(check=False)
def put_attributes(
    table: Table,
    b: cython.p_uchar,
    p: cython.Py_ssize_t,
    e: cython.Py_ssize_t,
    row: cython.Py_ssize_t,
    stamp: cython.longlong,
    is_all: cython.bint,
    at: cython.Py_ssize_t,
) -> cython.Py_ssize_t:
    """Write the attributes at ``b[p:]`` that remain, and the new ones; -1 where the message is damaged.

    Args:
        is_all: All attributes as far as ``e``, wherever they are; otherwise those that lie side by side, of which
            ``run_end`` is the end.
    """
    run: cython.Py_ssize_t = p
    begin: cython.Py_ssize_t
    size: cython.Py_ssize_t
    tag: cython.ulonglong
    i: cython.int
    swap: cython.ulonglong
    gone: cython.ulonglong = 0xFFFFFFFFFFFFFFFF
    table.block_begin = at
    table.run_end = p
    while p < e:
        begin = p
        p, tag = read_varint(b, p, e)
        if p < 0:
            return -1
        if tag != table.attribute_tag:
            if not is_all:
                p = begin
                break
            at = put_bytes(table.out, at, b, run, begin)
            p = skip_field(b, p, e, tag)
            if p < 0:
                return -1
            run = p
            continue
        p, size = read_length(b, p, e)
        if p < 0:
            return -1
        i = find_edit(table, b, find_key(b, p, p + size), row)
        p += size
        swap = 0
        if table.is_swapping:
            swap = table.swaps[table.ordinal]
            table.ordinal += 1
        if i < 0 and swap == 0:
            continue
        at = put_bytes(table.out, at, b, run, begin)
        run = p
        if i < 0 and swap != gone:
            at = put_varint(table.out, at, table.attribute_tag)
            at = put_range(table, at, swap)
        elif i >= 0 and table.seen[i] != stamp:
            table.seen[i] = stamp
            at = put_attribute(table, i, row, at)
    table.run_end = p
    at = put_bytes(table.out, at, b, run, p)
    for i in range(table.count):
        if table.edits[i * 3 + 2] == 0 and table.touched[i * table.rows + row] and table.seen[i] != stamp:
            at = put_attribute(table, i, row, at)
    table.block_end = at
    return at


@cython.cfunc
@cython.nogil
@cython.exceptval(check=False)
def put_fields(
    table: Table,
    b: cython.p_uchar,
    p: cython.Py_ssize_t,
    e: cython.Py_ssize_t,
    row: cython.Py_ssize_t,
    stamp: cython.longlong,
    is_all: cython.bint,
    at: cython.Py_ssize_t,
) -> cython.Py_ssize_t:
    """``put_message``; -2 where attributes are scattered and not ``is_all``."""
    run: cython.Py_ssize_t = p
    begin: cython.Py_ssize_t
    tag: cython.ulonglong
    i: cython.int
    j: cython.int
    is_done: cython.bint = False
    while p < e:
        begin = p
        p, tag = read_varint(b, p, e)
        if p < 0:
            return -1
        if tag == table.attribute_tag and not is_done:
            is_done = True
            at = put_bytes(table.out, at, b, run, begin)
            at = put_attributes(table, b, begin, e, row, stamp, is_all, at)
            if at < 0:
                return -1
            if not is_all:
                p = table.run_end
                run = p
                continue
            run = begin
        p = skip_field(b, p, e, tag)
        if p < 0:
            return -1
        if tag == table.attribute_tag:
            if not is_all:
                return -2
            at = put_bytes(table.out, at, b, run, begin)
            run = p
        elif table.texts:
            j = -1
            for i in range(table.count):
                if cython.cast(cython.ulonglong, table.edits[i * 3 + 2]) == tag and table.touched[i * table.rows + row]:
                    j = i
            if j >= 0:
                at = put_bytes(table.out, at, b, run, begin)
                run = p
                if table.seen[j] != stamp:
                    table.seen[j] = stamp
                    at = put_text(table, j, row, at)
    at = put_bytes(table.out, at, b, run, p)
    if not is_done:
        at = put_attributes(table, b, e, e, row, stamp, True, at)
    if table.texts:
        for i in range(table.count):
            if table.edits[i * 3 + 2] != 0 and table.touched[i * table.rows + row] and table.seen[i] != stamp:
                at = put_text(table, i, row, at)
    return at


@cython.cfunc
@cython.inline
@cython.nogil
@cython.exceptval(check=False)
def put_message(
    table: Table,
    b: cython.p_uchar,
    p: cython.Py_ssize_t,
    e: cython.Py_ssize_t,
    row: cython.Py_ssize_t,
    stamp: cython.longlong,
    at: cython.Py_ssize_t,
) -> cython.Py_ssize_t:
    """Write the message ``b[p:e]`` as it was changed; -1 where it is damaged. Encoders put attributes side by side, so
    that one pass is enough.
    """
    ordinal: cython.Py_ssize_t = table.ordinal
    end: cython.Py_ssize_t = put_fields(table, b, p, e, row, stamp, False, at)
    if end != -2:
        return end
    table.ordinal = ordinal
    return put_fields(table, b, p, e, row, -stamp, True, at)


@cython.cfunc
@cython.nogil
@cython.exceptval(check=False)
def gather(
    table: Table, p: cython.Py_ssize_t, e: cython.Py_ssize_t, tag: cython.ulonglong
) -> tuple[cython.Py_ssize_t, cython.Py_ssize_t, cython.Py_ssize_t]:
    """The bodies of the fields with a tag in ``payload[p:e]``: how many there are, and begin and end of the only one.
    Several are joined in ``scratch``, which merges them.
    """
    b: cython.p_uchar = table.payload
    found: cython.Py_ssize_t = 0
    only: cython.Py_ssize_t = 0
    size: cython.Py_ssize_t = 0
    joined: cython.Py_ssize_t = 0
    at: cython.ulonglong
    while p < e:
        p, at = read_varint(b, p, e)
        if p < 0:
            return -1, 0, 0
        if at != tag:
            p = skip_field(b, p, e, at)
            if p < 0:
                return -1, 0, 0
            continue
        p, size = read_length(b, p, e)
        if p < 0:
            return -1, 0, 0
        only = p
        found += 1
        joined = put_bytes(table.scratch, joined, b, p, p + size)
        p += size
    if found > 1:
        return found, 0, joined
    return found, only, only + size if found else only


@cython.cfunc
@cython.nogil
@cython.exceptval(check=False)
def put_nested(
    table: Table,
    p: cython.Py_ssize_t,
    e: cython.Py_ssize_t,
    row: cython.Py_ssize_t,
    stamp: cython.longlong,
    at: cython.Py_ssize_t,
) -> cython.Py_ssize_t:
    """Write the message in ``payload[p:e]`` that was changed, its parts joined; nothing where it is not there and
    nothing is put into it. -1 where it is damaged.
    """
    found: cython.Py_ssize_t
    begin: cython.Py_ssize_t
    end: cython.Py_ssize_t
    body: cython.Py_ssize_t
    shift: cython.Py_ssize_t
    found, begin, end = gather(table, p, e, table.nested_tag)
    if found < 0:
        return -1
    body = at + varint_size(table.nested_tag) + varint_size(end - begin)
    end = put_message(table, table.scratch if found > 1 else table.payload, begin, end, row, stamp, body)
    if end < 0:
        return -1
    table.block_begin = 0
    table.block_end = 0
    if found == 0 and end == body:
        return at
    shift = close_element(table.out, at, body, end, table.nested_tag)
    table.block_begin = body + shift
    table.block_end = end + shift
    return end + shift


@cython.cfunc
@cython.nogil
@cython.exceptval(check=False)
def put_envelope(
    table: Table,
    p: cython.Py_ssize_t,
    e: cython.Py_ssize_t,
    row: cython.Py_ssize_t,
    stamp: cython.longlong,
    at: cython.Py_ssize_t,
) -> cython.Py_ssize_t:
    """Write ``payload[p:e]`` without its children, its nested message as it was changed; -1 where it is damaged."""
    b: cython.p_uchar = table.payload
    start: cython.Py_ssize_t = p
    run: cython.Py_ssize_t = p
    begin: cython.Py_ssize_t
    tag: cython.ulonglong
    is_done: cython.bint = False
    while p < e:
        begin = p
        p, tag = read_varint(b, p, e)
        if p < 0:
            return -1
        p = skip_field(b, p, e, tag)
        if p < 0:
            return -1
        if tag != table.nested_tag and tag != table.children_tag:
            continue
        at = put_bytes(table.out, at, b, run, begin)
        run = p
        if tag == table.nested_tag and not is_done:
            is_done = True
            at = put_nested(table, start, e, row, stamp, at)
            if at < 0:
                return -1
    at = put_bytes(table.out, at, b, run, p)
    return at if is_done else put_nested(table, start, e, row, stamp, at)


@cython.cfunc
@cython.inline
@cython.nogil
@cython.exceptval(check=False)
def body_of(table: Table, row: cython.Py_ssize_t) -> tuple[cython.Py_ssize_t, cython.Py_ssize_t]:
    """Begin and end of the body of a row."""
    low32: cython.ulonglong = 0xFFFFFFFF
    where: cython.ulonglong = table.words[table.first + row * table.width + 1]
    p: cython.Py_ssize_t = where >> 32
    return p, p + cython.cast(cython.Py_ssize_t, where & low32)


@cython.cfunc
@cython.inline
@cython.nogil
@cython.exceptval(check=False)
def parent_of(table: Table, row: cython.Py_ssize_t) -> cython.Py_ssize_t:
    """Row of the element around this one."""
    return table.words[table.first + row * table.width]


@cython.cfunc
@cython.inline
@cython.nogil
@cython.exceptval(check=False)
def is_touched(table: Table, row: cython.Py_ssize_t) -> cython.bint:
    """Whether some edit concerns a row."""
    i: cython.int
    for i in range(table.count):
        if table.touched[i * table.rows + row]:
            return True
    return False


@cython.cfunc
@cython.inline
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
def put_changed(
    table: Table, row: cython.Py_ssize_t, stamp: cython.longlong, at: cython.Py_ssize_t
) -> cython.Py_ssize_t:
    """Write the body of a row as it was changed, without children; -1 where it is damaged."""
    p: cython.Py_ssize_t
    e: cython.Py_ssize_t
    p, e = body_of(table, row)
    choose(table, row)
    if table.nested_tag:
        return put_envelope(table, p, e, row, stamp, at)
    return put_message(table, table.payload, p, e, row, stamp, at)


@cython.cfunc
@cython.nogil
@cython.exceptval(check=False)
def write_rows(table: Table, rows: cython.p_int, n: cython.Py_ssize_t, ends: cython.p_longlong) -> cython.Py_ssize_t:
    """The loop of ``write``."""
    i: cython.Py_ssize_t
    p: cython.Py_ssize_t
    e: cython.Py_ssize_t
    at: cython.Py_ssize_t = 0
    body: cython.Py_ssize_t
    end: cython.Py_ssize_t
    shift: cython.Py_ssize_t
    for i in range(n):
        p, e = body_of(table, rows[i])
        body = at + varint_size(table.element_tag) + varint_size(e - p)
        end = put_changed(table, rows[i], i + 1, body)
        ends[i * 5] = -1
        if end < 0:
            continue
        shift = close_element(table.out, at, body, end, table.element_tag)
        ends[i * 5] = at
        ends[i * 5 + 1] = body + shift
        ends[i * 5 + 2] = end + shift
        ends[i * 5 + 3] = table.block_begin + shift
        ends[i * 5 + 4] = table.block_end + shift
        at = end + shift
    return at


@cython.cfunc
@cython.nogil
@cython.exceptval(check=False)
def put_without(
    out: cython.p_uchar,
    b: cython.p_uchar,
    p: cython.Py_ssize_t,
    e: cython.Py_ssize_t,
    children_tag: cython.ulonglong,
    other_tag: cython.ulonglong,
    at: cython.Py_ssize_t,
) -> cython.Py_ssize_t:
    """Write the fields of ``b[p:e]`` besides those with two tags. The walker has seen that it is sound."""
    run: cython.Py_ssize_t = p
    begin: cython.Py_ssize_t
    tag: cython.ulonglong
    while p >= 0 and p < e:
        begin = p
        p, tag = read_varint(b, p, e)
        p = skip_field(b, p, e, tag)
        if tag == children_tag or tag == other_tag:
            at = put_bytes(out, at, b, run, begin)
            run = p
    return put_bytes(out, at, b, run, e)


@cython.cfunc
@cython.nogil
@cython.exceptval(check=False)
def put_around(
    table: Table, row: cython.Py_ssize_t, stamp: cython.longlong, at: cython.Py_ssize_t
) -> cython.Py_ssize_t:
    """Write the body of a row of an enclosing table without its children, as it was changed."""
    end: cython.Py_ssize_t = -1
    p: cython.Py_ssize_t
    e: cython.Py_ssize_t
    if is_touched(table, row):
        end = put_changed(table, row, stamp, at)
    if end >= 0:
        return end
    p, e = body_of(table, row)
    return put_without(table.out, table.payload, p, e, table.children_tag, table.children_tag, at)


@cython.cfunc
@cython.nogil
@cython.exceptval(check=False)
def put_items(
    items: Table, rows: cython.p_int, i: cython.Py_ssize_t, n: cython.Py_ssize_t, at: cython.Py_ssize_t
) -> tuple[cython.Py_ssize_t, cython.Py_ssize_t]:
    """Write the items from the i-th on that have its parent; which one is next, and the position after them.
    Unchanged ones that lie side by side are one copy.
    """
    out: cython.p_uchar = items.out
    parent: cython.Py_ssize_t = parent_of(items, rows[i])
    run: cython.Py_ssize_t = 0
    run_end: cython.Py_ssize_t = 0
    begin: cython.Py_ssize_t
    body: cython.Py_ssize_t
    end: cython.Py_ssize_t
    p: cython.Py_ssize_t
    e: cython.Py_ssize_t
    header: cython.ulonglong
    while i < n and parent_of(items, rows[i]) == parent:
        p, e = body_of(items, rows[i])
        if is_touched(items, rows[i]):
            at = put_bytes(out, at, items.payload, run, run_end)
            run = run_end
            body = at + varint_size(items.element_tag) + varint_size(e - p)
            end = put_changed(items, rows[i], i + 1, body)
            if end < 0:
                end = put_bytes(out, body, items.payload, p, e)
            at = end + close_element(out, at, body, end, items.element_tag)
        else:
            header = items.words[items.first + rows[i] * items.width + 2] >> 8
            begin = p - cython.cast(cython.Py_ssize_t, header)
            if begin != run_end:
                at = put_bytes(out, at, items.payload, run, run_end)
                run = begin
            run_end = e
        i += 1
    return i, put_bytes(out, at, items.payload, run, run_end)


@cython.cfunc
@cython.nogil
@cython.exceptval(check=False)
def is_member(metrics: Table, tag: cython.ulonglong) -> cython.bint:
    """Whether a field of a metric is a member of its oneof of data."""
    i: cython.int
    for i in range(1, 8):
        if metrics.choices[i] != 0 and cython.cast(cython.ulonglong, metrics.choices[i]) == tag:
            return True
    return False


@cython.cfunc
@cython.nogil
@cython.exceptval(check=False)
def put_metric(
    metrics: Table,
    items: Table,
    rows: cython.p_int,
    i: cython.Py_ssize_t,
    n: cython.Py_ssize_t,
    at: cython.Py_ssize_t,
) -> tuple[cython.Py_ssize_t, cython.Py_ssize_t]:
    """Write the body of the metric of point i with its points from there on; which one is next, and the position after
    it. The member of the oneof is what the last member's parts merge into, as those of other members take it away.
    """
    out: cython.p_uchar = metrics.out
    b: cython.p_uchar = metrics.payload
    row: cython.Py_ssize_t = parent_of(items, rows[i])
    cell: cython.Py_ssize_t = metrics.first + row * metrics.width + metrics.choice_word
    member: cython.ulonglong = metrics.choices[metrics.words[cell]]
    p: cython.Py_ssize_t
    e: cython.Py_ssize_t
    size: cython.Py_ssize_t
    run: cython.Py_ssize_t
    begin: cython.Py_ssize_t
    body: cython.Py_ssize_t
    first: cython.Py_ssize_t = 0
    joined: cython.Py_ssize_t = 0
    parts: cython.int = 0
    tag: cython.ulonglong
    p, e = body_of(metrics, row)
    run = p
    while p >= 0 and p < e:
        begin = p
        p, tag = read_varint(b, p, e)
        if not is_member(metrics, tag):
            p = skip_field(b, p, e, tag)
            continue
        at = put_bytes(out, at, b, run, begin)
        p, size = read_length(b, p, e)
        if tag == member:
            if parts == 1:
                joined = put_bytes(metrics.scratch, 0, b, first, first + joined)
            if parts >= 1:
                joined = put_bytes(metrics.scratch, joined, b, p, p + size)
            else:
                first = p
                joined = size
            parts += 1
        else:
            parts = 0
            joined = 0
        p += size
        run = p
    at = put_bytes(out, at, b, run, e)
    body = at + varint_size(member) + varint_size(joined)
    tag = TEMPORALITY if metrics.is_cumulative and metrics.cumulative[row] else metrics.children_tag
    if parts > 1:
        begin = put_without(out, metrics.scratch, 0, joined, metrics.children_tag, tag, body)
    else:
        begin = put_without(out, b, first, first + joined, metrics.children_tag, tag, body)
    if tag == TEMPORALITY:
        out[begin] = TEMPORALITY
        out[begin + 1] = CUMULATIVE
        begin += 2
    i, begin = put_items(items, rows, i, n, begin)
    return i, begin + close_element(out, at, body, begin, member)


@cython.cfunc
@cython.nogil
@cython.exceptval(check=False)
def put_scope(
    scopes: Table,
    metrics: Table,
    items: Table,
    has_metrics: cython.bint,
    rows: cython.p_int,
    i: cython.Py_ssize_t,
    n: cython.Py_ssize_t,
    at: cython.Py_ssize_t,
) -> tuple[cython.Py_ssize_t, cython.Py_ssize_t]:
    """Write the scope of item i with its items from there on; which one is next, and the position after it."""
    out: cython.p_uchar = scopes.out
    above: cython.Py_ssize_t = parent_of(items, rows[i])
    row: cython.Py_ssize_t = parent_of(metrics, above) if has_metrics else above
    p: cython.Py_ssize_t
    e: cython.Py_ssize_t
    start: cython.Py_ssize_t = at
    body: cython.Py_ssize_t
    inner: cython.Py_ssize_t
    end: cython.Py_ssize_t
    p, e = body_of(scopes, row)
    body = at + varint_size(scopes.element_tag) + varint_size(e - p)
    at = put_around(scopes, row, i + 1, body)
    if not has_metrics:
        i, at = put_items(items, rows, i, n, at)
    while has_metrics and i < n and parent_of(metrics, parent_of(items, rows[i])) == row:
        p, e = body_of(metrics, parent_of(items, rows[i]))
        inner = at + varint_size(metrics.element_tag) + varint_size(e - p)
        i, end = put_metric(metrics, items, rows, i, n, inner)
        at = end + close_element(out, at, inner, end, metrics.element_tag)
    return i, at + close_element(out, start, body, at, scopes.element_tag)


@cython.cfunc
@cython.nogil
@cython.exceptval(check=False)
def put_request(
    resources: Table,
    scopes: Table,
    metrics: Table,
    items: Table,
    has_metrics: cython.bint,
    rows: cython.p_int,
    n: cython.Py_ssize_t,
) -> cython.Py_ssize_t:
    """The loop of ``write_request``."""
    out: cython.p_uchar = resources.out
    at: cython.Py_ssize_t = 0
    start: cython.Py_ssize_t
    body: cython.Py_ssize_t
    p: cython.Py_ssize_t
    e: cython.Py_ssize_t
    i: cython.Py_ssize_t = 0
    row: cython.Py_ssize_t
    scope: cython.Py_ssize_t
    while i < n:
        scope = parent_of(items, rows[i])
        if has_metrics:
            scope = parent_of(metrics, scope)
        row = parent_of(scopes, scope)
        start = at
        p, e = body_of(resources, row)
        body = at + varint_size(resources.element_tag) + varint_size(e - p)
        at = put_around(resources, row, i + 1, body)
        while i < n and parent_of(scopes, scope) == row:
            i, at = put_scope(scopes, metrics, items, has_metrics, rows, i, n, at)
            if i < n:
                scope = parent_of(items, rows[i])
                if has_metrics:
                    scope = parent_of(metrics, scope)
        at += close_element(out, start, body, at, resources.element_tag)
    return at


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
    i: cython.Py_ssize_t
    j: cython.int
    for j in range(table.count):
        for i in range(n):
            row = i if is_all else rows[i]
            if not table.touched[j * table.rows + row]:
                continue
            cell = table.first + row * table.width + table.edits[j * 3 + 1]
            total += table.edits[j * 3 + 3] - table.edits[j * 3] + 48
            kind = table.words[cell]
            if table.edits[j * 3 + 2] != 0:
                total += cython.cast(cython.Py_ssize_t, kind & low32)
            elif kind == 1 or 5 <= kind <= 7:
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


@cython.ccall
def write(table: Table, rows: object, out: object, scratch: object, ends: object) -> cython.Py_ssize_t:
    """Write elements of a table one after the other, without children, the GIL released.

    Args:
        rows: int32[n], n above 0.
        out: uint8, written to: as large as the bodies of the rows and their ``growth``.
        scratch: uint8, as large as the longest body of the rows.
        ends: int64[n * 5], out: per row where in ``out`` the element begins (-1: it is damaged and nothing was
            written), where its body begins and ends, and where the attributes, or the message that holds them, begin
            and end (the same: there are none).
    Returns:
        Bytes written.
    """
    rows_view: cython.p_int = ints_at(rows)
    ends_view: cython.p_longlong = longs_at(ends)
    n: cython.Py_ssize_t = len(rows)
    written: cython.Py_ssize_t
    table.out = bytes_at(out)
    table.scratch = bytes_at(scratch)
    table.ordinal = 0
    if cython.compiled:
        with cython.nogil:
            written = write_rows(table, rows_view, n, ends_view)
        return written
    return write_rows(table, rows_view, n, ends_view)


@cython.ccall
def write_request(
    resources: Table,
    scopes: Table,
    metrics: Table,
    items: Table,
    rows: object,
    cumulative: object,
) -> bytes:
    """Write a request with some of its items, the GIL released.

    Args:
        metrics: The table between scopes and items; ``items`` where there is none.
        rows: int32[n], the rows of the items, ascending.
        cumulative: uint8[rows of metrics]; which are written as of cumulative temporality. None: none.
    """
    rows_view: cython.p_int = ints_at(rows)
    n: cython.Py_ssize_t = len(rows)
    has_metrics: cython.bint = metrics is not items
    written: cython.Py_ssize_t
    table: Table
    if cumulative is not None:
        metrics.is_cumulative = True
        metrics.cumulative = bytes_at(cumulative)
    # what is written is in the payload, but for what is set
    room: cython.Py_ssize_t = items.size + items.extra_size + growth_of(items, rows_view, n, False)
    longest: cython.Py_ssize_t = 1
    for table in (resources, scopes, metrics):
        if table is not items:
            room += growth_of(table, rows_view, table.rows, True)
            longest = max(longest, longest_of(table))
    whole: cython.p_void = new_bytes(room)
    scratch: cython.p_void = new_bytes(longest)
    for table in (resources, scopes, metrics, items):
        table.out = bytes_in(whole)
        table.scratch = bytes_in(scratch)
    if cython.compiled:
        with cython.nogil:
            written = put_request(resources, scopes, metrics, items, has_metrics, rows_view, n)
    else:
        written = put_request(resources, scopes, metrics, items, has_metrics, rows_view, n)
    cut_bytes(scratch, 0)
    return cut_bytes(whole, written)
