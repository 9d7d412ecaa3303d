# cython: boundscheck=False, wraparound=False, initializedcheck=False, cdivision=True
"""The loop that chooses exemplars: of the spans that fell into one bucket of one row within an interval, one at random.

Chosen is the span whose ids hash to the smallest number. That is a uniform sample (a bottom-1 sketch) without a random
generator, and the same one however the spans were split into batches or ordered.

Cython in pure Python mode: compiled and uncompiled give the same results.
"""

import cython


@cython.cfunc
@cython.inline
@cython.nogil
@cython.exceptval(check=False)
def span_rank(a: cython.ulonglong, b: cython.ulonglong, c: cython.ulonglong) -> cython.ulonglong:
    """A uniform number from trace and span id: the span with the smallest is a uniform sample, whatever the order
    (bottom-k sketch).
    """
    full: cython.ulonglong = 0xFFFFFFFFFFFFFFFF
    m: cython.ulonglong = 0x9E3779B97F4A7C15
    h: cython.ulonglong = a
    h = ((h ^ (h >> 32)) * m) & full
    h = h ^ b
    h = ((h ^ (h >> 29)) * m) & full
    h = h ^ c
    h = ((h ^ (h >> 32)) * m) & full
    return h ^ (h >> 29)


@cython.cfunc
@cython.nogil
@cython.exceptval(check=False)
def offer_loop(
    index: cython.p_int,
    per_row: cython.Py_ssize_t,
    ids: cython.p_ulonglong,
    ranks: cython.p_ulonglong,
    samples: cython.p_double,
    times: cython.p_longlong,
    epochs: cython.p_longlong,
    owners: cython.p_longlong,
    free: cython.p_int,
    free_count: cython.Py_ssize_t,
    rows: cython.p_int,
    buckets: cython.p_int,
    values: cython.p_double,
    value_step: cython.Py_ssize_t,
    words: cython.p_ulonglong,
    first: cython.Py_ssize_t,
    width: cython.Py_ssize_t,
    trace_word: cython.Py_ssize_t,
    span_word: cython.Py_ssize_t,
    items: cython.p_int,
    all_items: cython.bint,
    time: cython.longlong,
    epoch: cython.longlong,
    n: cython.Py_ssize_t,
) -> cython.Py_ssize_t:
    i: cython.Py_ssize_t
    at: cython.Py_ssize_t
    owner: cython.Py_ssize_t
    slot: cython.Py_ssize_t
    rank: cython.ulonglong
    for i in range(n):
        if rows[i] < 0 or buckets[i] < 0:
            continue
        at = first + (i if all_items else items[i]) * width
        if words[at + trace_word] == 0 and words[at + trace_word + 1] == 0:
            continue
        rank = span_rank(words[at + trace_word], words[at + trace_word + 1], words[at + span_word])
        owner = rows[i] * per_row + buckets[i]
        slot = index[owner] - 1
        if slot < 0:
            free_count -= 1
            slot = free[free_count]
            index[owner] = slot + 1
            owners[slot] = owner
        elif epochs[slot] == epoch and (
            rank > ranks[slot] or (rank == ranks[slot] and values[i * value_step] >= samples[slot])
        ):
            continue
        ids[3 * slot] = words[at + trace_word]
        ids[3 * slot + 1] = words[at + trace_word + 1]
        ids[3 * slot + 2] = words[at + span_word]
        ranks[slot] = rank
        samples[slot] = values[i * value_step]
        times[slot] = time
        epochs[slot] = epoch
    return free_count


def offer(
    index: cython.int[::1],
    per_row: cython.Py_ssize_t,
    ids: cython.ulonglong[::1],
    ranks: cython.ulonglong[::1],
    samples: cython.double[::1],
    times: cython.longlong[::1],
    epochs: cython.longlong[::1],
    owners: cython.longlong[::1],
    free: cython.int[::1],
    free_count: cython.Py_ssize_t,
    rows: cython.const[cython.int][::1],
    buckets: cython.const[cython.int][::1],
    values: cython.const[cython.double][::1],
    words: cython.const[cython.ulonglong][::1],
    first: cython.Py_ssize_t,
    width: cython.Py_ssize_t,
    trace_word: cython.Py_ssize_t,
    span_word: cython.Py_ssize_t,
    items: object,
    time: cython.longlong,
    epoch: cython.longlong,
) -> int:
    """Offer each measurement as the exemplar of its row and bucket (-1: none). See ``exemplars.ExemplarPool`` for the
    arrays.

    The caller provides a free slot for every measurement. Returns how many are left.
    """
    n: cython.Py_ssize_t = len(rows)
    value_step: cython.Py_ssize_t = len(values) > 1
    chosen: cython.const[cython.int][::1] = rows if items is None else items
    all_items: cython.bint = items is None
    left: cython.Py_ssize_t
    if n == 0:
        return free_count
    if cython.compiled:
        left = offer_loop(
            cython.address(index[0]),
            per_row,
            cython.address(ids[0]),
            cython.address(ranks[0]),
            cython.address(samples[0]),
            cython.address(times[0]),
            cython.address(epochs[0]),
            cython.address(owners[0]),
            cython.address(free[0]),
            free_count,
            cython.cast(cython.p_int, cython.address(rows[0])),
            cython.cast(cython.p_int, cython.address(buckets[0])),
            cython.cast(cython.p_double, cython.address(values[0])),
            value_step,
            cython.cast(cython.p_ulonglong, cython.address(words[0])),
            first,
            width,
            trace_word,
            span_word,
            cython.cast(cython.p_int, cython.address(chosen[0])),
            all_items,
            time,
            epoch,
            n,
        )
    else:
        left = offer_loop(
            memoryview(index),
            per_row,
            memoryview(ids),
            memoryview(ranks),
            memoryview(samples),
            memoryview(times),
            memoryview(epochs),
            memoryview(owners),
            memoryview(free),
            free_count,
            memoryview(rows),
            memoryview(buckets),
            memoryview(values),
            value_step,
            memoryview(words),
            first,
            width,
            trace_word,
            span_word,
            memoryview(chosen),
            all_items,
            time,
            epoch,
            n,
        )
    return left
