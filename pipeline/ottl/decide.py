# cython: boundscheck=False, wraparound=False, initializedcheck=False, cdivision=True
"""Decide a condition row by row, in one native pass over the words.

A condition becomes a graph of simple questions (``ottl/decision.py``): each looks at one cell of the row, or of the
scope or resource that the row is in, and says which question is next, or what the verdict is. So no row is asked more
than it takes, and no array is made on the way.

Cython in pure Python mode: runs compiled and uncompiled with the same results.
"""

import cython
import numpy as np

if cython.compiled:
    from cython.cimports.pipeline.memory import bytes_at, doubles_at, ints_at, longs_at, same_bytes, words_at
else:
    from pipeline.memory import bytes_at, doubles_at, ints_at, longs_at, same_bytes, words_at

TEXT = cython.declare(cython.longlong, 0)
TYPED_TEXT = cython.declare(cython.longlong, 1)
INTEGER = cython.declare(cython.longlong, 2)
REAL = cython.declare(cython.longlong, 3)
NIL = cython.declare(cython.longlong, 4)
BOOLEAN = cython.declare(cython.longlong, 5)
WORD32 = cython.declare(cython.longlong, 6)
WORD64 = cython.declare(cython.longlong, 7)
DIFFERENCE = cython.declare(cython.longlong, 8)

ACCEPT = cython.declare(cython.longlong, -1)

EQUAL = cython.declare(cython.longlong, 0)
UNEQUAL = cython.declare(cython.longlong, 1)
BELOW = cython.declare(cython.longlong, 2)
AT_MOST = cython.declare(cython.longlong, 3)
ABOVE = cython.declare(cython.longlong, 4)

KINDS = {
    "text": 0,
    "typed text": 1,
    "integer": 2,
    "real": 3,
    "nil": 4,
    "boolean": 5,
    "word32": 6,
    "word64": 7,
    "difference": 8,
}
"""Questions: is a text field, or an attribute, this text; is an attribute in a relation to an int, or a double; is it
nil; is it this boolean; is an int32, an int64, or the difference of two times in a relation to an int."""
RELATIONS = {"==": 0, "!=": 1, "<": 2, "<=": 3, ">": 4, ">=": 5}
VERDICTS = {True: -1, False: -2}
"""In place of the next question."""
NODE = 10
"""Numbers of a question: kind, how many tables up, word, other word (of a difference), relation, int, where its text
begins and how long it is, next question if so, next question if not."""

_no_rows = np.zeros(1, np.int32)


@cython.cfunc
@cython.inline
@cython.nogil
@cython.exceptval(check=False)
def holds(relation: cython.longlong, below: cython.bint, equal: cython.bint, above: cython.bint) -> cython.bint:
    """A relation between two numbers, of which none of the three is true if one is NaN."""
    if relation == EQUAL:
        return equal
    if relation == UNEQUAL:
        return not equal
    if relation == BELOW:
        return below
    if relation == AT_MOST:
        return below or equal
    if relation == ABOVE:
        return above
    return above or equal


@cython.cfunc
@cython.inline
@cython.nogil
@cython.exceptval(check=False)
def whole(relation: cython.longlong, value: cython.longlong, number: cython.longlong) -> cython.bint:
    """A relation between two integers."""
    return holds(relation, value < number, value == number, value > number)


@cython.cfunc
@cython.inline
@cython.nogil
@cython.exceptval(check=False)
def signed(word: cython.ulonglong, bits: cython.int) -> cython.longlong:
    """The lower bits of a word as a signed number."""
    if cython.compiled:
        if bits == 32:
            return cython.cast(cython.int, word)
        return cython.cast(cython.longlong, word)
    word &= (1 << bits) - 1
    return word - (1 << bits) if word >> (bits - 1) else word


@cython.cfunc
@cython.inline
@cython.nogil
@cython.exceptval(check=False)
def difference(end: cython.longlong, start: cython.longlong) -> cython.longlong:
    """``end - start``, or the nearest number of 64 bits."""
    most: cython.longlong = 0x7FFFFFFFFFFFFFFF
    if start >= 0 and end < start - most - 1:
        return -most - 1
    if start < 0 and end > most + start:
        return most
    return end - start


