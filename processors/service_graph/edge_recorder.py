# cython: boundscheck=False, wraparound=False, initializedcheck=False, cdivision=True
"""From edges (``layout.py``) to their numbers, and on into counters and explicit histograms, in one call.

A pass over the edges writes columns: rows, weights, failures, durations. The kernels of the instruments
(``pipeline/model/accumulate.py``) take these as they are. Instruments that keep more than counts and sums are given the
columns by ``edge_metrics.py``.

Cython in pure Python mode: runs compiled and uncompiled with the same results.
"""

import cython
import numpy as np

if cython.compiled:
    from cython.cimports.pipeline.memory import doubles_at, ints_at, longs_at, words_at
    from cython.cimports.pipeline.model.accumulate import add_loop, histogram_loop
    from cython.cimports.processors.service_graph import layout
    from cython.cimports.processors.service_graph.edge_rows import RowCache, find_rows
else:
    from pipeline.memory import doubles_at, ints_at, longs_at, words_at
    from pipeline.model.accumulate import add_loop, histogram_loop
    from processors.service_graph import layout
    from processors.service_graph.edge_rows import RowCache, find_rows

TIME_PROBLEMS = ("missing_time", "negative_duration", "duration_range")
"""What can be wrong with the times of a half."""

REFUSED = ("requests", "failed", "server", "client")
"""The instruments, in the order of ``EdgeRecorder.refused``."""

_no_edge = cython.declare(cython.int, -1)


