# cython: boundscheck=False, wraparound=False, initializedcheck=False, cdivision=True
"""Bodies of changed rows: each is copied, but for the attributes and texts that were changed.

    body:    │ trace_id │ name │ attribute a │ attribute b │ kind │ attribute c │ …
    written: │ trace_id │ name │ attribute b │ new a │ c │ new d │ kind │ …        attributes side by side

An attribute that was set takes the place of the first of its key, or follows on the last attribute; all of a key go
where it was removed. Attributes end up side by side, so that one range holds them all. Of rows above items, what was
changed lies in a message of their own (the Resource of a ResourceSpans), and the items below are left out.

Bytes that the walker skipped come by here for the first time, so every read is preceded by a comparison with the end of
its message. A body that is damaged is left as it is. Cython in pure Python mode: runs compiled and uncompiled with the
same results.
"""

import cython
import numpy as np

if cython.compiled:
    from cython.cimports.pipeline.memory import bytes_at, copy_bytes, ints_at, longs_at, same_bytes, words_at
else:
    from pipeline.memory import bytes_at, copy_bytes, ints_at, longs_at, same_bytes, words_at

ABSENT = cython.declare(cython.int, 0)
BOOL = cython.declare(cython.int, 2)
INT = cython.declare(cython.int, 3)
DOUBLE = cython.declare(cython.int, 4)
EMPTY = cython.declare(cython.int, 8)

_nothing = np.zeros(1, np.uint64)


@cython.final
@cython.cclass
class Job:
    """Rows to write, and what was changed in them.

    Args:
        payload: What the ranges point into.
        words: uint64, the records.
        table: int64[3]; index of the first word of row 0, words of a row, rows.
        tags: int64[4]; of an element of the table, of the field in it that holds what was changed (0: the element
            itself), of the children to leave out (0: none), and of an attribute.
        keys: The keys of the changed attributes, joined.
        edits: int32[m * 3 + 1]; per edit where its key begins, its word, and the tag of a text (0: an attribute); at
            last where the keys end.
        touched: uint8[m * rows]; per edit the rows that it concerns.
        drops: uint8; per attribute of the rows that are written, as ``list_keys`` gives them, whether it goes. None: no
            such list.
    """

    _keep: object
    payload: cython.p_uchar
    words: cython.p_ulonglong
    keys: cython.p_uchar
    edits: cython.p_int
    touched: cython.p_uchar
    drops: cython.p_uchar
    out: cython.p_uchar
    scratch: cython.p_uchar
    seen: cython.p_longlong
    first: cython.Py_ssize_t
    width: cython.Py_ssize_t
    rows: cython.Py_ssize_t
    count: cython.int
    texts: cython.int
    is_dropping: cython.bint
    is_listing: cython.bint
    element_tag: cython.ulonglong
    nested_tag: cython.ulonglong
    children_tag: cython.ulonglong
    attribute_tag: cython.ulonglong
    ordinal: cython.Py_ssize_t
    block_begin: cython.Py_ssize_t
    block_end: cython.Py_ssize_t

    def __init__(self, payload, words, table, tags, keys, edits, touched, drops):  # type: ignore[no-untyped-def]
        self._keep = (payload, words, keys, edits, touched, drops)
        self.first, self.width, self.rows = table[0], table[1], table[2]
        self.element_tag, self.nested_tag, self.children_tag, self.attribute_tag = tags[0], tags[1], tags[2], tags[3]
        self.count = len(edits) // 3
        self.is_dropping = drops is not None
        if cython.compiled:
            self.payload = cython.cast(cython.p_uchar, cython.cast(cython.p_char, payload))
            self.keys = cython.cast(cython.p_uchar, cython.cast(cython.p_char, keys))
        else:
            self.payload = payload
            self.keys = keys
        self.words = words_at(words)
        self.edits = ints_at(edits)
        self.touched = bytes_at(touched)
        if drops is not None:
            self.drops = bytes_at(drops)
        i: cython.int
        self.texts = 0
        for i in range(self.count):
            if self.edits[i * 3 + 2] != 0:
                self.texts += 1


