"""What differs: attribute values that bad spans of a service have more often than its spans had before.

Per service and attribute, a table of values with two counts: usual spans, fading over hours, and bad ones, which are
slower than the service's usual spans of the same operation or failed, fading over minutes. Each table keeps the
``MAX_VALUES`` most frequent values; others count under none.

A value is named where its share among the bad spans exceeds its share before by a two-proportion test. Shares are of
the spans that have the attribute: which kinds of spans are bad says nothing about values. Where usual spans do not have
it at all, they are of all spans. Spans of one moment resemble each other (one pod is late, one client repeats itself),
so no tick weighs more in what is usual than ``TICK_WEIGHT`` spans.

Attributes cost more to read than all the rest, and shares need few spans. So they are read of one trace in
``SAMPLED_TRACES``, in one tick of ``SAMPLED_TICKS`` by the spans' own time; of all spans of services of which too few
are known; and of the bad spans of services under suspicion.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from pipeline.api import SpanBatch
from processors.anomaly.tick_inputs import TickInputs

Int32s = npt.NDArray[np.int32]
Bools = npt.NDArray[np.bool_]

MAX_VALUES = 32
MAX_TABLES = 4096
"""Tables of a service and an attribute; services beyond have none."""
MAX_PENDING = 20_000
"""Values that one tick can count."""
USUAL_DECAY = 0.998
BAD_DECAY = 0.9
"""Per tick."""
SLOW_FACTOR = 1.5
"""A span is bad from this multiple of the usual duration of its operation."""
MIN_BAD = 8.0
"""Fewer bad spans say nothing."""
MIN_GAIN = 0.2
"""Smallest difference of shares that is named."""
MIN_Z = 4.0
"""Of the two-proportion test: many values are looked at."""
NAMED = 5
LEVEL_PACE = 0.1
SAMPLED_TICKS = 32
SAMPLED_TRACES = np.uint64(4)
_MULTIPLIER = np.uint64(0x9E37_79B9_7F4A_7C15)
TICK_WEIGHT = 25.0
ENOUGH = 200.0
"""So many usual spans of a service make a baseline."""
SAMPLED, SUSPECT, NEW = 0, 1, 2
"""What is read of a service between sampled ticks: nothing, its bad spans, all."""

Counts = dict[str, list[float]]
ALL = ""
"""In place of a column: all spans, whether or not they have an attribute."""
Difference = tuple[str, str, float, float]
"""Attribute, value, share among bad spans, share before."""


class Differences:
    """See the module.

    Args:
        columns: Columns to compare.
        window_nano: Length of a tick.
    """

    def __init__(self, columns: tuple[str, ...], window_nano: int) -> None:
        self.columns = columns
        self._window = window_nano
        self._suspects: frozenset[str] = frozenset()
        self._modes = np.zeros(0, np.int8)
        self._modes_of: tuple[int, int] = (-1, -1)
        self._reads_more = True
        self.tables: dict[str, dict[str, Counts]] = {}
        self.totals: dict[str, Counts] = {}
        """By service and column: spans that have the attribute, usual and bad."""
        self.levels = np.zeros(0)
        self._pending: dict[tuple[str, str, str], list[float]] = {}
        self._spans: dict[str, Counts] = {}
        self._sums = np.zeros((2, 0))
        self._generation = -1

    def add(self, spans: SpanBatch, operations: Int32s, inputs: TickInputs, ends: tuple[int, int]) -> None:
        """Count a batch.

        Args:
            operations: int32[n], number of each span's operation.
            inputs: Knows the services of operations.
            ends: First and last end of the spans, Unix nanoseconds.
        """
        if not self.columns:
            return
        modes_of = self._modes_now(inputs)
        if not self._reads_more and not self._have_sampled_tick(*ends):
            return
        self._fit(inputs)
        services = inputs.service_of[operations]
        modes = modes_of[services]
        whole = self._sampled(spans) | (modes == NEW)
        looked_at = whole | (modes == SUSPECT)
        if not looked_at.any():
            return
        spans, operations, services, whole = _rows(spans, looked_at, operations, services, whole)
        bad = self._bad(spans, operations, whole)
        counts = whole | bad
        if not counts.any():
            return
        spans, services, bad = _rows(spans, counts, services, bad)
        names = inputs.bank.services
        group = bad.astype(np.int64) * len(names) + services
        self._count_spans(ALL, group, names)
        for column in self.columns:
            field = spans.projection.field(column)
            if field is not None and spans.words(field).any():
                self._count(column, spans[column], group, names)

    def suspect(self, services: Iterable[str]) -> None:
        """From now on, read the attributes of all bad spans of these services, and of no others."""
        self._suspects = frozenset(services)
        self._modes_of = (-1, -1)

    def tick(self) -> None:
        """Take in what a tick has counted; what is old fades."""
        tables = (counts for tables in self.tables.values() for counts in tables.values())
        for counts in (*self.totals.values(), *tables):
            for cell in counts.values():
                cell[0] *= USUAL_DECAY
                cell[1] *= BAD_DECAY
        weights = {service: TICK_WEIGHT / max(spans[ALL][0], TICK_WEIGHT) for service, spans in self._spans.items()}
        for service in sorted(self._spans):
            self._take(service, self._spans[service], weights[service])
        for service, column, value in sorted(self._pending):
            usual, bad = self._pending[service, column, value]
            self._place(service, column, value, [usual * weights[service], bad])
        seen = self._sums[0] > 0
        mean = self._sums[1] / np.maximum(self._sums[0], 1.0)
        moved = self.levels + LEVEL_PACE * np.minimum(mean - self.levels, self.levels)
        self.levels = np.where(seen, np.where(self.levels > 0, moved, mean), self.levels)
        self._sums[:] = 0.0
        self._pending, self._spans = {}, {}
        self._modes_of = (-1, -1)

    def of(self, service: str) -> list[Difference]:
        """The values that set bad spans of a service apart, clearest first."""
        totals = self.totals.get(service, {})
        found: list[Difference] = []
        for column, counts in self.tables.get(service, {}).items():
            usual, bad = totals[column]
            if usual < MIN_BAD:
                usual, bad = totals[ALL]
            if bad < MIN_BAD or usual < MIN_BAD:
                continue
            for value, (before, now) in counts.items():
                share, was = min(now / bad, 1.0), min(before / usual, 1.0)
                if share - was >= MIN_GAIN and _z(share, bad, was, usual) >= MIN_Z:
                    found.append((column.partition(".")[2] or column, value, share, was))
        return sorted(found, key=lambda one: (one[3] - one[2], one[0], one[1]))[:NAMED]

    def state(self, inputs: TickInputs) -> dict[str, Any]:
        """As JSON; operations by name."""
        self._fit(inputs)
        operations = inputs.operations.keys.rows().tolist()
        return {
            "tables": self.tables,
            "totals": self.totals,
            "pending": [[*key, *counts] for key, counts in self._pending.items()],
            "spans": self._spans,
            "levels": [[float(self.levels[row]), *map(float, self._sums[:, row])] for row in operations],
        }

    def load(self, state: Mapping[str, Any], inputs: TickInputs, operations: npt.NDArray[np.int64]) -> None:
        """Take up what ``state`` gave; ``operations``: the rows that its operations have now."""
        pending = {(str(a), str(b), str(c)): [float(d), float(e)] for a, b, c, d, e in state["pending"]}
        self.tables = {
            str(service): {
                str(column): {str(value): _pair(cell) for value, cell in counts.items()}
                for column, counts in tables.items()
                if column in self.columns
            }
            for service, tables in state["tables"].items()
        }
        self.totals, self._spans = self._totals_of(state["totals"]), self._totals_of(state["spans"])
        self._pending = pending
        levels = np.array(state["levels"], np.float64).reshape(-1, 3)
        if len(levels) != len(operations) or not np.isfinite(levels).all():
            raise ValueError("levels do not fit the operations")
        self._fit(inputs)
        self.levels[operations] = levels[:, 0]
        self._sums[:, operations] = levels[:, 1:].T

    def _totals_of(self, saved: Mapping[str, Any]) -> dict[str, Counts]:
        """Totals of services as ``state`` gave them; each attribute in the tables has its own."""
        columns = ALL, *self.columns
        return {
            str(service): {column: _pair(counts.get(column, (0.0, 0.0))) for column in columns}
            for service, counts in saved.items()
        }

    def _fit(self, inputs: TickInputs) -> None:
        """Have a level per operation; forget all where numbers may have gone to others."""
        table = inputs.operations
        if table.generation != self._generation:
            self.levels = np.zeros(table.capacity)
            self._sums = np.zeros((2, table.capacity))
            self._generation = table.generation
        missing = table.capacity - len(self.levels)
        if missing > 0:
            self.levels = np.concatenate((self.levels, np.zeros(missing)))
            self._sums = np.concatenate((self._sums, np.zeros((2, missing))), axis=1)

    def _modes_now(self, inputs: TickInputs) -> npt.NDArray[np.int8]:
        """int8[services]: what is read of each. Changes when a tick closes, so that no order of spans matters."""
        services = inputs.bank.services
        current = inputs.bank.service_generation, len(services)
        if self._modes_of != current:
            known = [name in self.totals and self.totals[name][ALL][0] >= ENOUGH for name in services]
            suspect = [name in self._suspects for name in services]
            self._modes = np.where(known, np.where(suspect, SUSPECT, SAMPLED), NEW).astype(np.int8)
            self._modes_of = current
            self._reads_more = bool(self._modes.any())
        return self._modes

    def _have_sampled_tick(self, earliest: int, latest: int) -> bool:
        first, last = earliest // self._window, latest // self._window
        return last // SAMPLED_TICKS > (first - 1) // SAMPLED_TICKS

    def _sampled(self, spans: SpanBatch) -> Bools:
        """bool[n]: spans of sampled ticks and traces."""
        ticks = spans["end_time_unix_nano"] // np.uint64(self._window)
        sampled: Bools = ticks % np.uint64(SAMPLED_TICKS) == 0
        if sampled.any():
            trace = spans["trace_id"].view(np.uint64)
            sampled &= ((trace[:, 0] + trace[:, 1]) * _MULTIPLIER >> np.uint64(32)) % SAMPLED_TRACES == 0
        return sampled

    def _bad(self, spans: SpanBatch, operations: Int32s, whole: Bools) -> Bools:
        """bool[n]: failed, or slower than the operation usually is. Where all spans are read (``whole``), they add to
        the sums of operations."""
        micros = np.rint(spans["duration_nano"] / 1e3)
        number = np.bincount(operations[whole])
        self._sums[0, : len(number)] += number
        self._sums[1, : len(number)] += np.bincount(operations[whole], weights=micros[whole])
        level = self.levels[operations]
        slow = (level > 0) & (micros > SLOW_FACTOR * level)
        bad: Bools = slow | (spans["status_code"] == "STATUS_CODE_ERROR")
        return bad

    def _count_spans(self, column: str, group: npt.NDArray[np.int64], names: list[str]) -> None:
        """Count spans that have an attribute. ``group``: int64[n], number of the service; of bad spans, behind all."""
        counted = np.bincount(group, minlength=2 * len(names)).reshape(2, -1)
        for service in np.flatnonzero(counted.any(0)).tolist():
            totals = self._spans.setdefault(names[service], self._no_spans())
            totals[column][0] += float(counted[0, service])
            totals[column][1] += float(counted[1, service])

    def _no_spans(self) -> Counts:
        return {column: [0.0, 0.0] for column in (ALL, *self.columns)}

    def _count(self, column: str, values: Any, group: npt.NDArray[np.int64], names: list[str]) -> None:
        known = values.codes >= 0
        self._count_spans(column, group[known], names)
        width = len(values.values)
        key = group[known] * width + values.codes[known]
        keys, numbers = np.unique(key, return_counts=True)
        for one, number in zip(keys.tolist(), numbers.tolist(), strict=True):
            rest, value = divmod(one, width)
            is_bad, service = divmod(rest, len(names))
            cell = (names[service], column, values.values[value])
            if cell in self._pending or len(self._pending) < MAX_PENDING:
                self._pending.setdefault(cell, [0.0, 0.0])[is_bad] += number

    def _take(self, service: str, spans: Counts, weight: float) -> None:
        if service in self.totals or len(self.totals) * max(len(self.columns), 1) < MAX_TABLES:
            totals = self.totals.setdefault(service, self._no_spans())
            for column, (usual, bad) in spans.items():
                totals[column][0] += usual * weight
                totals[column][1] += bad

    def _place(self, service: str, column: str, value: str, numbers: list[float]) -> None:
        if service not in self.totals:
            return
        counts = self.tables.setdefault(service, {}).setdefault(column, {})
        if value not in counts and len(counts) >= MAX_VALUES:
            rarest = min(counts, key=lambda known: (sum(counts[known]), known))
            if sum(counts[rarest]) >= sum(numbers):
                return
            del counts[rarest]
        cell = counts.setdefault(value, [0.0, 0.0])
        cell[0] += numbers[0]
        cell[1] += numbers[1]


def _rows(spans: SpanBatch, kept: Bools, *columns: Any) -> tuple[Any, ...]:
    """A part of the spans, and of columns about them."""
    return (spans, *columns) if kept.all() else (spans.where(kept), *(column[kept] for column in columns))


def _pair(cell: Any) -> list[float]:
    first, second = cell
    return [float(first), float(second)]


def _z(share: float, n: float, before: float, m: float) -> float:
    """Two-proportion test with a pooled share."""
    pooled = (share * n + before * m) / (n + m)
    error = math.sqrt(max(pooled * (1 - pooled), 1e-6) * (1 / n + 1 / m))
    return (share - before) / error