@cython.cfunc
@cython.nogil
@cython.exceptval(check=False)
def answer(
    b: cython.p_uchar,
    words: cython.p_ulonglong,
    reals: cython.p_double,
    row: cython.Py_ssize_t,
    node: cython.p_longlong,
    at_node: cython.Py_ssize_t,
    texts: cython.p_uchar,
    real: cython.double,
) -> cython.bint:
    """One question about the row that begins at ``row``."""
    low32: cython.ulonglong = 0xFFFFFFFF
    kind: cython.longlong = node[at_node]
    at: cython.Py_ssize_t = row + node[at_node + 2]
    relation: cython.longlong = node[at_node + 4]
    length: cython.ulonglong
    value: cython.ulonglong
    number: cython.double
    equal: cython.bint = False
    if kind == TEXT or kind == TYPED_TEXT:
        if kind == TEXT or words[at] == 1:
            value = words[at + kind]  # an attribute has its value behind its type
            length = node[at_node + 7]
            equal = value & low32 == length and same_bytes(b, value >> 32, texts, node[at_node + 6], length)
        return equal == (relation == EQUAL)
    if kind == INTEGER and words[at] == 3:
        return whole(relation, signed(words[at + 1], 64), node[at_node + 5])
    if kind == INTEGER or kind == REAL:
        if words[at] != 3 and words[at] != 4:
            return relation == UNEQUAL
        number = reals[at + 1]
        if words[at] == 3:
            number = signed(words[at + 1], 64)
        return holds(relation, number < real, number == real, number > real)
    if kind == NIL:
        equal = words[at] == 0 or words[at] == 8 or (words[at] == 7 and words[at + 1] & low32 == 0)
        return equal == (relation == EQUAL)
    if kind == BOOLEAN:
        equal = words[at] == 2 and (words[at + 1] != 0) == (node[at_node + 5] != 0)
        return equal == (relation == EQUAL)
    if kind == WORD32:
        return whole(relation, signed(words[at], 32), node[at_node + 5])
    if kind == WORD64:
        return whole(relation, signed(words[at], 64), node[at_node + 5])
    return whole(
        relation,
        difference(signed(words[at], 64), signed(words[row + node[at_node + 3]], 64)),
        node[at_node + 5],
    )


@cython.cfunc
@cython.nogil
@cython.exceptval(check=False)
def decide_rows(
    b: cython.p_uchar,
    words: cython.p_ulonglong,
    reals: cython.p_double,
    tables: cython.p_longlong,
    rows: cython.p_int,
    chosen: cython.bint,
    n: cython.Py_ssize_t,
    nodes: cython.p_longlong,
    constants: cython.p_double,
    start: cython.longlong,
    texts: cython.p_uchar,
    out: cython.p_uchar,
) -> cython.void:
    """The loop of ``decide``."""
    i: cython.Py_ssize_t
    row: cython.Py_ssize_t
    level: cython.Py_ssize_t
    node: cython.longlong
    at: cython.Py_ssize_t
    for i in range(n):
        node = start
        while node >= 0:
            at = node * 10
            row = tables[0] + (rows[i] if chosen else i) * tables[1]
            for level in range(nodes[at + 1]):
                row = tables[2 * level + 2] + cython.cast(cython.Py_ssize_t, words[row]) * tables[2 * level + 3]
            node = nodes[at + (8 if answer(b, words, reals, row, nodes, at, texts, constants[node]) else 9)]
        out[i] = node == ACCEPT


@cython.ccall
def decide(
    payload: bytes,
    words: object,
    tables: object,
    rows: object,
    n: cython.Py_ssize_t,
    nodes: object,
    constants: object,
    start: cython.longlong,
    texts: bytes,
    out: object,
) -> cython.void:
    """``out[i] = 1`` where the graph accepts row i, else 0.

    Args:
        payload: What ranges point into.
        words: uint64, the records' words. The first word of a row names its parent.
        tables: int64[2 * k]; first word and width of the table of the rows, and of those above it.
        rows: int32[n], the rows; None: rows 0 to n - 1.
        n: Above 0.
        nodes: int64[NODE * q], the questions. Their graph has no circle.
        constants: float64[q], the number of each question as a double.
        start: The first question.
        texts: The texts of all questions, joined, and a byte more.
        out: uint8[n].
    """
    words_ptr: cython.p_ulonglong = words_at(words)
    reals: cython.p_double = doubles_at(words.view(np.float64))
    tables_ptr: cython.p_longlong = longs_at(tables)
    chosen: cython.bint = rows is not None
    rows_ptr: cython.p_int = ints_at(rows if chosen else _no_rows)
    nodes_ptr: cython.p_longlong = longs_at(nodes)
    constants_ptr: cython.p_double = doubles_at(constants)
    out_ptr: cython.p_uchar = bytes_at(out)
    if cython.compiled:
        b: cython.p_uchar = cython.cast(cython.p_uchar, cython.cast(cython.p_char, payload))
        t: cython.p_uchar = cython.cast(cython.p_uchar, cython.cast(cython.p_char, texts))
        with cython.nogil:
            decide_rows(
                b, words_ptr, reals, tables_ptr, rows_ptr, chosen, n, nodes_ptr, constants_ptr, start, t, out_ptr
            )
    else:
        decide_rows(
            payload, words_ptr, reals, tables_ptr, rows_ptr, chosen, n, nodes_ptr, constants_ptr, start, texts, out_ptr
        )