@cython.cfunc
@cython.inline
@cython.nogil
@cython.exceptval(check=False)
def read_number(
    b: cython.p_uchar, p: cython.Py_ssize_t, e: cython.Py_ssize_t
) -> tuple[cython.Py_ssize_t, cython.ulonglong]:
    """Position after a varint and its value modulo 2^64; -1 where it is cut off or longer than ten bytes."""
    value: cython.ulonglong = 0
    part: cython.ulonglong
    full: cython.ulonglong = 0xFFFFFFFFFFFFFFFF
    shift: cython.int = 0
    while p < e and shift < 70:
        part = b[p]
        p += 1
        value |= (part & 0x7F) << shift
        if part < 0x80:
            return p, value & full
        shift += 7
    return -1, 0


@cython.cfunc
@cython.inline
@cython.nogil
@cython.exceptval(check=False)
def read_size(
    b: cython.p_uchar, p: cython.Py_ssize_t, e: cython.Py_ssize_t
) -> tuple[cython.Py_ssize_t, cython.Py_ssize_t]:
    """Position after a length and the length, which fits before ``e``; -1 otherwise."""
    value: cython.ulonglong
    left: cython.ulonglong
    p, value = read_number(b, p, e)
    if p < 0:
        return -1, 0
    left = e - p
    if value > left:
        return -1, 0
    return p, value


@cython.cfunc
@cython.inline
@cython.nogil
@cython.exceptval(check=False)
def field_end(
    b: cython.p_uchar, p: cython.Py_ssize_t, e: cython.Py_ssize_t, tag: cython.ulonglong
) -> cython.Py_ssize_t:
    """Position after the field whose tag has been read; -1 where there is no such field."""
    size: cython.Py_ssize_t
    value: cython.ulonglong
    wire_type: cython.int = tag & 7
    if tag < 8 or tag >> 32:
        return -1
    if wire_type == 2:
        p, size = read_size(b, p, e)
        return -1 if p < 0 else p + size
    if wire_type == 0:
        p, value = read_number(b, p, e)
        return p
    size = 8 if wire_type == 1 else 4
    if (wire_type != 1 and wire_type != 5) or e - p < size:
        return -1
    return p + size


@cython.cfunc
@cython.inline
@cython.nogil
@cython.exceptval(check=False)
def number_size(value: cython.ulonglong) -> cython.Py_ssize_t:
    """Bytes of a varint."""
    size: cython.Py_ssize_t = 1
    while value > 0x7F:
        value >>= 7
        size += 1
    return size


@cython.cfunc
@cython.inline
@cython.nogil
@cython.exceptval(check=False)
def put_number(out: cython.p_uchar, at: cython.Py_ssize_t, value: cython.ulonglong) -> cython.Py_ssize_t:
    """Position after a varint."""
    while value > 0x7F:
        out[at] = (value & 0x7F) | 0x80
        value >>= 7
        at += 1
    out[at] = value & 0x7F
    return at + 1


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
@cython.nogil
@cython.exceptval(check=False)
def close_element(
    out: cython.p_uchar, at: cython.Py_ssize_t, body: cython.Py_ssize_t, end: cython.Py_ssize_t, tag: cython.ulonglong
) -> cython.Py_ssize_t:
    """Write tag and length of the element at ``at`` whose body stands in ``out[body:end]``, and move the body where it
    must stand; the distance that it was moved.
    """
    size: cython.Py_ssize_t = end - body
    shift: cython.Py_ssize_t = at + number_size(tag) + number_size(size) - body
    i: cython.Py_ssize_t
    if shift < 0:
        for i in range(body, end):
            out[i + shift] = out[i]
    elif shift > 0:
        for i in range(size):
            out[end - 1 - i + shift] = out[end - 1 - i]
    at = put_number(out, at, tag)
    put_number(out, at, size)
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
    while p < e:
        p, tag = read_number(b, p, e)
        if p < 0:
            return 0
        if tag == 0x0A:
            p, size = read_size(b, p, e)
            if p < 0:
                return 0
            begin = p
            where = (begin << 32) | cython.cast(cython.ulonglong, size)
            p += size
        else:
            p = field_end(b, p, e, tag)
            if p < 0:
                return 0
    return where


