"""SeriesBank: which row of the detectors' matrices is which series, and which services it speaks about."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

Int32s = npt.NDArray[np.int32]
Floats = npt.NDArray[np.float64]

DURATION, GAP, RATE, ERRORS, METRIC = "duration", "gap", "rate", "errors", "metric"
"""Signals: exclusive time of an operation, time on the wire of a call, calls per root, share of failed calls, a point
of a metrics pipeline."""

CALLER_WEIGHT = 0.6
"""A slow wire speaks against the callee, and somewhat less against the caller (measured on the kit)."""
RATE_WEIGHT = 0.25
"""Calls per trace move with what users do: they speak for a cause only beside others."""
TRUST = {GAP: 1.25}
"""What a first surprising tick counts; 0.75 for other signals. Wires seldom have bad moments of their own."""
USUAL_TRUST = 0.75
SIGNALS = (DURATION, GAP, RATE, ERRORS, METRIC)
GROWTH = {DURATION: 0.55, GAP: 0.55, ERRORS: 0.55}
"""How much more each further tick in a row counts, as a share of the first; 0 for calls per trace, which come in
bursts: users who fail once try again."""
FALL = {DURATION: 0.5, GAP: 0.5}
"""What a fall counts beside a rise; 1 for other signals."""
SERVICES_KEPT = 1024
"""So many services are remembered, whether they have series or not."""
REFUSED = -2
"""Row of a series that found the bank full."""


class Series(NamedTuple):
    """What a row is: the service that owns it, its operation and span kind, and the callee of a gap."""

    signal: str
    service: str
    operation: str = ""
    kind: str = ""
    peer: str = ""


class SeriesBank:
    """See the module.

    Args:
        max_series: Rows. A full bank refuses new series and counts them.

    Attributes:
        capacity: Rows that detectors must have.
        live: Number of series.
        signal: int32[capacity], number of the signal in ``SIGNALS``.
        owner, other: int32[capacity], number of the owning service and of the callee; -1: none.
        owner_weight, other_weight: float64[capacity], how much evidence counts for them.
        trust, growth: float64[capacity], what a surprising tick counts, and how much more the next one does.
        fall: float64[capacity], as in ``Matrix``.
        seen: int64[capacity], tick of the last value.
        refused: Series that found no room.
        generation, service_generation: Change whenever rows, or numbers of services, may have gone to others.
    """

    COLUMNS = ("signal", "owner", "other", "owner_weight", "other_weight", "trust", "growth", "fall", "seen")

    def __init__(self, max_series: int) -> None:
        self.max_series = max_series
        self.capacity = 0
        self.refused = 0
        self.services: list[str] = []
        self.service_numbers: dict[str, int] = {}
        self.series: list[Series | None] = []
        self.generation = 0
        self.service_generation = 0
        self.signal = np.zeros(0, np.int32)
        self.owner = np.zeros(0, np.int32)
        self.other = np.zeros(0, np.int32)
        self.owner_weight = np.zeros(0)
        self.other_weight = np.zeros(0)
        self.trust = np.zeros(0)
        self.growth = np.zeros(0)
        self.fall = np.zeros(0)
        self.seen = np.zeros(0, np.int64)
        self._rows: dict[Series, int] = {}
        self._free: list[int] = []

    @property
    def live(self) -> int:
        """Number of series."""
        return len(self._rows)

    def service(self, name: str) -> int:
        """Number of a service."""
        number = self.service_numbers.get(name)
        if number is None:
            number = self.service_numbers[name] = len(self.services)
            self.services.append(name)
        return number

    def row(self, series: Series, tick: int) -> int:
        """Row of a series, a new one where it is not known; ``REFUSED`` where there is no room."""
        row = self._rows.get(series)
        if row is None:
            row = self._add(series, tick)
        return row

    def names(self, row: int) -> Series:
        """What a live row is."""
        series = self.series[row]
        if series is None:
            raise KeyError(f"row {row} is free")
        return series

    def expire(self, before_tick: int) -> npt.NDArray[np.int64]:
        """Give up series without a value since ``before_tick``; returns their rows."""
        gone = np.flatnonzero(self.seen < before_tick)
        rows = [row for row in gone.tolist() if self.series[row] is not None]
        for row in rows:
            del self._rows[self.names(row)]
            self.series[row] = None
            self._free.append(row)
        if rows:
            self.generation += 1
            self._renumber_services()
        return np.array(rows, np.int64)

    def state(self) -> tuple[list[list[str]], npt.NDArray[np.int64], npt.NDArray[np.int64]]:
        """Names of the live series, their rows, and the ticks in which they were last seen."""
        rows = sorted(self._rows.values())
        return [list(self.names(row)) for row in rows], np.array(rows, np.int64), self.seen[rows]

    def load(self, names: list[list[str]], seen: Any) -> npt.NDArray[np.int64]:
        """Fill an empty bank; returns the rows of the series, in order."""
        return np.array([self._add(Series(*name), int(tick)) for name, tick in zip(names, seen, strict=True)], np.int64)

    def _renumber_services(self) -> None:
        """Forget services without series, once they are most."""
        used = sorted({name for series in self._rows for name in (series.service, series.peer) if name})
        if len(self.services) <= max(SERVICES_KEPT, 2 * len(used)):
            return
        self.services, self.service_numbers = [], {}
        for series, row in self._rows.items():
            self.owner[row] = self.service(series.service)
            self.other[row] = self.service(series.peer) if series.peer else -1
        self.service_generation += 1

    def _add(self, series: Series, tick: int) -> int:
        if self._free:
            row = self._free.pop()
        elif len(self.series) < self.max_series:
            row = len(self.series)
            self.series.append(None)
            if row >= self.capacity:
                self._grow(max(256, 2 * self.capacity))
        else:
            self.refused += 1
            return REFUSED
        self.series[row] = series
        self._rows[series] = row
        self.signal[row] = SIGNALS.index(series.signal)
        self.owner[row] = self.service(series.service)
        self.other[row] = self.service(series.peer) if series.peer else -1
        self.owner_weight[row] = CALLER_WEIGHT if series.peer else RATE_WEIGHT if series.signal == RATE else 1.0
        self.other_weight[row] = 1.0 if series.peer else 0.0
        self.trust[row] = TRUST.get(series.signal, USUAL_TRUST)
        self.growth[row] = GROWTH.get(series.signal, 0.0)
        self.fall[row] = FALL.get(series.signal, 1.0)
        self.seen[row] = tick
        return row

    def _grow(self, capacity: int) -> None:
        for name in self.COLUMNS:
            column = getattr(self, name)
            larger = np.zeros(capacity, column.dtype)
            larger[: len(column)] = column
            setattr(self, name, larger)
        self.seen[self.capacity :] = np.iinfo(np.int64).max
        self.capacity = capacity
