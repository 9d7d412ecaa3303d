# cython: boundscheck=False, wraparound=False, initializedcheck=False, cdivision=True
"""The loops that put measurements into the columns of instruments.

Sums of histograms are integers, multiples of the instrument's resolution in 128 bits; high word and low word of a row
stand side by side. Integer addition is exact and has no order, so splitting or reordering batches changes no bit of a
sum. Rows below zero are passed over; the caller has checked that all others exist.

Cython in pure Python mode: compiled and uncompiled give the same results.
"""

import math

import cython

if cython.compiled:
    from cython.cimports.libc.math import ceil, floor, frexp, isfinite, log2, rint
else:
    ceil, floor, frexp, isfinite, log2, rint = math.ceil, math.floor, math.frexp, math.isfinite, math.log2, round

_two64 = cython.declare(cython.double, 18446744073709551616.0)
_sum_limit = cython.declare(cython.double, 3.961408125713217e28)
"""2**95 multiples of the resolution: above it a value is refused, below it 2**32 of them cannot overflow a sum."""
_integer_limit = cython.declare(cython.double, 9007199254740992.0)
"""2**53: weights above it are not whole numbers that a float64 tells apart."""
_small = cython.declare(cython.double, 2251799813685248.0)
"""2**51"""
_no_fraction = cython.declare(cython.double, 6755399441055744.0)
"""3 * 2**51: doubles this large, and up to 2**51 larger, are whole numbers."""
_linear_bounds = cython.declare(cython.int, 32)
"""Up to so many bounds comparing with all of them, which the compiler vectorises, beats a binary search."""
_release_above = cython.declare(cython.Py_ssize_t, 4096)
"""Below this many rows a loop takes microseconds, less than handing the GIL over and getting it back."""
_max_scale = cython.declare(cython.int, 20)
_smallest_normal = cython.declare(cython.double, 2.2250738585072014e-308)

MAX_SCALE = _max_scale
"""Finest scale of an exponential histogram (OpenTelemetry SDK specification, MaxScale)."""


@cython.cfunc
@cython.inline
@cython.nogil
@cython.exceptval(check=False)
def add_to_sum(
    sums: cython.p_ulonglong, row: cython.Py_ssize_t, high: cython.ulonglong, low: cython.ulonglong
) -> cython.void:
    """``sums[row] += high << 64 | low``"""
    full: cython.ulonglong = 0xFFFFFFFFFFFFFFFF
    low = (sums[2 * row + 1] + low) & full
    if low < sums[2 * row + 1]:
        high += 1
    sums[2 * row + 1] = low
    sums[2 * row] = (sums[2 * row] + high) & full


@cython.cfunc
@cython.inline
@cython.nogil
@cython.exceptval(check=False)
def add_product(
    sums: cython.p_ulonglong,
    row: cython.Py_ssize_t,
    units: cython.double,
    times: cython.double,
    whole: cython.bint,
) -> cython.void:
    """``sums[row] += units * times``: exactly where ``times`` is a whole number, else rounded once."""
    full: cython.ulonglong = 0xFFFFFFFFFFFFFFFF
    low32: cython.ulonglong = 0xFFFFFFFF
    high: cython.ulonglong = 0
    low: cython.ulonglong
    factor: cython.ulonglong
    product: cython.ulonglong
    middle: cython.ulonglong
    if not whole:
        units = rint(units * times)
        times = 1
    if units >= _two64:
        high = cython.cast(cython.ulonglong, floor(units / _two64))
        low = cython.cast(cython.ulonglong, units - cython.cast(cython.double, high) * _two64)
    else:
        low = cython.cast(cython.ulonglong, units)
    if times != 1:
        factor = cython.cast(cython.ulonglong, times)
        high = (high * factor) & full
        product = (low & low32) * (factor & low32)
        middle = (low >> 32) * (factor & low32) + (product >> 32)
        high = (high + (middle >> 32) + (low >> 32) * (factor >> 32)) & full
        middle = (middle & low32) + (low & low32) * (factor >> 32)
        high = (high + (middle >> 32)) & full
        low = ((middle & low32) << 32) | (product & low32)
    add_to_sum(sums, row, high, low)


@cython.cfunc
@cython.inline
@cython.nogil
@cython.exceptval(check=False)
def is_whole(weight: cython.double) -> cython.bint:
    """Whether a weight multiplies exactly."""
    return weight <= _integer_limit and floor(weight) == weight


