# cython: boundscheck=False, wraparound=False, initializedcheck=False, cdivision=True
"""Which data points of a request cannot be what they claim to be.

A point fails alone: its row gets a defect bit, its neighbours are kept. A point that says it has no recorded value is
not asked for one. Every read of the payload is inside a range that the walker has checked.

Cython in pure Python mode: this file runs compiled and uncompiled with the same results.
"""

import cython

if cython.compiled:
    from cython.cimports.pipeline.memory import ints_at, load, longs_at, same_bytes, words_at
else:
    from pipeline.memory import ints_at, load, longs_at, same_bytes, words_at

NO_METRIC_NAME = cython.declare(cython.ulonglong, 1)
NO_VALUE = cython.declare(cython.ulonglong, 2)
NO_TEMPORALITY = cython.declare(cython.ulonglong, 4)
NEGATIVE_SUM = cython.declare(cython.ulonglong, 8)
BAD_HISTOGRAM = cython.declare(cython.ulonglong, 16)
BAD_EXPONENTIAL = cython.declare(cython.ulonglong, 32)
BAD_SUMMARY = cython.declare(cython.ulonglong, 64)
UNDECIDED = cython.declare(cython.ulonglong, 128)

SUM = cython.declare(cython.int, 2)
HISTOGRAM = cython.declare(cython.int, 3)
EXPONENTIAL = cython.declare(cython.int, 4)

MAX_SCALE = cython.declare(cython.int, 20)
MIN_SCALE = cython.declare(cython.int, -11)
MAX_BUCKETS = cython.declare(cython.int, 16384)

COLUMNS = (
    "metric.name",
    "metric.type",
    "aggregation_temporality",
    "is_monotonic",
    "flags",
    "value",
    "count",
    "explicit_bounds",
    "bucket_counts",
    "scale",
    "zero_count",
    "positive.offset",
    "positive.bucket_counts",
    "negative.offset",
    "negative.bucket_counts",
    "quantile.quantile",
)
"""What ``check`` looks at: the order of its ``places``. The first four belong to the metric."""

SCALES = (-11, 20)
"""Scales that make sense: the SDK's largest is 20, where the index of the largest double still fits the protocol; at
-11 one bucket holds every double."""
BUCKETS = 16384
"""Buckets that one side of a point may have: a hundred times what SDKs send, and far below what would take somebody's
memory when it is laid out."""


@cython.cfunc
@cython.inline
@cython.nogil
@cython.exceptval(check=False)
def ascending_key(bits: cython.ulonglong) -> cython.ulonglong:
    """A number that orders as the double with these bits does; both zeros are one."""
    top: cython.ulonglong = 1
    top = top << 63
    if bits & top:
        return top - (bits ^ top)
    return bits + top


@cython.cfunc
@cython.inline
@cython.nogil
@cython.exceptval(check=False)
def is_nan(bits: cython.ulonglong) -> cython.bint:
    exponent: cython.ulonglong = 0x7FF
    full: cython.ulonglong = 0xFFFFFFFFFFFFFFFF
    return (bits >> 52) & exponent == exponent and (bits << 12) & full != 0


@cython.cfunc
@cython.nogil
@cython.exceptval(check=False)
def ascends(b: cython.p_uchar, bounds: cython.ulonglong) -> cython.bint:
    """Whether the doubles of a range ascend strictly, none of them NaN."""
    low32: cython.ulonglong = 0xFFFFFFFF
    p: cython.Py_ssize_t = bounds >> 32
    e: cython.Py_ssize_t = p + cython.cast(cython.Py_ssize_t, bounds & low32)
    bits: cython.ulonglong
    last: cython.ulonglong = 0
    key: cython.ulonglong
    while p < e:
        bits = load(b, p)
        if is_nan(bits):
            return False
        key = ascending_key(bits)
        if key <= last:
            return False
        last = key
        p += 8
    return True


@cython.cfunc
@cython.inline
@cython.nogil
@cython.exceptval(check=False)
def same_range(b: cython.p_uchar, one: cython.ulonglong, other: cython.ulonglong) -> cython.bint:
    """Whether two ranges hold the same bytes."""
    low32: cython.ulonglong = 0xFFFFFFFF
    if one & low32 != other & low32:
        return False
    return same_bytes(b, one >> 32, b, other >> 32, one & low32)


@cython.cfunc
@cython.nogil
@cython.exceptval(check=False)
def histogram_ok(
    b: cython.p_uchar,
    bounds: cython.ulonglong,
    counts: cython.ulonglong,
    count: cython.ulonglong,
    ascending: cython.ulonglong,
) -> cython.bint:
    """Whether bounds ascend, there is one bucket more than bounds, and the buckets hold ``count``.

    Args:
        ascending: Bounds that are known to ascend. Most points have the bounds of the point before.
    """
    low32: cython.ulonglong = 0xFFFFFFFF
    full: cython.ulonglong = 0xFFFFFFFFFFFFFFFF
    count_bytes: cython.ulonglong = counts & low32
    p: cython.Py_ssize_t = counts >> 32
    e: cython.Py_ssize_t = p + cython.cast(cython.Py_ssize_t, count_bytes)
    if count_bytes == 0:
        return bounds & low32 == 0
    if count_bytes != (bounds & low32) + 8:
        return False
    if not same_range(b, bounds, ascending) and not ascends(b, bounds):
        return False
    while p < e:
        count = (count - load(b, p)) & full
        p += 8
    return count == 0


