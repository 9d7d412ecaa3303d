# cython: boundscheck=False, wraparound=False, initializedcheck=False, cdivision=True
"""The loops of ``RobustDetector``: one pass over all series to score a tick, one to learn it.

    rows: float64[n, 8], one cache line per series

    +-------+---------+--------+-------+------------+------+--------+----------+
    | level | between | within | ticks | inflation² | rate | excess | excesses |
    +-------+---------+--------+-------+------------+------+--------+----------+

What the quantities mean stands in ``robust.py``; here is their arithmetic, which took sixty passes of numpy. Rows
without a value change nothing. No NaN comes out, whatever went in.

Cython in pure Python mode: runs compiled and uncompiled with the same results.
"""

import math

import cython

if cython.compiled:
    from cython.cimports.libc.math import fabs, isfinite, log10, sqrt
    from cython.cimports.pipeline.memory import bytes_at, doubles_at
else:
    from pipeline.memory import bytes_at, doubles_at

    fabs, isfinite, log10, sqrt = math.fabs, math.isfinite, math.log10, math.sqrt

COLUMNS = ("level", "between", "within", "ticks", "inflation2", "rate", "excess", "excesses")

_width = cython.declare(cython.Py_ssize_t, 8)
_log10_e = cython.declare(cython.double, 0.4342944819032518)
_tail_from = cython.declare(cython.double, 2.0)
_min_rate = cython.declare(cython.double, 0.002)
_max_z = cython.declare(cython.double, 8.0)
_max_surprise = cython.declare(cython.double, 8.0)
_tail_from2 = cython.declare(cython.double, 4.0)
_out_of_band2 = cython.declare(cython.double, 16.0)
_winsor2 = cython.declare(cython.double, 9.0)
_min_inflation2 = cython.declare(cython.double, 0.36)

TAIL_FROM = _tail_from
"""Where the tail begins, in standard errors."""
MIN_RATE = _min_rate
"""Lowest rate of excesses that a series can claim: it has not been seen long enough for less."""
MAX_Z = _max_z
"""Beyond it, z says nothing more: it would be the shape of the tail that speaks."""
MAX_SURPRISE = _max_surprise
OUT_OF_BAND_Z2 = _out_of_band2
"""Square of z from which a series is learnt slowly."""
WINSOR2 = _winsor2
"""Innovations count as the root of this many error variances at most."""
MIN_INFLATION2 = _min_inflation2


@cython.ccall
def score_rows(
    mean: object,
    variance: object,
    count: object,
    fall: object,
    rows: object,
    squares: object,
    surprise: object,
    warm_up: cython.double,
    floor2: cython.double,
) -> cython.void:
    """Score a tick, the GIL released.

    Args:
        mean, variance, count, fall: float64[n], columns of ``Matrix``.
        rows: float64[n, 8], C-contiguous. A series' first value becomes its level.
        squares, surprise: float64[n], written; squares: of z.
        warm_up: Ticks with a value before a series is scored.
        floor2: Smallest variance of a mean.
    """
    n: cython.Py_ssize_t = len(mean)
    i: cython.Py_ssize_t
    k: cython.Py_ssize_t
    number: cython.double
    delta: cython.double
    size: cython.double
    value: cython.double
    if n == 0:
        return
    m: cython.p_double = doubles_at(mean)
    v: cython.p_double = doubles_at(variance)
    c: cython.p_double = doubles_at(count)
    f: cython.p_double = doubles_at(fall)
    a: cython.p_double = doubles_at(rows.reshape(-1))
    z2: cython.p_double = doubles_at(squares)
    s: cython.p_double = doubles_at(surprise)
    with cython.nogil:
        for i in range(n):
            z2[i] = 0.0
            s[i] = 0.0
            if not (c[i] > 0.0 and isfinite(m[i]) and isfinite(v[i])):
                continue
            k = i * _width
            if a[k + 3] == 0.0:
                a[k] = m[i]
            if a[k + 3] < warm_up:
                continue
            # (between + within / count + floor²) · inflation², with one division
            number = c[i] if c[i] > 1.0 else 1.0
            value = (a[k + 1] + floor2) * number + a[k + 2]
            value = value * (a[k + 4] if a[k + 4] > _min_inflation2 else _min_inflation2)
            delta = m[i] - a[k]
            z2[i] = delta * delta * number / value
            if z2[i] <= _tail_from2:
                continue
            size = sqrt(z2[i])
            if size > _max_z:
                size = _max_z
            if delta < 0.0:
                size = size * f[i]
                if size <= _tail_from:
                    continue
            value = a[k + 5] if a[k + 5] > _min_rate else _min_rate
            value = (size - _tail_from) * _log10_e / a[k + 6] - log10(value)
            if value > _max_surprise:
                value = _max_surprise
            s[i] = -value if delta < 0.0 else value