@cython.cfunc
@cython.inline
@cython.nogil
@cython.exceptval(check=False)
def add_value(
    sums: cython.p_ulonglong, row: cython.Py_ssize_t, units: cython.double, weight: cython.double
) -> cython.void:
    """Add a measurement of so many units. Most count once and are small. Those take no call of the mathematical
    library: a double that loses its fraction to a larger one is rounded as ``rint`` does.
    """
    if weight == 1 and units < _small:
        units = (units + _no_fraction) - _no_fraction
        add_to_sum(sums, row, 0, cython.cast(cython.ulonglong, cython.cast(cython.longlong, units)))
    else:
        add_product(sums, row, rint(units), weight, is_whole(weight))


@cython.cfunc
@cython.inline
@cython.nogil
@cython.exceptval(check=False)
def bucket_of(value: cython.double, bounds: cython.p_double, count: cython.Py_ssize_t) -> cython.Py_ssize_t:
    """Index of the first bound that is not below the value; ``count`` where all are."""
    i: cython.Py_ssize_t
    low: cython.Py_ssize_t = 0
    high: cython.Py_ssize_t = count
    below: cython.longlong = 0
    if count <= _linear_bounds:
        for i in range(count):
            below += bounds[i] < value
        return below
    while low < high:
        i = (low + high) >> 1
        if bounds[i] < value:
            low = i + 1
        else:
            high = i
    return low


@cython.cfunc
@cython.nogil
@cython.exceptval(check=False)
def add_loop(
    values: cython.p_double,
    rows: cython.p_int,
    amounts: cython.p_double,
    step: cython.Py_ssize_t,
    n: cython.Py_ssize_t,
    monotonic: cython.bint,
) -> cython.Py_ssize_t:
    i: cython.Py_ssize_t
    refused: cython.Py_ssize_t = 0
    amount: cython.double
    for i in range(n):
        if rows[i] < 0:
            continue
        amount = amounts[i * step]
        if not isfinite(amount) or (monotonic and amount < 0):
            refused += 1
            continue
        values[rows[i]] += amount
    return refused


@cython.cfunc
@cython.nogil
@cython.exceptval(check=False)
def histogram_loop(
    counts: cython.p_double,
    sums: cython.p_ulonglong,
    bounds: cython.p_double,
    bound_count: cython.Py_ssize_t,
    per_unit: cython.double,
    rows: cython.p_int,
    values: cython.p_double,
    weights: cython.p_double,
    step: cython.Py_ssize_t,
    buckets: cython.p_int,
    n: cython.Py_ssize_t,
) -> cython.Py_ssize_t:
    i: cython.Py_ssize_t
    row: cython.Py_ssize_t
    bucket: cython.Py_ssize_t
    refused: cython.Py_ssize_t = 0
    value: cython.double
    weight: cython.double
    units: cython.double
    for i in range(n):
        row = rows[i]
        buckets[i] = -1
        if row < 0:
            continue
        value = values[i]
        weight = weights[i * step]
        units = value * per_unit
        if not (value >= 0 and weight > 0 and units * weight < _sum_limit and units < _sum_limit):
            refused += 1
            continue
        bucket = bucket_of(value, bounds, bound_count)
        counts[row * (bound_count + 1) + bucket] += weight
        add_value(sums, row, units, weight)
        buckets[i] = bucket
    return refused


def add(
    values: cython.double[::1],
    rows: cython.const[cython.int][::1],
    amounts: cython.const[cython.double][::1],
    monotonic: cython.bint,
) -> int:
    """``values[rows[i]] += amounts[i]``; one amount stands for all rows. Returns how many were refused.

    Refused are amounts that are not finite and, where ``monotonic``, negative ones.
    """
    n: cython.Py_ssize_t = len(rows)
    step: cython.Py_ssize_t = len(amounts) > 1
    refused: cython.Py_ssize_t
    if n == 0:
        return 0
    if cython.compiled:
        v: cython.p_double = cython.address(values[0])
        r: cython.p_int = cython.cast(cython.p_int, cython.address(rows[0]))
        a: cython.p_double = cython.cast(cython.p_double, cython.address(amounts[0]))
        if n < _release_above:
            refused = add_loop(v, r, a, step, n, monotonic)
        else:
            with cython.nogil:
                refused = add_loop(v, r, a, step, n, monotonic)
    else:
        refused = add_loop(memoryview(values), memoryview(rows), memoryview(amounts), step, n, monotonic)
    return refused


def put(
    values: cython.double[::1], rows: cython.const[cython.int][::1], latest: cython.const[cython.double][::1]
) -> int:
    """``values[rows[i]] = latest[i]``; one value stands for all rows. Returns how many were NaN and refused."""
    i: cython.Py_ssize_t
    step: cython.Py_ssize_t = len(latest) > 1
    refused: cython.Py_ssize_t = 0
    for i in range(len(rows)):
        if rows[i] < 0:
            continue
        if latest[i * step] != latest[i * step]:
            refused += 1
        else:
            values[rows[i]] = latest[i * step]
    return refused