@cython.cfunc
@cython.nogil
@cython.exceptval(check=False)
def buckets_ok(offset: cython.longlong, number: cython.longlong) -> cython.bint:
    """Whether the indices of buckets fit the protocol's int32, and there are not too many."""
    return number <= MAX_BUCKETS and (number == 0 or offset + number - 1 <= 0x7FFFFFFF)


@cython.cfunc
@cython.nogil
@cython.exceptval(check=False)
def sum_varints(b: cython.p_uchar, where: cython.ulonglong) -> tuple[cython.longlong, cython.ulonglong]:
    """How many varints a range has, and their sum modulo 2^64.

    Eight bytes at a time where no varint there is longer than two bytes: then each byte counts once or, after a byte
    that is continued, 128 times. Else byte by byte.
    """
    low32: cython.ulonglong = 0xFFFFFFFF
    full: cython.ulonglong = 0xFFFFFFFFFFFFFFFF
    tops: cython.ulonglong = 0x8080808080808080
    ones: cython.ulonglong = 0x0101010101010101
    p: cython.Py_ssize_t = where >> 32
    e: cython.Py_ssize_t = p + cython.cast(cython.Py_ssize_t, where & low32)
    stop: cython.Py_ssize_t
    number: cython.longlong = 0
    total: cython.ulonglong = 0
    word: cython.ulonglong
    continued: cython.ulonglong
    second: cython.ulonglong
    part: cython.ulonglong
    shift: cython.int = 0
    while p < e:
        if e - p >= 8 and shift <= 7:
            word = load(b, p)
            continued = word & tops
            second = ((continued << 8) & full) | (0x80 if shift else 0)
            if continued & second == 0:
                number += 8 - ((((continued >> 7) * ones) & full) >> 56)
                second = (second >> 7) * 0x7F
                word &= tops ^ full
                total = (total + sum_bytes(word & (second ^ full)) + (sum_bytes(word & second) << 7)) & full
                shift = 7 if continued >> 63 else 0
                p += 8
                continue
        stop = p + 8 if e - p >= 8 else e
        while p < stop:
            part = b[p]
            p += 1
            total = (total + ((part & 0x7F) << shift)) & full
            if part < 0x80:
                number += 1
                shift = 0
            else:
                shift += 7
    return number, total


@cython.cfunc
@cython.inline
@cython.nogil
@cython.exceptval(check=False)
def sum_bytes(word: cython.ulonglong) -> cython.ulonglong:
    """The sum of eight bytes, each below 128."""
    full: cython.ulonglong = 0xFFFFFFFFFFFFFFFF
    even: cython.ulonglong = 0x00FF00FF00FF00FF
    lanes: cython.ulonglong = 0x0001000100010001
    return ((((word & even) + ((word >> 8) & even)) * lanes) & full) >> 48


@cython.cfunc
@cython.nogil
@cython.exceptval(check=False)
def exponential_ok(
    b: cython.p_uchar, words: cython.p_ulonglong, point: cython.Py_ssize_t, places: cython.p_int
) -> cython.bint:
    """Whether scale and indices are in range, and the buckets hold what is not in the zero bucket."""
    full: cython.ulonglong = 0xFFFFFFFFFFFFFFFF
    scale: cython.longlong = signed(words[point + places[9]])
    count: cython.ulonglong = words[point + places[6]]
    zero_count: cython.ulonglong = words[point + places[10]]
    number: cython.longlong
    total: cython.ulonglong
    side: cython.int
    if scale < MIN_SCALE or scale > MAX_SCALE:
        return False
    count = (count - zero_count) & full
    for side in range(11, 15, 2):
        number, total = sum_varints(b, words[point + places[side + 1]])
        if not buckets_ok(signed(words[point + places[side]]), number):
            return False
        count = (count - total) & full
    return count == 0


@cython.cfunc
@cython.inline
@cython.nogil
@cython.exceptval(check=False)
def signed(word: cython.ulonglong) -> cython.longlong:
    """A word as a signed number of 32 bits."""
    low: cython.longlong = word & 0x7FFFFFFF
    if word >> 63:
        return low - 0x7FFFFFFF - 1
    return low


