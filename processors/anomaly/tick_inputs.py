"""TickInputs: from the joined spans of a tick to one mean, variance and count per series.

    exclusive time   spans that did not fail, without their children, log10 ms       per service, operation and kind
    gap              calls that did not fail, without the callee's time, log10 ms    per caller, callee and operation
    calls per root   log10 of the ratio, of operations that few traces lack          per service, operation and kind
    error share      failed of all calls served, shrunk where there are few          per service

Failed spans are another population: they end early or time out, and their share is its own signal. The spans are added
up natively (``span_sums``), so what remains is of the size of the operations.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import numpy.typing as npt

from pipeline.api import Clock, Label, SpanBatch, label
from pipeline.model.limits import Limits
from pipeline.model.series import SeriesTable
from pipeline.model.snapshot import OVERFLOW_LABEL
from processors.anomaly.detector import Floats, Matrix
from processors.anomaly.joined import Joined
from processors.anomaly.series_bank import DURATION, ERRORS, GAP, RATE, REFUSED, Series, SeriesBank
from processors.anomaly.span_sums import KEPT, UNIT, add_up

Int32s = npt.NDArray[np.int32]
Int64s = npt.NDArray[np.int64]

_NOTHING = np.zeros(0, np.int32)

OPERATION_LABELS = (
    Label("service.name", ("resource.service.name",), "unknown_service"),
    label("name"),
    label("kind"),
)
OPERATION_COLUMNS = ("resource.service.name", "name", "kind")

SERVED_KINDS, CALLING_KINDS = ("server", "consumer"), ("client", "producer")
SERVED, CALLING = np.isin(np.arange(256), (2, 5)), np.isin(np.arange(256), (3, 4))
"""By number of ``SpanKind``."""
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
        self._is_calling, self._is_served = np.zeros((2, 1), bool)
        self._gaps: dict[tuple[int, int], int] = {}
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

    def services(self) -> Int32s:
        """int32[operations]: the service of each."""
        self.know(_NOTHING)
        return self.service_of

    def measure(self, joined: Joined, tick: int, second: float) -> Matrix:
        """The matrix of a tick; rows of series without spans have count 0."""
        sums, pairs = self._added_up(joined)
        calls, failed, remote, *moments = sums
        collected: list[tuple[Int64s, Floats, Floats, Floats]] = [
            self._durations(calls, remote, moments, tick),
            self._gap_times(pairs, tick),
            self._rates(calls, joined.roots, tick),
            self._error_shares(calls, failed, tick),
        ]
        mean, variance, count = np.zeros((3, self.bank.capacity))
        for rows, means, variances, counts in collected:
            mean[rows], variance[rows], count[rows] = means, variances, counts
        self._note_silence(calls, joined.roots)
        self.bank.seen[count > 0] = tick
        return Matrix(mean, variance, count, self.bank.fall, second, self.bank)

    def _added_up(self, joined: Joined) -> tuple[Floats, Int64s]:
        """float64[6, operations] and int64[k, 6] of ``span_sums``, the pairs by operation and callee."""
        service_of = self.services()
        sums = np.zeros((KEPT, len(service_of)), np.int64)
        heads = np.full(len(service_of), -1, np.int32)
        pairs = np.empty((np.count_nonzero(joined.callees[: joined.new] >= 0) + 1, KEPT), np.int64)
        found = add_up(
            joined.words,
            joined.new,
            joined.parents,
            joined.children_nano,
            joined.remote_nano,
            joined.callees,
            service_of,
            sums,
            heads,
            pairs,
        )
        pairs = pairs[:found]
        return sums.astype(np.float64), pairs[np.lexsort((pairs[:, 1], pairs[:, 0]))]

    # -- the four kinds of series ------------------------------------------------------------------

    def _durations(
        self, calls: Floats, remote: Floats, moments: list[Floats], tick: int
    ) -> tuple[Int64s, Floats, Floats, Floats]:
        """Exclusive time. Of calls to other services the gap is looked at instead: where most calls of an operation
        have a callee, one without is a lost span, not a slow caller."""
        self.calls_out = FORGETTING * self.calls_out + np.where(self._is_calling, calls, 0.0)
        self.calls_remote = FORGETTING * self.calls_remote + remote
        calls_others = self._is_calling & (self.calls_remote >= 0.5 * np.maximum(self.calls_out, 1e-9))
        found = np.flatnonzero((moments[0] > 0) & ~calls_others)
        for operation in found[self._own[found] == -1].tolist():
            self._own[operation] = self._row(DURATION, operation, tick)
        return _placed(self._own[found], *(moment[found] for moment in moments))

    def _gap_times(self, pairs: Int64s, tick: int) -> tuple[Int64s, Floats, Floats, Floats]:
        rows = np.array(
            [self._gap_row(operation, callee, tick) for operation, callee in pairs[:, :2].tolist()], np.int32
        )
        return _placed(rows, *pairs[:, 2:5].T.astype(np.float64))

    def _rates(self, calls: Floats, roots: int, tick: int) -> tuple[Int64s, Floats, Floats, Floats]:
        self.calls_seen = FORGETTING * self.calls_seen + calls
        self.roots_seen = FORGETTING * self.roots_seen + roots
        common = self.calls_seen > COMMON_SHARE * max(self.roots_seen, 1.0)
        for operation in np.flatnonzero(common & (self._rate == -1)).tolist():
            self._rate[operation] = self._row(RATE, operation, tick)
        found = np.flatnonzero(common & (self._rate >= 0)) if roots else np.zeros(0, np.int64)
        ratio = np.log10((calls[found] + 1.0) / (roots + 1.0))
        usual = self.calls_seen[found] / max(self.roots_seen, 1.0) * roots
        variance = np.full(len(found), RATE_VARIANCE)
        counts = np.maximum(np.maximum(calls[found], usual), 1.0)
        return self._rate[found].astype(np.int64), ratio, variance, counts

    def _error_shares(self, calls: Floats, failed: Floats, tick: int) -> tuple[Int64s, Floats, Floats, Floats]:
        calls = self._of_services(np.where(self._is_served, calls, 0.0))
        failed = self._of_services(np.where(self._is_served, failed, 0.0))
        found = np.flatnonzero(calls)
        calls, failed = calls[found], failed[found]
        share = failed / calls
        rows = np.array([self._error_row(service, tick) for service in found.tolist()], np.int32)
        kept = rows >= 0
        variance = ERROR_SCALE**2 * np.maximum(share * (1.0 - share), 0.01)
        value = ERROR_SCALE * failed / (calls + QUIET_CALLS)
        return rows[kept].astype(np.int64), value[kept], variance[kept], calls[kept]

    def _of_services(self, values: Floats) -> Floats:
        """float64[services]: sums of what operations have."""
        known = np.flatnonzero((values != 0) & (self.service_of >= 0))
        size = len(self.bank.services)
        return np.bincount(self.service_of[known], weights=values[known], minlength=size).astype(np.float64)

    def spans_of(self, row: int, joined: Joined) -> Int64s:
        """Spans of a tick that a series speaks about; none for rates, which no single span makes."""
        signal, operations = self.bank.names(row).signal, joined.operations
        ours = self.service_of[operations] == self.bank.owner[row]
        if signal == DURATION:
            return np.flatnonzero(~joined.failed & (self._own[operations] == row))
        if signal == ERRORS:
            return np.flatnonzero(ours & joined.failed & SERVED[joined.kinds])
        if signal == GAP:
            callee = int(self.bank.other[row])
            to_callee = self.service_of[joined.callee_operations] == callee
            to_callee &= joined.callee_operations >= 0
            calls = np.flatnonzero(ours & to_callee & CALLING[joined.kinds] & ~joined.failed)
            keys = operations[calls].tolist()
            found: Int64s = calls[np.array([self._gaps.get((key, callee)) == row for key in keys], bool)]
            return found
        return np.zeros(0, np.int64)

    def silent(self) -> list[str]:
        """Services that have had no call for long, and used to have many."""
        known = self.bank.service_numbers
        return [name for name, ticks in self.silence.items() if ticks >= SILENT_TICKS and name in known]

    def accept_silence(self, services: Iterable[str]) -> None:
        """Those of these services that are silent are not missed any more."""
        gone = [name for name in services if self.silence.pop(name, 0)]
        numbers = [self.bank.service_numbers[name] for name in gone if name in self.bank.service_numbers]
        self.calls_seen[np.isin(self.service_of, numbers)] = 0.0

    def _note_silence(self, calls: Floats, roots: int) -> None:
        services, numbers = self.bank.services, self.bank.service_numbers
        missed = self._of_services(self.calls_seen) * (roots / max(self.roots_seen, 1.0)) >= SILENT_CALLS
        missed[[numbers[name] for name in self.silence if name in numbers]] = True  # however long: what is usual fades
        quiet = np.flatnonzero((self._of_services(calls) == 0) & missed).tolist()
        still = {name: ticks for name, ticks in self.silence.items() if roots < 1}
        self.silence = still | {services[number]: self.silence.get(services[number], 0) + 1 for number in quiet}

    # -- names and rows ----------------------------------------------------------------------------

    def know(self, operations: Int32s) -> None:
        """Know the services of these operations. Forget all rows where numbers may have gone to others."""
        bank = self.bank
        generations = (self.operations.generation, bank.service_generation, bank.generation)
        if generations != self._generations:
            self._forget(operations_too=generations[:2] != self._generations[:2])
            self._generations = generations
            operations = np.concatenate((self.operations.keys.rows(), operations))
        if len(self._own) < self.operations.capacity:
            self._grow(self.operations.capacity)
        unknown = self.service_of[operations] < 0
        if not unknown.any():
            return
        for operation in np.unique(operations[unknown]).tolist():
            service, _, kind = self.name(operation)
            self.service_of[operation] = self.bank.service(service)
            self._is_calling[operation] = kind in CALLING_KINDS
            self._is_served[operation] = kind in SERVED_KINDS

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
            ("_is_calling", False),
            ("_is_served", False),
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

    def _gap_row(self, operation: int, callee: int, tick: int) -> int:
        row = self._gaps.get((operation, callee))
        if row is None:
            service, name, kind = self.name(operation)
            peer = self.bank.services[callee]
            if service and peer:
                self.edges[service, peer] = tick
            row = self.bank.row(Series(GAP, service, name, kind, peer), tick) if service and peer else REFUSED
            self._gaps[operation, callee] = row
        return row

    def _error_row(self, service: int, tick: int) -> int:
        row = self._errors.get(service)
        if row is None:
            name = self.bank.services[service]
            row = self._errors[service] = self.bank.row(Series(ERRORS, name), tick) if name else REFUSED
        return row


def _placed(
    rows: npt.NDArray[np.int32], counts: Floats, sums: Floats, squares: Floats
) -> tuple[Int64s, Floats, Floats, Floats]:
    """Means, variances and counts of series that found room, of logarithms in steps."""
    kept = rows >= 0
    counts = counts[kept]
    means = sums[kept] / counts
    variances = np.maximum(squares[kept] / counts - means * means, 0.0) / UNIT**2
    return rows[kept].astype(np.int64), means / UNIT, variances, counts