@cython.ccall
def learn_rows(
    mean: object,
    variance: object,
    count: object,
    frozen: object,
    rows: object,
    squares: object,
    warm_up: cython.double,
    floor2: cython.double,
    pace: cython.double,
    frozen_rate: cython.double,
    tail_rate: cython.double,
) -> cython.void:
    """Learn the tick that was scored last, the GIL released.

    Args:
        mean, variance, count: float64[n], columns of ``Matrix``.
        frozen: uint8[n], 1 where a series is out of band.
        rows: float64[n, 8], C-contiguous, written.
        squares: float64[n], of ``score_rows``.
        warm_up, floor2: As there.
        pace: Speed of learning in the long run.
        frozen_rate: Its share out of band.
        tail_rate: Speed at which a series learns how often it exceeds.
    """
    n: cython.Py_ssize_t = len(mean)
    i: cython.Py_ssize_t
    k: cython.Py_ssize_t
    known: cython.bint
    hot: cython.bint
    level: cython.double
    between: cython.double
    within: cython.double
    ticks: cython.double
    inflation2: cython.double
    size: cython.double
    slow: cython.double
    speed: cython.double
    step: cython.double
    square: cython.double
    part: cython.double
    value: cython.double
    if n == 0:
        return
    m: cython.p_double = doubles_at(mean)
    v: cython.p_double = doubles_at(variance)
    c: cython.p_double = doubles_at(count)
    ill: cython.p_uchar = bytes_at(frozen)
    a: cython.p_double = doubles_at(rows.reshape(-1))
    z2: cython.p_double = doubles_at(squares)
    with cython.nogil:
        for i in range(n):
            if not (c[i] > 0.0 and isfinite(m[i]) and isfinite(v[i])):
                continue
            k = i * _width
            level = a[k]
            between = a[k + 1]
            within = a[k + 2]
            ticks = a[k + 3]
            inflation2 = a[k + 4]
            known = ticks >= warm_up
            slow = frozen_rate if ill[i] else 1.0
            hot = known and (ill[i] != 0 or z2[i] > _out_of_band2)
            ticks += 1.0
            speed = pace
            if hot:
                speed = pace * frozen_rate
            elif ticks * pace < 1.0:
                speed = 1.0 / ticks
            step = m[i] - level
            square = step * step
            part = within / c[i] if c[i] > 1.0 else within
            if known:
                # how often the series exceeds, and by how much
                if z2[i] > _tail_from2:
                    size = sqrt(z2[i])
                    a[k + 5] += tail_rate * slow * (1.0 - a[k + 5])
                    a[k + 7] += slow
                    value = 3.0 * a[k + 6] + 1.0
                    if size - _tail_from < value:
                        value = size - _tail_from
                    value = value - a[k + 6]
                    value = value * slow * (1.0 / a[k + 7] if a[k + 7] < 100.0 else 0.01)
                    value = a[k + 6] + value
                    a[k + 6] = value if value > 0.3 else 0.3
                else:
                    a[k + 5] -= tail_rate * slow * a[k + 5]
                value = _winsor2 * (between + part + floor2)
                if square > value:
                    step = sqrt(value) if step > 0.0 else -sqrt(value)
                    square = value
                # how much wider z is than it should be: what the two variances do not explain
                value = inflation2 if inflation2 > _min_inflation2 else _min_inflation2
                value = z2[i] * value
                value = value if value < 16.0 else 16.0
                value = inflation2 + (0.1 * pace if hot else pace) * (value - inflation2)
                a[k + 4] = value if value > 0.16 else 0.16
            # the larger of it and 0, without a branch: one in three ticks is beyond, nobody can foretell which
            value = 0.5 * (square - part + fabs(square - part))
            between += speed * (value - between)
            if c[i] >= 2.0:
                # from the variance inside the tick
                value = 9.0 * within + 0.01
                value = v[i] if v[i] < value else value
                within += speed * (value - within)
            elif c[i] == 1.0 and ticks >= 2.0:
                # one value has none: from how well both variances together explain the step
                value = square / (between + within + 1e-9)
                value = value if value < 9.0 else 9.0
                value = within * (1.0 + speed * (value - 1.0))
                within = value if value > 1e-5 else 1e-5
            a[k] = level + speed * step
            a[k + 1] = between
            a[k + 2] = within
            a[k + 3] = ticks