@cython.cfunc
@cython.nogil
@cython.exceptval(check=False)
def metric_defects(words: cython.p_ulonglong, metric: cython.Py_ssize_t, places: cython.p_int) -> cython.ulonglong:
    """What is wrong with all points of a metric."""
    low32: cython.ulonglong = 0xFFFFFFFF
    bits: cython.ulonglong = 0
    kind: cython.ulonglong = words[metric + places[1]]
    temporality: cython.ulonglong = words[metric + places[2]]
    if words[metric + places[0]] & low32 == 0:
        bits = NO_METRIC_NAME
    if 2 <= kind <= 4 and (temporality == 0 or temporality > 2):
        bits |= NO_TEMPORALITY
    return bits


@cython.cfunc
@cython.nogil
@cython.exceptval(check=False)
def point_defects(
    b: cython.p_uchar,
    words: cython.p_ulonglong,
    metric: cython.Py_ssize_t,
    point: cython.Py_ssize_t,
    places: cython.p_int,
    ascending: cython.ulonglong,
) -> cython.ulonglong:
    """What is wrong with one point that has a value; ``UNDECIDED`` where numbers came in several parts."""
    repeated: cython.ulonglong = 0xFFFFFFFFFFFFFFFF
    kind: cython.ulonglong = words[metric + places[1]]
    value_kind: cython.ulonglong
    value: cython.ulonglong
    if kind <= 2:
        value_kind = words[point + places[5]]
        value = words[point + places[5] + 1]
        if value_kind == 0:
            return NO_VALUE
        # the sign bit is at the same place in both; -0.0 and NaN are no numbers below zero
        if kind == 2 and words[metric + places[3]] != 0 and value >> 63:
            if value_kind == 3 or ((value << 1) & repeated and not is_nan(value)):
                return NEGATIVE_SUM
        return 0
    if kind == 3:
        if words[point + places[7]] == repeated or words[point + places[8]] == repeated:
            return UNDECIDED
        if not histogram_ok(b, words[point + places[7]], words[point + places[8]], words[point + places[6]], ascending):
            return BAD_HISTOGRAM
        return 0
    if kind == 4:
        if words[point + places[12]] == repeated or words[point + places[14]] == repeated:
            return UNDECIDED
        if not exponential_ok(b, words, point, places):
            return BAD_EXPONENTIAL
    return 0


@cython.cfunc
@cython.nogil
@cython.exceptval(check=False)
def check_rows(
    b: cython.p_uchar, words: cython.p_ulonglong, shape: cython.p_longlong, places: cython.p_int
) -> cython.Py_ssize_t:
    """The loop of ``check``."""
    i: cython.Py_ssize_t
    point: cython.Py_ssize_t
    metric: cython.Py_ssize_t = -1
    last: cython.Py_ssize_t = -1
    row: cython.Py_ssize_t
    bits: cython.ulonglong = 0
    all_points: cython.ulonglong = 0
    found: cython.ulonglong
    ascending: cython.ulonglong = 0
    defects: cython.Py_ssize_t = 0
    key: cython.ulonglong
    one: cython.ulonglong = 0x3FF
    one = one << 52
    for i in range(shape[8]):
        key = words[shape[6] + i * shape[7] + places[15]]
        if is_nan(key) or ascending_key(key) < ascending_key(0) or ascending_key(key) > ascending_key(one):
            row = words[shape[6] + i * shape[7]]
            words[shape[3] + row * shape[4] + 2] |= BAD_SUMMARY
    for i in range(shape[5]):
        point = shape[3] + i * shape[4]
        row = words[point]
        if row != last:
            last = row
            metric = shape[0] + row * shape[1]
            all_points = metric_defects(words, metric, places)
        bits = all_points
        if words[point + places[4]] & 1 == 0:
            found = point_defects(b, words, metric, point, places, ascending)
            if found == 0 and words[metric + places[1]] == 3:
                ascending = words[point + places[7]]
            bits |= found
        bits |= words[point + 2] & 0xFF
        if bits:
            words[point + 2] |= bits
            defects += 1
    return defects


@cython.ccall
def check(payload: bytes, words: object, shape: object, places: object) -> cython.Py_ssize_t:
    """Raise the defect bits of data points (``PointDefect``), the GIL released.

    Args:
        payload: What ranges point into.
        words: uint64, the records; the header words of points are written.
        shape: int64[9]; first word, width and rows of the tables of metrics, points and quantiles.
        places: int32[16]; the words of ``COLUMNS`` in their rows.
    Returns:
        Points with a bit, among them those with bit 128: to be decided by somebody who joins numbers that came in
        several parts.
    """
    words_ptr: cython.p_ulonglong = words_at(words)
    shape_ptr: cython.p_longlong = longs_at(shape)
    places_ptr: cython.p_int = ints_at(places)
    defects: cython.Py_ssize_t
    if cython.compiled:
        b: cython.p_uchar = cython.cast(cython.p_uchar, cython.cast(cython.p_char, payload))
        with cython.nogil:
            defects = check_rows(b, words_ptr, shape_ptr, places_ptr)
    else:
        defects = check_rows(payload, words_ptr, shape_ptr, places_ptr)
    return defects