@cython.cfunc
@cython.inline
@cython.nogil
@cython.exceptval(check=False)
def find_edit(job: Job, b: cython.p_uchar, key: cython.ulonglong, row: cython.Py_ssize_t) -> cython.int:
    """The edit of a row that concerns the attribute with this key; -1: none."""
    low32: cython.ulonglong = 0xFFFFFFFF
    size: cython.Py_ssize_t = key & low32
    begin: cython.Py_ssize_t
    i: cython.int
    if size == 0:
        return -1
    for i in range(job.count):
        begin = job.edits[i * 3]
        if (
            job.edits[i * 3 + 3] - begin == size
            and job.touched[i * job.rows + row]
            and same_bytes(b, key >> 32, job.keys, begin, size)
        ):
            return i
    return -1


@cython.cfunc
@cython.nogil
@cython.exceptval(check=False)
def put_attribute(job: Job, i: cython.int, row: cython.Py_ssize_t, at: cython.Py_ssize_t) -> cython.Py_ssize_t:
    """Position after the attribute of edit i as its cell has it; nothing is written where the cell is absent."""
    out: cython.p_uchar = job.out
    cell: cython.Py_ssize_t = job.first + row * job.width + job.edits[i * 3 + 1]
    kind: cython.int = job.words[cell]
    word: cython.ulonglong = job.words[cell + 1]
    low32: cython.ulonglong = 0xFFFFFFFF
    key: cython.Py_ssize_t = job.edits[i * 3]
    key_size: cython.Py_ssize_t = job.edits[i * 3 + 3] - key
    size: cython.Py_ssize_t = word & low32
    value: cython.Py_ssize_t
    j: cython.int
    if kind == ABSENT:
        return at
    if kind == BOOL:
        value = 2
    elif kind == INT:
        value = 1 + number_size(word)
    elif kind == DOUBLE:
        value = 9
    elif kind == EMPTY:
        value = 0
    else:
        value = 1 + number_size(size) + size
    at = put_number(out, at, job.attribute_tag)
    at = put_number(out, at, 1 + number_size(key_size) + key_size + 1 + number_size(value) + value)
    out[at] = 0x0A
    at = put_number(out, at + 1, key_size)
    at = put_bytes(out, at, job.keys, key, key + key_size)
    out[at] = 0x12
    at = put_number(out, at + 1, value)
    if kind == EMPTY:
        return at
    if kind == BOOL or kind == INT:
        out[at] = kind << 3
        return put_number(out, at + 1, word)
    if kind == DOUBLE:
        out[at] = 0x21
        for j in range(8):
            out[at + 1 + j] = (word >> (8 * j)) & 0xFF
        return at + 9
    out[at] = kind << 3 | 2
    at = put_number(out, at + 1, size)
    return put_bytes(out, at, job.payload, word >> 32, cython.cast(cython.Py_ssize_t, word >> 32) + size)


@cython.cfunc
@cython.inline
@cython.nogil
@cython.exceptval(check=False)
def put_text(job: Job, i: cython.int, row: cython.Py_ssize_t, at: cython.Py_ssize_t) -> cython.Py_ssize_t:
    """Position after the text of edit i, which is left out where it is empty."""
    word: cython.ulonglong = job.words[job.first + row * job.width + job.edits[i * 3 + 1]]
    low32: cython.ulonglong = 0xFFFFFFFF
    size: cython.Py_ssize_t = word & low32
    if size == 0:
        return at
    at = put_number(job.out, at, cython.cast(cython.ulonglong, job.edits[i * 3 + 2]))
    at = put_number(job.out, at, size)
    return put_bytes(job.out, at, job.payload, word >> 32, cython.cast(cython.Py_ssize_t, word >> 32) + size)