@cython.final
@cython.cclass
class EdgeRecorder:
    """See the module. What it shows of the last edges is valid until the next ones.

    Args:
        cache: Knows rows of edges.
        longest_nano: Durations above are taken for a wrong clock.

    Attributes:
        problems: int64[3], halves whose times cannot be right, by ``TIME_PROBLEMS``.
        refused: int64[4], measurements that instruments refused, by ``REFUSED``; whoever reads them sets them to 0.
        weighted: Edges that stand for another number of calls than 1.
    """

    cache: RowCache
    problems = cython.declare(object, visibility="readonly")
    refused = cython.declare(object, visibility="readonly")
    weighted = cython.declare(cython.Py_ssize_t, visibility="readonly")
    _edges: object
    _room: object
    _bound: object
    edges: cython.p_ulonglong
    n: cython.Py_ssize_t
    capacity: cython.Py_ssize_t
    longest: cython.ulonglong
    failures: cython.Py_ssize_t
    wrong: cython.p_longlong
    refusals: cython.p_longlong
    keys_at: cython.p_ulonglong
    rows_at: cython.p_int
    server_rows_at: cython.p_int
    client_rows_at: cython.p_int
    buckets: cython.p_int
    weights_at: cython.p_double
    failed_at: cython.p_double
    server_at: cython.p_double
    client_at: cython.p_double
    requests: cython.p_double
    failed_requests: cython.p_double
    server_counts: cython.p_double
    server_sums: cython.p_ulonglong
    client_counts: cython.p_double
    client_sums: cython.p_ulonglong
    bounds: cython.p_double
    bound_count: cython.Py_ssize_t
    per_unit: cython.double
    is_counting: cython.bint
    is_observing: cython.bint

    def __init__(self, cache: RowCache, longest_nano: int) -> None:
        self.cache = cache
        self.longest = min(longest_nano, (1 << 64) - 1)
        self.problems = np.zeros(len(TIME_PROBLEMS), np.int64)
        self.refused = np.zeros(len(REFUSED), np.int64)
        self.wrong = longs_at(self.problems)
        self.refusals = longs_at(self.refused)
        self.is_counting = False
        self.is_observing = False
        self.weighted = 0
        self.n = 0
        self.capacity = 0
        self._bound = [(), ()]
        self._make_room(1024)

    def bind_counters(self, requests: object, failed: object) -> None:
        """Add to these: float64 by row."""
        self._bound[0] = (requests, failed)
        self.requests = doubles_at(requests)
        self.failed_requests = doubles_at(failed)
        self.is_counting = True

    def bind_histograms(self, server: tuple, client: tuple, bounds: object, count: int, per_unit: float) -> None:
        """Observe into these.

        Args:
            server, client: float64[rows * (count + 1)] and uint64[rows * 2], counts and sums.
            bounds, count, per_unit: As for ``accumulate.observe``.
        """
        self._bound[1] = (server, client, bounds)
        self.server_counts = doubles_at(server[0])
        self.server_sums = words_at(server[1])
        self.client_counts = doubles_at(client[0])
        self.client_sums = words_at(client[1])
        self.bounds = doubles_at(bounds)
        self.bound_count = count
        self.per_unit = per_unit
        self.is_observing = True

    def find(self, edges: object) -> int:
        """Take edges (uint64[n, 16], n > 0) and look up their rows; how many the cache does not know."""
        missing: cython.Py_ssize_t
        self._make_room(len(edges))
        self._edges = edges
        self.edges = words_at(edges.reshape(-1))
        self.n = len(edges)
        with cython.nogil:
            missing = find_rows(self.cache, self.edges, self.n, self.keys_at, self.rows_at)
        return missing

    def record(self) -> bool:
        """Measure the edges, whose rows are all known now, and count and observe them; whether all was accepted."""
        n: cython.Py_ssize_t = self.n
        i: cython.Py_ssize_t
        refused: cython.longlong = 0
        with cython.nogil:
            measure(self)
            if self.is_counting:
                self.refusals[0] += add_loop(self.requests, self.rows_at, self.weights_at, 1, n, True)
                if self.failures:  # the series are there without: both counters stand in one table
                    self.refusals[1] += add_loop(self.failed_requests, self.rows_at, self.failed_at, 1, n, True)
            if self.is_observing:
                self.refusals[2] += histogram_loop(
                    self.server_counts,
                    self.server_sums,
                    self.bounds,
                    self.bound_count,
                    self.per_unit,
                    self.server_rows_at,
                    self.server_at,
                    self.weights_at,
                    1,
                    self.buckets,
                    n,
                )
                self.refusals[3] += histogram_loop(
                    self.client_counts,
                    self.client_sums,
                    self.bounds,
                    self.bound_count,
                    self.per_unit,
                    self.client_rows_at,
                    self.client_at,
                    self.weights_at,
                    1,
                    self.buckets,
                    n,
                )
            for i in range(4):
                refused += self.refusals[i]
        return refused == 0

    @property
    def keys(self) -> object:
        """uint64[n], see ``edge_rows.py``."""
        return self._room[0][: self.n]

    @property
    def rows(self) -> object:
        """int32[n], the edges' series; negative where there is none."""
        return self._room[1][: self.n]

    @property
    def server_side(self) -> tuple:
        """int32[n] and float64[n]: rows, negative where nothing can be said of the duration, and durations."""
        return self._room[2][: self.n], self._room[7][: self.n]

    @property
    def client_side(self) -> tuple:
        """The same as the client saw it."""
        return self._room[3][: self.n], self._room[8][: self.n]

    @property
    def weights(self) -> object:
        """float64[n], calls that each edge stands for."""
        return self._room[5][: self.n]

    def _make_room(self, n: cython.Py_ssize_t) -> None:
        if n <= self.capacity:
            return
        self.capacity = 2 * n
        size = self.capacity
        ints = [np.empty(size, np.int32) for _ in range(4)]
        doubles = [np.empty(size) for _ in range(4)]
        keys = np.empty(size, np.uint64)
        self._room = (keys, *ints, *doubles)
        self.keys_at = words_at(keys)
        self.rows_at = ints_at(ints[0])
        self.server_rows_at = ints_at(ints[1])
        self.client_rows_at = ints_at(ints[2])
        self.buckets = ints_at(ints[3])
        self.weights_at = doubles_at(doubles[0])
        self.failed_at = doubles_at(doubles[1])
        self.server_at = doubles_at(doubles[2])
        self.client_at = doubles_at(doubles[3])


@cython.cfunc
@cython.inline
@cython.nogil
@cython.exceptval(check=False)
def seconds_of(
    edges: cython.p_ulonglong,
    half: cython.Py_ssize_t,
    longest: cython.ulonglong,
    wrong: cython.p_longlong,
) -> cython.double:
    """Duration of a half: 0 where it ends before it starts, -1 where nothing can be said. ``wrong`` counts by
    ``TIME_PROBLEMS``."""
    start: cython.ulonglong = edges[half + layout.START]
    end: cython.ulonglong = edges[half + layout.END]
    if start == 0 or end == 0:
        wrong[0] += 1
        return -1.0
    if end < start:
        wrong[1] += 1
        return 0.0
    if end - start > longest:
        wrong[2] += 1
        return -1.0
    return cython.cast(cython.double, end - start) / 1e9


