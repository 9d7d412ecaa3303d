# cython: boundscheck=False, wraparound=False, initializedcheck=False, cdivision=True
"""Bodies of elements as they were changed, written in one pass over words and payload.

    body:    │ trace_id │ name │ attribute a │ attribute b │ kind │ attribute c │ …
    written: │ trace_id │ name │ attribute b │ new a │ c │ new d │ kind │ …        attributes side by side

An attribute that was set takes the place of the first of its key, or follows on the last attribute; all of a key go
where it was removed. Attributes end up side by side, so that one range holds them all. Of a message in the element (the
Status of a Span) the fields that were changed stand last. Of rows above items, what was
changed lies in a message of their own (the Resource of a ResourceSpans), and the items below are left out.

A body that is damaged is left as it is. Cython in pure Python mode: runs compiled and uncompiled with the same results.
"""

import cython

if cython.compiled:
    from cython.cimports.pipeline.codec.edit_table import Table, body_of, choose, find_edit, find_key
    from cython.cimports.pipeline.memory import bytes_at, ints_at, longs_at, move_bytes
    from cython.cimports.pipeline.wire_format import put_varint, read_length, read_varint, skip_field, varint_size
else:
    from pipeline.codec.edit_table import Table, body_of, choose, find_edit, find_key
    from pipeline.memory import bytes_at, copy_bytes, ints_at, longs_at, move_bytes
    from pipeline.wire_format import put_varint, read_length, read_varint, skip_field, varint_size

ABSENT = cython.declare(cython.int, 0)
BOOL = cython.declare(cython.int, 2)
INT = cython.declare(cython.int, 3)
DOUBLE = cython.declare(cython.int, 4)
EMPTY = cython.declare(cython.int, 8)
TEXT = cython.declare(cython.int, 1)
NUMBER = cython.declare(cython.int, 2)

if not cython.compiled:

    def put_bytes(out, at, b, begin, end):
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
def value_size(table: Table, cell: cython.Py_ssize_t) -> cython.Py_ssize_t:
    """Size of the AnyValue that a cell holds."""
    kind: cython.int = table.words[cell]
    word: cython.ulonglong = table.words[cell + 1]
    low32: cython.ulonglong = 0xFFFFFFFF
    size: cython.Py_ssize_t = word & low32
    if kind == BOOL:
        return 2
    if kind == INT:
        return 1 + varint_size(word)
    if kind == DOUBLE:
        return 9
    if kind == EMPTY:
        return 0
    return 1 + varint_size(size) + size


@cython.cfunc
@cython.nogil
@cython.exceptval(check=False)
def put_value(table: Table, cell: cython.Py_ssize_t, at: cython.Py_ssize_t) -> cython.Py_ssize_t:
    """Position after the length of the AnyValue that a cell holds, and the AnyValue."""
    out: cython.p_uchar = table.out
    kind: cython.int = table.words[cell]
    word: cython.ulonglong = table.words[cell + 1]
    j: cython.int
    at = put_varint(out, at, value_size(table, cell))
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
@cython.nogil
@cython.exceptval(check=False)
def put_attribute(table: Table, i: cython.int, row: cython.Py_ssize_t, at: cython.Py_ssize_t) -> cython.Py_ssize_t:
    """Position after the attribute of edit i as its cell has it; nothing is written where the cell is absent."""
    out: cython.p_uchar = table.out
    cell: cython.Py_ssize_t = table.first + row * table.width + table.edits[i * 4 + 1]
    key: cython.Py_ssize_t = table.edits[i * 4]
    key_size: cython.Py_ssize_t = table.edits[i * 4 + 4] - key
    value: cython.Py_ssize_t
    if table.words[cell] == ABSENT:
        return at
    value = value_size(table, cell)
    at = put_varint(out, at, table.attribute_tag)
    at = put_varint(out, at, 1 + varint_size(key_size) + key_size + 1 + varint_size(value) + value)
    out[at] = 0x0A
    at = put_varint(out, at + 1, key_size)
    at = put_bytes(out, at, table.keys, key, key + key_size)
    out[at] = 0x12
    return put_value(table, cell, at + 1)


@cython.cfunc
@cython.inline
@cython.nogil
@cython.exceptval(check=False)
def put_field(
    table: Table, i: cython.int, row: cython.Py_ssize_t, tag: cython.ulonglong, at: cython.Py_ssize_t
) -> cython.Py_ssize_t:
    """Position after the field of edit i, under a tag; it is left out where it is empty, 0 or absent."""
    cell: cython.Py_ssize_t = table.first + row * table.width + table.edits[i * 4 + 1]
    form: cython.int = table.edits[i * 4 + 3] & 7
    word: cython.ulonglong = table.words[cell]
    low32: cython.ulonglong = 0xFFFFFFFF
    if word == 0 or (form == TEXT and word & low32 == 0):
        return at
    at = put_varint(table.out, at, tag)
    if form == NUMBER:
        return put_varint(table.out, at, word)
    if form == TEXT:
        return put_range(table, at, word)
    return put_value(table, cell, at)


