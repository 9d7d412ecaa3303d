# cython: boundscheck=False, wraparound=False, initializedcheck=False, cdivision=True
"""Whole requests with some of their items, written in one pass: unchanged neighbours are one copy.

    payload ┃R resource ┃S scope │item│item│item│item┃S scope │item┃schema_url┃ …
    written ┃R resource schema_url┃S scope │item│    │item│  ┃

Envelopes, all that stands around the children, are written where one of their items remains, changed ones as
``body_writer`` writes them. Cython in pure Python mode: runs compiled and uncompiled with the same results.
"""

import cython

if cython.compiled:
    from cython.cimports.pipeline.codec.body_writer import close_element, put_bytes, put_changed
    from cython.cimports.pipeline.codec.edit_table import Table, body_of, growth_of, is_touched, longest_of, parent_of
    from cython.cimports.pipeline.memory import bytes_at, bytes_in, cut_bytes, ints_at, new_bytes
    from cython.cimports.pipeline.wire_format import read_length, read_varint, skip_field, varint_size
else:
    from pipeline.codec.body_writer import close_element, put_bytes, put_changed
    from pipeline.codec.edit_table import Table, body_of, growth_of, is_touched, longest_of, parent_of
    from pipeline.memory import bytes_at, bytes_in, cut_bytes, ints_at, new_bytes
    from pipeline.wire_format import read_length, read_varint, skip_field, varint_size

TEMPORALITY = cython.declare(cython.ulonglong, 0x10)  # tag of aggregation_temporality in all members that have it
CUMULATIVE = cython.declare(cython.int, 2)


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