@cython.cfunc
@cython.nogil
@cython.exceptval(check=False)
def put_attributes(
    job: Job,
    b: cython.p_uchar,
    p: cython.Py_ssize_t,
    e: cython.Py_ssize_t,
    row: cython.Py_ssize_t,
    stamp: cython.longlong,
    at: cython.Py_ssize_t,
) -> cython.Py_ssize_t:
    """Write all attributes of ``b[p:e]`` that remain, and the new ones; -1 where the message is damaged."""
    run: cython.Py_ssize_t = p
    begin: cython.Py_ssize_t
    size: cython.Py_ssize_t
    tag: cython.ulonglong
    i: cython.int
    goes: cython.bint
    job.block_begin = at
    while p < e:
        begin = p
        p, tag = read_number(b, p, e)
        if p < 0:
            return -1
        if tag != job.attribute_tag:
            at = put_bytes(job.out, at, b, run, begin)
            p = field_end(b, p, e, tag)
            if p < 0:
                return -1
            run = p
            continue
        p, size = read_size(b, p, e)
        if p < 0:
            return -1
        i = find_edit(job, b, find_key(b, p, p + size), row)
        p += size
        goes = False
        if job.is_dropping:
            goes = job.drops[job.ordinal] != 0
            job.ordinal += 1
        if i < 0 and not goes:
            continue
        at = put_bytes(job.out, at, b, run, begin)
        run = p
        if i >= 0 and job.seen[i] != stamp:
            job.seen[i] = stamp
            at = put_attribute(job, i, row, at)
    at = put_bytes(job.out, at, b, run, p)
    for i in range(job.count):
        if job.edits[i * 3 + 2] == 0 and job.touched[i * job.rows + row] and job.seen[i] != stamp:
            at = put_attribute(job, i, row, at)
    job.block_end = at
    return at


@cython.cfunc
@cython.nogil
@cython.exceptval(check=False)
def put_message(
    job: Job,
    b: cython.p_uchar,
    p: cython.Py_ssize_t,
    e: cython.Py_ssize_t,
    row: cython.Py_ssize_t,
    stamp: cython.longlong,
    at: cython.Py_ssize_t,
) -> cython.Py_ssize_t:
    """Write the message ``b[p:e]`` as it was changed; -1 where it is damaged."""
    run: cython.Py_ssize_t = p
    begin: cython.Py_ssize_t
    tag: cython.ulonglong
    i: cython.int
    j: cython.int
    is_done: cython.bint = False
    while p < e:
        begin = p
        p, tag = read_number(b, p, e)
        if p < 0:
            return -1
        p = field_end(b, p, e, tag)
        if p < 0:
            return -1
        if tag == job.attribute_tag:
            at = put_bytes(job.out, at, b, run, begin)
            run = p
            if not is_done:
                is_done = True
                at = put_attributes(job, b, begin, e, row, stamp, at)
                if at < 0:
                    return -1
        elif job.texts:
            j = -1
            for i in range(job.count):
                if cython.cast(cython.ulonglong, job.edits[i * 3 + 2]) == tag and job.touched[i * job.rows + row]:
                    j = i
            if j >= 0:
                at = put_bytes(job.out, at, b, run, begin)
                run = p
                if job.seen[j] != stamp:
                    job.seen[j] = stamp
                    at = put_text(job, j, row, at)
    at = put_bytes(job.out, at, b, run, p)
    if not is_done:
        at = put_attributes(job, b, e, e, row, stamp, at)
    if job.texts:
        for i in range(job.count):
            if job.edits[i * 3 + 2] != 0 and job.touched[i * job.rows + row] and job.seen[i] != stamp:
                at = put_text(job, i, row, at)
    return at


@cython.cfunc
@cython.nogil
@cython.exceptval(check=False)
def gather(
    job: Job, p: cython.Py_ssize_t, e: cython.Py_ssize_t, tag: cython.ulonglong
) -> tuple[cython.Py_ssize_t, cython.Py_ssize_t, cython.Py_ssize_t]:
    """The bodies of the fields with a tag in ``payload[p:e]``: how many there are, and begin and end of the only one.
    Several are joined in ``scratch``, which merges them.
    """
    b: cython.p_uchar = job.payload
    found: cython.Py_ssize_t = 0
    only: cython.Py_ssize_t = 0
    size: cython.Py_ssize_t = 0
    joined: cython.Py_ssize_t = 0
    at: cython.ulonglong
    while p < e:
        p, at = read_number(b, p, e)
        if p < 0:
            return -1, 0, 0
        if at != tag:
            p = field_end(b, p, e, at)
            if p < 0:
                return -1, 0, 0
            continue
        p, size = read_size(b, p, e)
        if p < 0:
            return -1, 0, 0
        only = p
        found += 1
        joined = put_bytes(job.scratch, joined, b, p, p + size)
        p += size
    if found > 1:
        return found, 0, joined
    return found, only, only + size if found else only


