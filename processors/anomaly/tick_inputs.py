"""TickInputs: from the joined spans of a tick to one mean, variance and count per series.

    exclusive time   spans that did not fail, without their children, log10 ms       per service, operation and kind
    gap              calls that did not fail, without the callee's time, log10 ms    per caller, callee and operation
    calls per root   log10 of the ratio, of operations that few traces lack          per service, operation and kind
    error share      failed of all calls served, shrunk where there are few          per service

Failed spans are another population: they end early or time out, and their share is its own signal. Logarithms are
rounded to whole multiples of 2^-12, so that sums are exact and no order of the spans changes them.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from pipeline.api import Clock, Label, SpanBatch, label
from pipeline.model.limits import Limits
from pipeline.model.series import SeriesTable
from pipeline.model.snapshot import OVERFLOW_LABEL
from processors.anomaly.detector import Floats, Matrix
from processors.anomaly.series_bank import DURATION, ERRORS, GAP, RATE, REFUSED, Series, SeriesBank
from processors.anomaly.span_store import Joined

Int32s = npt.NDArray[np.int32]
Int64s = npt.NDArray[np.int64]

OPERATION_LABELS = (
    Label("service.name", ("resource.service.name",), "unknown_service"),
    label("name"),
    label("kind"),
)
OPERATION_COLUMNS = ("resource.service.name", "name", "kind")

UNIT = 4096.0
"""Steps per decade of the rounded logarithms: 0.06 %."""
SHORTEST_MS = 0.01
"""Shorter times are taken as this: below, clocks and rounding speak."""
SERVED = np.isin(np.arange(256), (2, 5))
CALLING = np.isin(np.arange(256), (3, 4))
"""By number of SpanKind: server and consumer; client and producer."""
RATE_VARIANCE = 0.19
"""Of log10 of one Poisson count: (log10 e)²."""
COMMON_SHARE = 0.3
"""Operations with fewer calls per root than this have no rate series: they would be noise."""
QUIET_CALLS = 20.0
"""Calls without failure that are added to a tick: a few failures in little traffic are no incident."""
ERROR_SCALE = 3.0
"""Brings shares of errors onto the scale of log10 durations."""
FORGETTING = 0.999
"""Per tick, of the counts that say what is common."""
IDLE_S = 3600.0
SILENT_CALLS = 20.0
"""A service that usually has as many calls in a tick can fall silent; others are quiet now and then."""
SILENT_TICKS = 12
"""So long without any call is silence: callers that fail for a minute are not taken for it."""


class TickInputs:
    """See the module.

    Args:
        bank: Where series get their rows.
        max_operations: Operations told apart. Spans of others are in no series.

    Attributes:
        operations: The table of operations: service, span name, kind.
        overflowed: Spans of operations beyond the limit.
    """

    def __init__(self, bank: SeriesBank, clock: Clock, max_operations: int) -> None:
        self.bank = bank
        limits = Limits(max_series=max_operations, expire_series_after_s=IDLE_S)
        self.operations = SeriesTable(OPERATION_LABELS, clock, limits=limits)
        self.overflowed = 0
        self.roots_seen = 0.0
        self.edges: dict[tuple[str, str], int] = {}
        self.silence: dict[str, int] = {}
        self._generations = (-1, -1, -1)
        self._named: list[tuple[str, str, str]] = []
        self.service_of = np.zeros(1, np.int32)
        self.calls_seen, self.calls_out, self.calls_remote = np.zeros((3, 1))
        self._own, self._rate = np.full((2, 1), -1, np.int32)
        self._gaps: dict[int, int] = {}
        self._errors: dict[int, int] = {}

    def operations_of(self, spans: SpanBatch) -> Int32s:
        """int32[n]: the operation of each span."""
        rows = self.operations.rows_of(spans)
        self.know(rows)
        return rows

    def expire(self, before_tick: int) -> npt.NDArray[np.int64]:
        """Give up what nobody has used for an hour: operations, and series without a value since ``before_tick``,
        whose rows are returned."""
        self.operations.note_collected(delta=False)
        self.operations.expire()
        rows = self.bank.expire(before_tick)
        if len(rows):
            self.edges = {edge: tick for edge, tick in self.edges.items() if tick >= before_tick}
        return rows

    def measure(self, joined: Joined, tick: int, second: float) -> Matrix:
        """The matrix of a tick; rows of series without spans have count 0."""
        self.know(joined.operations)
        collected: list[tuple[Int64s, Floats, Floats, Floats]] = [
            self._durations(joined, tick),
            self._gap_times(joined, tick),
            self._rates(joined, tick),
            self._error_shares(joined, tick),
        ]
        mean, variance, count = np.zeros((3, self.bank.capacity))
        for rows, means, variances, counts in collected:
            mean[rows], variance[rows], count[rows] = means, variances, counts
        self._note_silence(joined)
        self.bank.seen[count > 0] = tick
        return Matrix(mean, variance, count, self.bank.fall, second, self.bank)

    # -- the four kinds of series ------------------------------------------------------------------

    def _durations(self, joined: Joined, tick: int) -> tuple[Int64s, Floats, Floats, Floats]:
        """Exclusive time. Of calls to other services the gap is looked at instead: where most calls of an operation
        have a callee, one without is a lost span, not a slow caller."""
        calling = CALLING[joined.kinds]
        remote = calling & (joined.callees >= 0)
        size = len(self._own)
        self.calls_out = FORGETTING * self.calls_out + np.bincount(joined.operations[calling], minlength=size)
        self.calls_remote = FORGETTING * self.calls_remote + np.bincount(joined.operations[remote], minlength=size)
        calls_others = self.calls_remote >= 0.5 * np.maximum(self.calls_out, 1e-9)
        chosen = ~joined.failed & ~remote & ~(calling & calls_others[joined.operations])
        operations = joined.operations[chosen]
        found, means, variances, counts = _moments(operations, joined.self_nano[chosen], size)
        for operation in found[self._own[found] == -1].tolist():
            self._own[operation] = self._row(DURATION, operation, tick)
        return _placed(self._own[found], means, variances, counts)

    def _gap_times(self, joined: Joined, tick: int) -> tuple[Int64s, Floats, Floats, Floats]:
        chosen = ~joined.failed & (joined.callees >= 0) & CALLING[joined.kinds]
        callee = self.service_of[joined.callees[chosen]].astype(np.int64)
        keys, which = np.unique(joined.operations[chosen].astype(np.int64) << 32 | callee, return_inverse=True)
        _, means, variances, counts = _moments(which.astype(np.int32), joined.gap_nano[chosen], len(keys))
        rows = np.array([self._gap_row(key, tick) for key in keys.tolist()], np.int32)
        return _placed(rows, means, variances, counts)

    def _rates(self, joined: Joined, tick: int) -> tuple[Int64s, Floats, Floats, Floats]:
        calls = np.bincount(joined.operations, minlength=len(self._rate)).astype(np.float64)
        self.calls_seen = FORGETTING * self.calls_seen + calls
        self.roots_seen = FORGETTING * self.roots_seen + joined.roots
        common = self.calls_seen > COMMON_SHARE * max(self.roots_seen, 1.0)
        for operation in np.flatnonzero(common & (self._rate == -1)).tolist():
            self._rate[operation] = self._row(RATE, operation, tick)
        found = np.flatnonzero(common & (self._rate >= 0)) if joined.roots else np.zeros(0, np.int64)
        ratio = np.log10((calls[found] + 1.0) / (joined.roots + 1.0))
        usual = self.calls_seen[found] / max(self.roots_seen, 1.0) * joined.roots
        variance = np.full(len(found), RATE_VARIANCE)
        return _placed(self._rate[found], ratio, variance, np.maximum(np.maximum(calls[found], usual), 1.0))

    def _error_shares(self, joined: Joined, tick: int) -> tuple[Int64s, Floats, Floats, Floats]:
        served = SERVED[joined.kinds]
        services = self.service_of[joined.operations[served]]
        size = len(self.bank.services) + 1
        calls = np.bincount(services, minlength=size).astype(np.float64)
        failed = np.bincount(services, weights=joined.failed[served], minlength=size)
        found = np.flatnonzero(calls)
        calls, failed = calls[found], failed[found]
        share = failed / calls
        rows = np.array([self._error_row(service, tick) for service in found.tolist()], np.int32)
        variance = ERROR_SCALE**2 * np.maximum(share * (1.0 - share), 0.01)
        return _placed(rows, ERROR_SCALE * failed / (calls + QUIET_CALLS), variance, calls)

    def spans_of(self, row: int, joined: Joined) -> Int64s:
        """Spans of a tick that a series speaks about; none for rates, which no single span makes."""
        signal, operations = self.bank.names(row).signal, joined.operations
        ours = self.service_of[operations] == self.bank.owner[row]
        if signal == DURATION:
            return np.flatnonzero(~joined.failed & (self._own[operations] == row))
        if signal == ERRORS:
            return np.flatnonzero(ours & joined.failed & SERVED[joined.kinds])
        if signal == GAP:
            callee = self.bank.other[row]
            to_callee = (joined.callees >= 0) & (self.service_of[joined.callees] == callee)
            calls = np.flatnonzero(ours & to_callee & CALLING[joined.kinds] & ~joined.failed)
            keys = operations[calls].astype(np.int64) << 32 | callee
            found: Int64s = calls[np.array([self._gaps.get(key) == row for key in keys.tolist()], bool)]
            return found
        return np.zeros(0, np.int64)

    def silent(self) -> list[str]:
        """Services that have had no call for long, and used to have many."""
        known = self.bank.service_numbers
        return [name for name, ticks in self.silence.items() if ticks >= SILENT_TICKS and name in known]

    def _note_silence(self, joined: Joined) -> None:
        known = np.flatnonzero((self.calls_seen > 0) & (self.service_of >= 0))
        size = len(self.bank.services)
        usual = np.bincount(self.service_of[known], weights=self.calls_seen[known], minlength=size)
        calls = np.bincount(self.service_of[joined.operations], minlength=size)
        quiet = np.flatnonzero(
            (calls == 0) & (usual * (joined.roots / max(self.roots_seen, 1.0)) >= SILENT_CALLS)
        ).tolist()
        services = self.bank.services
        still = {name: ticks for name, ticks in self.silence.items() if joined.roots < 1}
        self.silence = still | {services[number]: self.silence.get(services[number], 0) + 1 for number in quiet}

    # -- names and rows ----------------------------------------------------------------------------

    def know(self, operations: Int32s) -> None:
        """Know the services of these operations. Forget all rows where numbers may have gone to others."""
        bank = self.bank
        generations = (self.operations.generation, bank.service_generation, bank.generation)
        if generations != self._generations:
            self._forget(operations_too=generations[:2] != self._generations[:2])
            self._generations = generations
        if len(self._own) < self.operations.capacity:
            self._grow(self.operations.capacity)
        unknown = self.service_of[operations] < 0
        if not unknown.any():
            return
        for operation in np.unique(operations[unknown]).tolist():
            service = self.name(operation)[0]
            self.service_of[operation] = self.bank.service(service)

    def _forget(self, *, operations_too: bool) -> None:
        self._own[:] = -1
        self._rate[:] = -1
        self._gaps.clear()
        self._errors.clear()
        if operations_too:
            self.service_of[:] = -1
            free = np.ones(len(self.calls_seen), bool)
            live = self.operations.keys.rows()
            free[live[live < len(free)]] = False
            for counts in (self.calls_seen, self.calls_out, self.calls_remote):
                counts[free] = 0.0

    def _grow(self, capacity: int) -> None:
        for name, fill in (
            ("_own", -1),
            ("_rate", -1),
            ("service_of", -1),
            ("calls_seen", 0),
            ("calls_out", 0),
            ("calls_remote", 0),
        ):
            old = getattr(self, name)
            larger = np.full(capacity, fill, old.dtype)
            larger[: len(old)] = old
            setattr(self, name, larger)

    def name(self, operation: int) -> tuple[str, str, str]:
        """Service, span name and kind of an operation; empty names for the overflow."""
        labels = self.operations.labels_of(operation)
        if OVERFLOW_LABEL in labels:
            return "", "", ""
        kind = labels.get("span.kind", "").removeprefix("SPAN_KIND_").lower()
        return labels.get("service.name", ""), labels.get("span.name", ""), kind

    def _row(self, signal: str, operation: int, tick: int) -> int:
        service, name, kind = self.name(operation)
        return self.bank.row(Series(signal, service, name, kind), tick) if service else REFUSED

    def _gap_row(self, key: int, tick: int) -> int:
        row = self._gaps.get(key)
        if row is None:
            service, name, kind = self.name(key >> 32)
            peer = self.bank.services[key & 0xFFFF_FFFF]
            if service and peer:
                self.edges[service, peer] = tick
            row = self.bank.row(Series(GAP, service, name, kind, peer), tick) if service and peer else REFUSED
            self._gaps[key] = row
        return row

    def _error_row(self, service: int, tick: int) -> int:
        row = self._errors.get(service)
        if row is None:
            name = self.bank.services[service]
            row = self._errors[service] = self.bank.row(Series(ERRORS, name), tick) if name else REFUSED
        return row


def _moments(groups: Int32s, nano: Int64s, size: int) -> tuple[Int64s, Floats, Floats, Floats]:
    """The groups that occur, and mean, variance and count of log10 milliseconds in each."""
    logs = np.rint(np.log10(np.maximum(nano / 1e6, SHORTEST_MS)) * UNIT)
    counts = np.bincount(groups, minlength=size).astype(np.float64)
    sums = np.bincount(groups, weights=logs, minlength=size)
    squares = np.bincount(groups, weights=logs * logs, minlength=size)
    found = np.flatnonzero(counts)
    counts = counts[found]
    means = sums[found] / counts
    variances = np.maximum(squares[found] / counts - means * means, 0.0) / UNIT**2
    return found, means / UNIT, variances, counts


def _placed(
    rows: npt.NDArray[np.int32], means: Floats, variances: Floats, counts: Floats
) -> tuple[Int64s, Floats, Floats, Floats]:
    """Without series that found no room."""
    kept = rows >= 0
    return rows[kept].astype(np.int64), means[kept], variances[kept], counts[kept]