def observe(
    counts: cython.double[::1],
    sums: cython.ulonglong[::1],
    bounds: cython.const[cython.double][::1],
    bound_count: cython.Py_ssize_t,
    per_unit: cython.double,
    rows: cython.const[cython.int][::1],
    values: cython.const[cython.double][::1],
    weights: cython.const[cython.double][::1],
    buckets: cython.int[::1],
) -> int:
    """Put values into explicit histograms.

    Args:
        counts: float64[rows * (bound_count + 1)], changed.
        sums: uint64[rows * 2], high and low word, in multiples of the resolution, changed.
        bounds: float64, ascending; ``bound_count`` of them.
        per_unit: Multiples of the resolution in 1.
        rows, values: One per observation. ``weights``: the same, or one for all.
        buckets: int32[n], filled: the bucket of each value, -1 where it was not observed.

    Returns:
        How many were refused: values negative, not finite or too large for the sum; weights not positive or not finite.
    """
    n: cython.Py_ssize_t = len(rows)
    step: cython.Py_ssize_t = len(weights) > 1
    refused: cython.Py_ssize_t
    if n == 0:
        return 0
    if cython.compiled:
        c: cython.p_double = cython.address(counts[0])
        s: cython.p_ulonglong = cython.address(sums[0])
        b: cython.p_double = cython.cast(cython.p_double, cython.address(bounds[0]))
        r: cython.p_int = cython.cast(cython.p_int, cython.address(rows[0]))
        v: cython.p_double = cython.cast(cython.p_double, cython.address(values[0]))
        w: cython.p_double = cython.cast(cython.p_double, cython.address(weights[0]))
        k: cython.p_int = cython.address(buckets[0])
        if n < _release_above:
            refused = histogram_loop(c, s, b, bound_count, per_unit, r, v, w, step, k, n)
        else:
            with cython.nogil:
                refused = histogram_loop(c, s, b, bound_count, per_unit, r, v, w, step, k, n)
    else:
        refused = histogram_loop(
            memoryview(counts),
            memoryview(sums),
            memoryview(bounds),
            bound_count,
            per_unit,
            memoryview(rows),
            memoryview(values),
            memoryview(weights),
            step,
            memoryview(buckets),
            n,
        )
    return refused


# -- base-2 exponential histograms -----------------------------------------------------------------


@cython.cfunc
@cython.inline
@cython.nogil
@cython.exceptval(check=False)
def index_at_max_scale(value: cython.double) -> cython.longlong:
    """The bucket (base ** i, base ** (i + 1)] of a positive value at the finest scale; coarser ones are ``i >>
    difference``.

    Computed at one scale only, a value falls into the same bucket whatever came before it. Powers of two are exact; as
    in the SDKs, other values next to a boundary are as precise as ``log2``, and subnormal values count as the smallest
    normal one.
    """
    exponent: cython.int = 0
    fraction: cython.double
    part: cython.longlong
    if value < _smallest_normal:
        value = _smallest_normal
    if cython.compiled:
        fraction = frexp(value, cython.address(exponent))
    else:
        fraction, exponent = frexp(value)
    exponent -= 1
    if fraction == 0.5:
        return (cython.cast(cython.longlong, exponent) << _max_scale) - 1
    part = cython.cast(cython.longlong, ceil((log2(fraction) + 1.0) * 1048576.0))
    if part < 1:
        part = 1
    elif part > 1048576:
        part = 1048576
    return (cython.cast(cython.longlong, exponent) << _max_scale) + part - 1


@cython.cfunc
@cython.inline
@cython.nogil
@cython.exceptval(check=False)
def place(index: cython.longlong, size: cython.longlong) -> cython.longlong:
    """Where bucket ``index`` stands in a ring of ``size``."""
    at: cython.longlong
    if cython.compiled:
        at = index % size  # as C has it: the sign of the index
        return at + size if at < 0 else at
    else:  # noqa: RET505
        return index % size


@cython.cfunc
@cython.nogil
@cython.exceptval(check=False)
def coarsen(
    counts: cython.p_double,
    base: cython.Py_ssize_t,
    size: cython.longlong,
    low: cython.longlong,
    high: cython.longlong,
    by: cython.int,
    spare: cython.p_double,
) -> cython.void:
    """Merge the buckets low … high of one ring, each 2 ** ``by`` into one."""
    i: cython.longlong
    for i in range(size):
        spare[i] = counts[base + i]
        counts[base + i] = 0
    for i in range(low, high + 1):
        counts[base + place(i >> by, size)] += spare[place(i, size)]