@cython.cfunc
@cython.inline
@cython.nogil
@cython.exceptval(check=False)
def edit_of(table: Table, tag: cython.ulonglong, inner: cython.ulonglong, row: cython.Py_ssize_t) -> cython.int:
    """The last edit of a row that concerns the field with a tag, or the one with another tag in it; -1: none."""
    i: cython.int
    found: cython.int = -1
    for i in range(table.count):
        if (
            cython.cast(cython.ulonglong, table.edits[i * 4 + 2]) == tag
            and cython.cast(cython.ulonglong, table.edits[i * 4 + 3] >> 3) == inner
            and table.touched[i * table.rows + row]
        ):
            found = i
    return found


@cython.cfunc
@cython.inline
@cython.nogil
@cython.exceptval(check=False)
def is_opened(table: Table, tag: cython.ulonglong, row: cython.Py_ssize_t) -> cython.bint:
    """Whether some edit of a row concerns a field of the message with a tag."""
    i: cython.int
    for i in range(table.count):
        if (
            cython.cast(cython.ulonglong, table.edits[i * 4 + 2]) == tag
            and table.edits[i * 4 + 3] >> 3
            and table.touched[i * table.rows + row]
        ):
            return True
    return False


@cython.cfunc
@cython.nogil
@cython.exceptval(check=False)
def put_opened(
    table: Table,
    b: cython.p_uchar,
    p: cython.Py_ssize_t,
    e: cython.Py_ssize_t,
    tag: cython.ulonglong,
    row: cython.Py_ssize_t,
    stamp: cython.longlong,
    at: cython.Py_ssize_t,
) -> cython.Py_ssize_t:
    """Write the message ``b[p:e]`` under its tag, its fields as they were changed; -1 where it is damaged."""
    body: cython.Py_ssize_t = at + varint_size(tag) + varint_size(e - p)
    end: cython.Py_ssize_t = body
    run: cython.Py_ssize_t = p
    begin: cython.Py_ssize_t
    inner: cython.ulonglong
    i: cython.int
    while p < e:
        begin = p
        p, inner = read_varint(b, p, e)
        if p < 0:
            return -1
        p = skip_field(b, p, e, inner)
        if p < 0:
            return -1
        if edit_of(table, tag, inner, row) >= 0:
            end = put_bytes(table.out, end, b, run, begin)
            run = p
    end = put_bytes(table.out, end, b, run, p)
    for i in range(table.count):
        inner = table.edits[i * 4 + 3] >> 3
        if inner and table.seen[i] != stamp and edit_of(table, tag, inner, row) == i:
            table.seen[i] = stamp
            end = put_field(table, i, row, inner, end)
    return end + close_element(table.out, at, body, end, tag)


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
        if table.edits[i * 4 + 2] == 0 and table.touched[i * table.rows + row] and table.seen[i] != stamp:
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
    size: cython.Py_ssize_t
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
        elif table.fields:
            j = edit_of(table, tag, 0, row)
            if j >= 0:
                at = put_bytes(table.out, at, b, run, begin)
                run = p
                if table.seen[j] != stamp:
                    table.seen[j] = stamp
                    at = put_field(table, j, row, tag, at)
            elif is_opened(table, tag, row):
                at = put_bytes(table.out, at, b, run, begin)
                run = p
                begin, tag = read_varint(b, begin, e)
                begin, size = read_length(b, begin, e)
                at = put_opened(table, b, begin, begin + size, tag, row, stamp, at)
                if at < 0:
                    return -1
    at = put_bytes(table.out, at, b, run, p)
    if not is_done:
        at = put_attributes(table, b, e, e, row, stamp, True, at)
    if table.fields:
        for i in range(table.count):
            tag = table.edits[i * 4 + 2]
            if tag == 0 or not table.touched[i * table.rows + row] or table.seen[i] == stamp:
                continue
            if not table.edits[i * 4 + 3] >> 3:
                table.seen[i] = stamp
                at = put_field(table, i, row, tag, at)
                continue
            begin = at
            at = put_opened(table, b, e, e, tag, row, stamp, at)
            if at == begin + varint_size(tag) + 1:  # nothing was put into a message that is not there
                at = begin
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
