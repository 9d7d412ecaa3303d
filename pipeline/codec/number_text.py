# cython: boundscheck=False, wraparound=False, initializedcheck=False, cdivision=True
"""Numbers as text: float64 as the shortest decimal that reads back to the same bits, and times as seconds.

The form is that of Python's ``repr`` without a trailing ``.0``. The digits are found by Schubfach (R. Giulietti, "The
Schubfach way to render doubles", 2020), which needs integers only and so gives the same text compiled, uncompiled and
in every locale.

Cython in pure Python mode: this file runs compiled and uncompiled with the same results.
"""

import cython
import numpy as np

if cython.compiled:
    from cython.cimports.pipeline.memory import words_at
else:
    from pipeline.memory import words_at

SMALLEST_POWER = -292
LARGEST_POWER = 324


def _powers_of_ten():
    """uint64[2 * n]: high and low half of 10**k, scaled to 128 bits and rounded up, from SMALLEST_POWER on."""
    words = []
    for k in range(SMALLEST_POWER, LARGEST_POWER + 1):
        numerator, denominator = (10**k, 1) if k >= 0 else (1, 10**-k)
        shift = 127 - ((k * 1741647) >> 19)  # 127 - floor(log2(10**k))
        if shift >= 0:
            numerator <<= shift
        else:
            denominator <<= -shift
        scaled = -(-numerator // denominator)
        words += [scaled >> 64, scaled & 0xFFFFFFFFFFFFFFFF]
    return np.array(words, dtype=np.uint64)


POWERS = _powers_of_ten()
powers = cython.declare(cython.p_ulonglong)
powers = words_at(POWERS)  # which POWERS keeps alive


@cython.cfunc
@cython.inline
@cython.nogil
@cython.exceptval(check=False)
def multiply(a: cython.ulonglong, b: cython.ulonglong) -> tuple[cython.ulonglong, cython.ulonglong]:
    """High and low half of a 64 by 64 bit product."""
    full: cython.ulonglong = 0xFFFFFFFFFFFFFFFF
    half: cython.ulonglong = 0xFFFFFFFF
    low: cython.ulonglong = (a & half) * (b & half)
    left: cython.ulonglong = (a >> 32) * (b & half)
    right: cython.ulonglong = (a & half) * (b >> 32)
    middle: cython.ulonglong = (low >> 32) + (left & half) + (right & half)
    high: cython.ulonglong = ((a >> 32) * (b >> 32) + (left >> 32) + (right >> 32) + (middle >> 32)) & full
    return high, ((middle << 32) | (low & half)) & full


@cython.cfunc
@cython.inline
@cython.nogil
@cython.exceptval(check=False)
def round_to_odd(high: cython.ulonglong, low: cython.ulonglong, c: cython.ulonglong) -> cython.ulonglong:
    """``(high:low * c) >> 128`` with the lowest bit set where anything was lost, as Schubfach needs it."""
    full: cython.ulonglong = 0xFFFFFFFFFFFFFFFF
    carried: cython.ulonglong
    _lost: cython.ulonglong
    y1: cython.ulonglong
    y0: cython.ulonglong
    carried, _lost = multiply(low, c)
    y1, y0 = multiply(high, c)
    y0 = (y0 + carried) & full
    if y0 < carried:
        y1 += 1
    return y1 | 1 if y0 > 1 else y1


@cython.cfunc
@cython.nogil
@cython.exceptval(check=False)
def shortest(bits: cython.ulonglong) -> tuple[cython.ulonglong, cython.int]:
    """Digits d and exponent k of the shortest d * 10**k that reads back as ``bits``: finite, positive, not zero."""
    hidden: cython.ulonglong = 0x10000000000000
    fraction: cython.ulonglong = bits & (hidden - 1)
    exponent: cython.int = (bits >> 52) & 0x7FF
    c: cython.ulonglong = fraction
    q: cython.int = -1074
    if exponent:
        c = fraction | hidden
        q = exponent - 1075
    narrow: cython.int = 1 if fraction == 0 and exponent > 1 else 0  # below a power of two the gap is half as wide
    odd: cython.ulonglong = c & 1
    k: cython.int = (q * 1262611 - 524031 * narrow) >> 22  # floor(log10(2**q)), or of 3/4 of it
    h: cython.int = q + ((-k * 1741647) >> 19) + 1
    at: cython.int = 2 * (-k + 292)  # 10**-k
    high: cython.ulonglong = powers[at]
    low: cython.ulonglong = powers[at + 1]
    lower: cython.ulonglong = round_to_odd(high, low, (4 * c - 2 + narrow) << h) + odd
    value: cython.ulonglong = round_to_odd(high, low, (4 * c) << h)
    upper: cython.ulonglong = round_to_odd(high, low, (4 * c + 2) << h) - odd
    s: cython.ulonglong = value >> 2
    tens: cython.ulonglong
    below: cython.bint
    above: cython.bint
    if s >= 10:
        tens = s // 10
        below = lower <= 40 * tens
        above = 40 * tens + 40 <= upper
        if below != above:
            return (tens + 1 if above else tens), k + 1
    below = lower <= 4 * s
    above = 4 * s + 4 <= upper
    if below != above:
        return (s + 1 if above else s), k
    tens = 4 * s + 2
    return (s + 1 if value > tens or (value == tens and s & 1) else s), k


@cython.cfunc
@cython.inline
@cython.nogil
@cython.exceptval(check=False)
def write_integer(out: cython.p_uchar, p: cython.Py_ssize_t, value: cython.ulonglong) -> cython.Py_ssize_t:
    """Decimal digits of ``value`` at ``p``; returns the position behind them."""
    size: cython.Py_ssize_t = 1
    rest: cython.ulonglong = value // 10
    while rest:
        size += 1
        rest = rest // 10
    end: cython.Py_ssize_t = p + size
    p = end
    while size:
        p -= 1
        size -= 1
        out[p] = 48 + value % 10
        value = value // 10
    return end


@cython.cfunc
@cython.nogil
@cython.exceptval(check=False)
def write_decimal(
    out: cython.p_uchar, p: cython.Py_ssize_t, digits: cython.ulonglong, exponent: cython.int
) -> cython.Py_ssize_t:
    """``digits * 10**exponent`` in the form of Python's repr: with an exponent below 1e-4 and from 1e16 on."""
    size: cython.int = 0
    point: cython.int
    i: cython.int
    first: cython.Py_ssize_t
    rest: cython.ulonglong
    while digits % 10 == 0:
        digits = digits // 10
        exponent += 1
    rest = digits
    while rest:
        size += 1
        rest = rest // 10
    point = size + exponent  # digits before the decimal point
    if -4 < point <= 0:
        out[p] = 48
        out[p + 1] = 46
        p += 2
        while point < 0:
            out[p] = 48
            p += 1
            point += 1
        return write_integer(out, p, digits)
    if 0 < point <= 16:
        if exponent >= 0:
            p = write_integer(out, p, digits)
            while exponent:
                out[p] = 48
                p += 1
                exponent -= 1
            return p
        first = p
        p = write_integer(out, p + 1, digits)
        for i in range(point):
            out[first + i] = out[first + i + 1]
        out[first + point] = 46
        return p
    first = p
    p = write_integer(out, p + 1, digits)
    out[first] = out[first + 1]
    if size > 1:
        out[first + 1] = 46
    else:
        p -= 1
    point -= 1
    out[p] = 101
    out[p + 1] = 45 if point < 0 else 43
    p += 2
    if point < 0:
        point = -point
    if point < 10:
        out[p] = 48
        p += 1
    return write_integer(out, p, point)


@cython.cfunc
@cython.nogil
@cython.exceptval(check=False)
def write_number(out: cython.p_uchar, p: cython.Py_ssize_t, bits: cython.ulonglong) -> cython.Py_ssize_t:
    """The float64 with these bits, at most 24 bytes. Whole numbers below 2**53 have no point and no exponent."""
    hidden: cython.ulonglong = 0x10000000000000
    infinity: cython.ulonglong = 0x7FF0000000000000
    magnitude: cython.ulonglong = bits & (infinity | (hidden - 1))
    exponent: cython.int = magnitude >> 52
    c: cython.ulonglong
    digits: cython.ulonglong
    k: cython.int
    if exponent == 0x7FF and magnitude != infinity:
        out[p] = 78
        out[p + 1] = 97
        out[p + 2] = 78
        return p + 3
    if bits != magnitude:
        out[p] = 45
        p += 1
    elif exponent == 0x7FF:
        out[p] = 43
        p += 1
    if exponent == 0x7FF:
        out[p] = 73
        out[p + 1] = 110
        out[p + 2] = 102
        return p + 3
    if magnitude == 0:
        out[p] = 48
        return p + 1
    if 1023 <= exponent <= 1075:
        c = (magnitude & (hidden - 1)) | hidden
        digits = c >> (1075 - exponent)
        if digits << (1075 - exponent) == c:
            return write_integer(out, p, digits)
    digits, k = shortest(magnitude)
    return write_decimal(out, p, digits, k)


@cython.cfunc
@cython.nogil
@cython.exceptval(check=False)
def write_seconds(out: cython.p_uchar, p: cython.Py_ssize_t, nano: cython.longlong) -> cython.Py_ssize_t:
    """Nanoseconds since 1970 as seconds with three decimals, the resolution of Prometheus. Times before 1970 are 0."""
    milli: cython.ulonglong = 0
    if nano > 0:
        milli = cython.cast(cython.ulonglong, nano // 1000000)
    p = write_integer(out, p, milli // 1000)
    out[p] = 46
    out[p + 1] = 48 + milli // 100 % 10
    out[p + 2] = 48 + milli // 10 % 10
    out[p + 3] = 48 + milli % 10
    return p + 4