@cython.cfunc
@cython.inline
@cython.nogil
@cython.exceptval(check=False)
def double_of(word: cython.ulonglong) -> cython.double:
    """The float64 with these bits."""
    if cython.compiled:
        return cython.cast(cython.p_double, cython.address(word))[0]
    else:  # noqa: RET505 - Cython drops this branch
        return float(np.uint64(word).view(np.float64))


@cython.cfunc
@cython.nogil
@cython.exceptval(check=False)
def measure(recorder: EdgeRecorder) -> cython.void:
    """Write the numbers of each edge.

    Its weight is the larger of its halves', because with consistent sampling both are kept exactly when the rarer one
    is. A virtual node's duration is 0, a database's is its client's.
    """
    i: cython.Py_ssize_t
    at: cython.Py_ssize_t
    edges: cython.p_ulonglong = recorder.edges
    client: cython.ulonglong
    server: cython.ulonglong
    weight: cython.double
    other: cython.double
    client_s: cython.double
    server_s: cython.double
    row: cython.int
    recorder.failures = 0
    recorder.weighted = 0
    for i in range(recorder.n):
        at = i * layout.EDGE
        client = edges[at + layout.LABEL]
        server = edges[at + layout.HALF + layout.LABEL]
        weight = 0.0
        client_s = 0.0
        server_s = 0.0
        if client != 0:
            weight = double_of(edges[at + layout.WEIGHT])
            client_s = seconds_of(edges, at, recorder.longest, recorder.wrong)
        if server != 0:
            other = double_of(edges[at + layout.HALF + layout.WEIGHT])
            if other > weight:
                weight = other
            server_s = seconds_of(edges, at + layout.HALF, recorder.longest, recorder.wrong)
        elif (client >> 32) & layout.ALONE:
            server_s = client_s
        if weight != 1.0:
            recorder.weighted += 1
        recorder.weights_at[i] = weight
        recorder.failed_at[i] = 0.0
        if ((client | server) >> 32) & layout.FAILED:
            recorder.failures += 1
            recorder.failed_at[i] = weight
        row = recorder.rows_at[i]
        recorder.client_at[i] = client_s
        recorder.server_at[i] = server_s
        recorder.client_rows_at[i] = _no_edge if client_s < 0 else row
        recorder.server_rows_at[i] = _no_edge if server_s < 0 else row


@cython.ccall
def messaging_latency(edges: object, seconds: object) -> cython.Py_ssize_t:
    """Write the time between the end of the producer and the start of the consumer, for messaging edges with both
    sides.

    Args:
        seconds: float64[n]; -1 for other edges, and where there is no time or the consumer starts no later than the
            producer ends: the clocks disagree, or the producer's span waits for the consumer.
    Returns:
        How many had a latency that is not above 0.
    """
    n: cython.Py_ssize_t = len(seconds)
    i: cython.Py_ssize_t
    at: cython.Py_ssize_t
    not_positive: cython.Py_ssize_t = 0
    sent: cython.ulonglong
    taken: cython.ulonglong
    client: cython.ulonglong
    server: cython.ulonglong
    edge: cython.p_ulonglong = words_at(edges.reshape(-1))
    to: cython.p_double = doubles_at(seconds)
    with cython.nogil:
        for i in range(n):
            at = i * layout.EDGE
            client = edge[at + layout.LABEL]
            server = edge[at + layout.HALF + layout.LABEL]
            sent = edge[at + layout.END]
            taken = edge[at + layout.HALF + layout.START]
            to[i] = -1.0
            if client == 0 or server == 0 or not ((client | server) >> 32) & layout.MESSAGING:
                continue
            if sent == 0 or taken == 0:
                continue
            if taken <= sent:
                not_positive += 1
            else:
                to[i] = cython.cast(cython.double, taken - sent) / 1e9
    return not_positive