@cython.cfunc
@cython.nogil
@cython.exceptval(check=False)
def put_nested(
    job: Job,
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
    found, begin, end = gather(job, p, e, job.nested_tag)
    if found < 0:
        return -1
    body = at + number_size(job.nested_tag) + number_size(end - begin)
    end = put_message(job, job.scratch if found > 1 else job.payload, begin, end, row, stamp, body)
    if end < 0:
        return -1
    job.block_begin = 0
    job.block_end = 0
    if found == 0 and end == body:
        return at
    shift = close_element(job.out, at, body, end, job.nested_tag)
    job.block_begin = body + shift
    job.block_end = end + shift
    return end + shift


@cython.cfunc
@cython.nogil
@cython.exceptval(check=False)
def put_envelope(
    job: Job,
    p: cython.Py_ssize_t,
    e: cython.Py_ssize_t,
    row: cython.Py_ssize_t,
    stamp: cython.longlong,
    at: cython.Py_ssize_t,
) -> cython.Py_ssize_t:
    """Write ``payload[p:e]`` without its children, its nested message as it was changed; -1 where it is damaged."""
    b: cython.p_uchar = job.payload
    start: cython.Py_ssize_t = p
    run: cython.Py_ssize_t = p
    begin: cython.Py_ssize_t
    tag: cython.ulonglong
    is_done: cython.bint = False
    while p < e:
        begin = p
        p, tag = read_number(b, p, e)
        if p < 0:
            return -1
        p = field_end(b, p, e, tag)
        if p < 0:
            return -1
        if tag != job.nested_tag and tag != job.children_tag:
            continue
        at = put_bytes(job.out, at, b, run, begin)
        run = p
        if tag == job.nested_tag and not is_done:
            is_done = True
            at = put_nested(job, start, e, row, stamp, at)
            if at < 0:
                return -1
    at = put_bytes(job.out, at, b, run, p)
    return at if is_done else put_nested(job, start, e, row, stamp, at)


@cython.cfunc
@cython.nogil
@cython.exceptval(check=False)
def write_rows(job: Job, rows: cython.p_int, n: cython.Py_ssize_t, ends: cython.p_longlong) -> cython.Py_ssize_t:
    """The loop of ``write``."""
    low32: cython.ulonglong = 0xFFFFFFFF
    where: cython.ulonglong
    i: cython.Py_ssize_t
    p: cython.Py_ssize_t
    e: cython.Py_ssize_t
    at: cython.Py_ssize_t = 0
    body: cython.Py_ssize_t
    end: cython.Py_ssize_t
    shift: cython.Py_ssize_t
    for i in range(n):
        where = job.words[job.first + rows[i] * job.width + 1]
        p = where >> 32
        e = p + cython.cast(cython.Py_ssize_t, where & low32)
        body = at + number_size(job.element_tag) + number_size(e - p)
        if job.nested_tag:
            end = put_envelope(job, p, e, rows[i], i + 1, body)
        else:
            end = put_message(job, job.payload, p, e, rows[i], i + 1, body)
        ends[i * 5] = -1
        if end < 0:
            continue
        shift = close_element(job.out, at, body, end, job.element_tag)
        ends[i * 5] = at
        ends[i * 5 + 1] = body + shift
        ends[i * 5 + 2] = end + shift
        ends[i * 5 + 3] = job.block_begin + shift
        ends[i * 5 + 4] = job.block_end + shift
        at = end + shift
    return at


@cython.cfunc
@cython.nogil
@cython.exceptval(check=False)
def list_message(
    job: Job, p: cython.Py_ssize_t, e: cython.Py_ssize_t, keys: cython.p_ulonglong, at: cython.Py_ssize_t
) -> cython.Py_ssize_t:
    """Position after the ranges of the keys of the attributes in ``payload[p:e]``; -1 where it is damaged."""
    b: cython.p_uchar = job.payload
    tag: cython.ulonglong
    size: cython.Py_ssize_t
    while p < e:
        p, tag = read_number(b, p, e)
        if p < 0:
            return -1
        if tag != job.attribute_tag:
            p = field_end(b, p, e, tag)
            if p < 0:
                return -1
            continue
        p, size = read_size(b, p, e)
        if p < 0:
            return -1
        if job.is_listing:
            keys[at] = find_key(b, p, p + size)
        at += 1
        p += size
    return at


@cython.cfunc
@cython.nogil
@cython.exceptval(check=False)
def list_rows(
    job: Job, rows: cython.p_int, n: cython.Py_ssize_t, keys: cython.p_ulonglong, counts: cython.p_longlong
) -> cython.Py_ssize_t:
    """The loop of ``list_keys``."""
    b: cython.p_uchar = job.payload
    low32: cython.ulonglong = 0xFFFFFFFF
    where: cython.ulonglong
    tag: cython.ulonglong
    i: cython.Py_ssize_t
    p: cython.Py_ssize_t
    e: cython.Py_ssize_t
    size: cython.Py_ssize_t
    at: cython.Py_ssize_t = 0
    begin: cython.Py_ssize_t
    for i in range(n):
        where = job.words[job.first + rows[i] * job.width + 1]
        p = where >> 32
        e = p + cython.cast(cython.Py_ssize_t, where & low32)
        begin = at
        if job.nested_tag == 0:
            at = list_message(job, p, e, keys, at)
        while job.nested_tag != 0 and p < e and at >= 0:
            p, tag = read_number(b, p, e)
            if p < 0:
                at = -1
            elif tag == job.nested_tag:
                p, size = read_size(b, p, e)
                at = -1 if p < 0 else list_message(job, p, p + size, keys, at)
                p += size
            else:
                p = field_end(b, p, e, tag)
                if p < 0:
                    at = -1
        counts[i] = at - begin if at >= 0 else -1
        if at < 0:
            at = begin
    return at


@cython.ccall
def list_keys(job: Job, rows: object, keys: object, counts: object) -> cython.Py_ssize_t:
    """Find the keys of the attributes of rows.

    Args:
        rows: int32[n], n above 0.
        keys: uint64, out: the range of each key, one row after the other. None: only count them.
        counts: int64[n], out: attributes per row; -1 where the row is damaged, of which none are listed.
    Returns:
        Attributes of all rows.
    """
    rows_view: cython.p_int = ints_at(rows)
    counts_view: cython.p_longlong = longs_at(counts)
    job.is_listing = keys is not None
    keys_view: cython.p_ulonglong = words_at(keys if keys is not None else _nothing)
    n: cython.Py_ssize_t = len(rows)
    found: cython.Py_ssize_t
    if cython.compiled:
        with cython.nogil:
            found = list_rows(job, rows_view, n, keys_view, counts_view)
        return found
    return list_rows(job, rows_view, n, keys_view, counts_view)


@cython.ccall
def room(job: Job, rows: object) -> cython.Py_ssize_t:
    """Bytes that ``write`` needs at most."""
    low32: cython.ulonglong = 0xFFFFFFFF
    rows_view: cython.p_int = ints_at(rows)
    n: cython.Py_ssize_t = len(rows)
    total: cython.Py_ssize_t = 64
    base: cython.Py_ssize_t
    kind: cython.ulonglong
    i: cython.Py_ssize_t
    j: cython.int
    for i in range(n):
        base = job.first + rows_view[i] * job.width
        # three tags and lengths, and the bodies grow by what is set
        total += cython.cast(cython.Py_ssize_t, job.words[base + 1] & low32) + 32
        for j in range(job.count):
            if not job.touched[j * job.rows + rows_view[i]]:
                continue
            total += job.edits[j * 3 + 3] - job.edits[j * 3] + 48
            if job.edits[j * 3 + 2] != 0:
                total += cython.cast(cython.Py_ssize_t, job.words[base + job.edits[j * 3 + 1]] & low32)
                continue
            kind = job.words[base + job.edits[j * 3 + 1]]
            if kind == 1 or 5 <= kind <= 7:
                total += cython.cast(cython.Py_ssize_t, job.words[base + job.edits[j * 3 + 1] + 1] & low32)
    return total


@cython.ccall
def write(job: Job, rows: object, out: object, scratch: object, seen: object, ends: object) -> cython.Py_ssize_t:
    """Write elements of the table one after the other, the GIL released.

    Args:
        rows: int32[n], n above 0.
        out: uint8[room], written to.
        scratch: uint8, as large as the longest body of the rows.
        seen: int64[max(m, 1)], zeros.
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
    job.out = bytes_at(out)
    job.scratch = bytes_at(scratch)
    job.seen = longs_at(seen)
    job.ordinal = 0
    if cython.compiled:
        with cython.nogil:
            written = write_rows(job, rows_view, n, ends_view)
        return written
    return write_rows(job, rows_view, n, ends_view)