@cython.cfunc
@cython.nogil
@cython.exceptval(check=False)
def exponential_loop(
    counts: cython.p_double,
    size: cython.longlong,
    zeros: cython.p_double,
    scales: cython.p_int,
    lows: cython.p_longlong,
    highs: cython.p_longlong,
    sums: cython.p_ulonglong,
    least: cython.p_double,
    most: cython.p_double,
    per_unit: cython.double,
    rows: cython.p_int,
    values: cython.p_double,
    weights: cython.p_double,
    step: cython.Py_ssize_t,
    buckets: cython.p_int,
    n: cython.Py_ssize_t,
    spare: cython.p_double,
) -> cython.Py_ssize_t:
    i: cython.Py_ssize_t
    row: cython.Py_ssize_t
    refused: cython.Py_ssize_t = 0
    by: cython.int
    index: cython.longlong
    low: cython.longlong
    high: cython.longlong
    value: cython.double
    weight: cython.double
    units: cython.double
    for i in range(n):
        row = rows[i]
        buckets[i] = -1
        if row < 0:
            continue
        value = values[i]
        weight = weights[i * step]
        units = value * per_unit
        if not (value >= 0 and weight > 0 and units * weight < _sum_limit and units < _sum_limit):
            refused += 1
            continue
        add_value(sums, row, units, weight)
        if value < least[row]:
            least[row] = value
        if value > most[row]:
            most[row] = value
        buckets[i] = 0
        if value == 0:
            zeros[row] += weight
            continue
        index = index_at_max_scale(value)
        buckets[i] = (index >> _max_scale) & 7
        if highs[row] < lows[row]:
            scales[row] = _max_scale
            low = index
            high = index
        else:
            index >>= _max_scale - scales[row]
            low = index if index < lows[row] else lows[row]
            high = index if index > highs[row] else highs[row]
            by = 0
            while (high >> by) - (low >> by) >= size:
                by += 1
            if by:
                coarsen(counts, row * size, size, lows[row], highs[row], by, spare)
                scales[row] -= by
                index >>= by
                low >>= by
                high >>= by
        lows[row] = low
        highs[row] = high
        counts[row * size + place(index, size)] += weight
    return refused


def observe_exponential(
    counts: cython.double[::1],
    size: cython.longlong,
    zeros: cython.double[::1],
    scales: cython.int[::1],
    lows: cython.longlong[::1],
    highs: cython.longlong[::1],
    sums: cython.ulonglong[::1],
    least: cython.double[::1],
    most: cython.double[::1],
    per_unit: cython.double,
    rows: cython.const[cython.int][::1],
    values: cython.const[cython.double][::1],
    weights: cython.const[cython.double][::1],
    buckets: cython.int[::1],
    spare: cython.double[::1],
) -> int:
    """Put values into base-2 exponential histograms of at most ``size`` buckets.

    The buckets of a row are a ring: bucket ``lows[row] <= i <= highs[row]`` stands at ``i % size``; ``highs < lows``
    where there is none. When the range would exceed the ring, the scale is lowered until it fits, as the SDK
    specification asks. ``buckets`` is filled with a number from 0 to 7 for each value, -1 where it was refused: the
    exponent's last bits, to spread exemplars.
    """
    n: cython.Py_ssize_t = len(rows)
    step: cython.Py_ssize_t = len(weights) > 1
    refused: cython.Py_ssize_t
    if n == 0:
        return 0
    if cython.compiled:
        r: cython.p_int = cython.cast(cython.p_int, cython.address(rows[0]))
        v: cython.p_double = cython.cast(cython.p_double, cython.address(values[0]))
        w: cython.p_double = cython.cast(cython.p_double, cython.address(weights[0]))
        with cython.nogil:
            refused = exponential_loop(
                cython.address(counts[0]),
                size,
                cython.address(zeros[0]),
                cython.address(scales[0]),
                cython.address(lows[0]),
                cython.address(highs[0]),
                cython.address(sums[0]),
                cython.address(least[0]),
                cython.address(most[0]),
                per_unit,
                r,
                v,
                w,
                step,
                cython.address(buckets[0]),
                n,
                cython.address(spare[0]),
            )
    else:
        refused = exponential_loop(
            memoryview(counts),
            size,
            memoryview(zeros),
            memoryview(scales),
            memoryview(lows),
            memoryview(highs),
            memoryview(sums),
            memoryview(least),
            memoryview(most),
            per_unit,
            memoryview(rows),
            memoryview(values),
            memoryview(weights),
            step,
            memoryview(buckets),
            n,
            memoryview(spare),
        )
    return refused
