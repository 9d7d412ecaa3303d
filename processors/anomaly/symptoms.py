"""Symptoms: whether the series that speak against the root of an open incident are back where they were before it.

Evidence melts when a series happens to look usual for a few ticks, which with little traffic it does in the middle of
a fault. So an incident ends only when its symptoms have returned as well: their distance from the level before it,
smoothed over some ticks, is a small part of what it was, or within the noise. That level stays what it was, because
series of services in an open incident are not learnt.

What is known of a series too shortly is no measure of what is usual: it is learnt on, and is no symptom.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import numpy.typing as npt

from processors.anomaly.detector import Bools, Floats, Matrix
from processors.anomaly.evidence import COUNTED_EVIDENCE, Evidence
from processors.anomaly.incidents import Incident
from processors.anomaly.series_bank import SeriesBank

ROWS = 5
SYMPTOM_FROM = 4.0
"""Evidence that makes a series of the root service a symptom."""
PACE = 0.3
"""Of the smoothed distance, per tick with a value."""
RETURNED = 0.35
"""A symptom that is this much of its largest distance away has returned."""
NOISE = 1.0 / 3.0
"""Share of half the expected band, which is three standard errors: closer is no distance."""
FORGOTTEN_TICKS = 12.0
"""A series that has had no value for so long is no symptom any more."""
MATURE_TICKS = 120.0
"""Ticks with a value after which the level of a series is a measure."""
REMAINING = 0.25
"""An incident goes on while symptoms with this share of the evidence have not returned."""


class Symptoms:
    """See the module. Nothing to do where no incident is open.

    Attributes:
        values: float64[5, capacity]: most evidence so far, 0 where a series is no symptom; largest smoothed distance,
            signed; smoothed distance; ticks without value; of all series, ticks with one.
    """

    def __init__(self) -> None:
        self.values: Floats = np.zeros((ROWS, 0))

    def resize(self, capacity: int) -> None:
        """Have rows for this many series."""
        missing = capacity - self.values.shape[1]
        self.values = np.concatenate((self.values, np.zeros((ROWS, missing))), axis=1)

    def clear(self, rows: npt.NDArray[np.int64]) -> None:
        """Forget all about these series."""
        self.values[:, rows] = 0.0

    def measure(self, matrix: Matrix, band: tuple[Floats, Floats]) -> None:
        """Take in where the symptoms are in a tick."""
        self.values[4] += matrix.count > 0
        rows = np.flatnonzero(self.values[0])
        if not len(rows):
            return
        _, largest, now, absent, _ = self.values[:, rows]
        distance = matrix.mean[rows] - (band[0][rows] + band[1][rows]) / 2
        here = matrix.present[rows] & np.isfinite(distance)
        now = np.where(here, now + PACE * (distance - now), now)
        self.values[1, rows] = np.where(np.abs(now) > np.abs(largest), now, largest)
        self.values[2, rows] = now
        self.values[3, rows] = np.where(here, 0.0, absent + 1.0)

    def note(
        self,
        incidents: list[Incident],
        evidence: Evidence,
        matrix: Matrix,
        band: tuple[Floats, Floats],
        bank: SeriesBank,
    ) -> None:
        """Series that speak against the roots of the open incidents become symptoms, others no longer are."""
        weight = self.values[0]
        roots = np.zeros(len(weight), bool)
        for incident in incidents:
            roots |= about(bank, [incident.root])
        self.values[:4, (weight > 0) & ~roots] = 0.0
        rows = np.flatnonzero(roots & (evidence.total >= SYMPTOM_FROM))
        new = rows[(weight[rows] == 0) & matrix.present[rows] & self.mature(band)[rows]]
        self.values[1:3, new] = matrix.mean[new] - (band[0][new] + band[1][new]) / 2
        rows = np.union1d(rows[weight[rows] > 0], new)
        weight[rows] = np.maximum(weight[rows], np.minimum(evidence.total[rows], COUNTED_EVIDENCE))

    def remain(self, incident: Incident, band: tuple[Floats, Floats], bank: SeriesBank) -> bool:
        """Whether much of what has spoken against the root of an incident still does."""
        rows = np.flatnonzero(about(bank, [incident.root]) & (self.values[0] > 0))
        weight, largest, now, absent, _ = self.values[:, rows]
        noise = NOISE * (band[1][rows] - band[0][rows]) / 2
        away = (now * np.sign(largest) > np.maximum(RETURNED * np.abs(largest), noise)) & (absent < FORGOTTEN_TICKS)
        return bool(weight[away].sum() > REMAINING * weight.sum())

    def mature(self, band: tuple[Floats, Floats]) -> Bools:
        """bool[capacity]: series whose level is a measure."""
        known: Bools = (self.values[4] >= MATURE_TICKS) & np.isfinite(band[0])
        return known

    def without(
        self, matrix: Matrix, incidents: list[Incident], band: tuple[Floats, Floats], bank: SeriesBank
    ) -> Matrix:
        """The tick that is learnt: without the values of services in an open incident."""
        if not incidents:
            return matrix
        held = about(bank, [name for incident in incidents for name in incident.services]) & self.mature(band)
        return replace(matrix, count=np.where(held, 0.0, matrix.count))


def about(bank: SeriesBank, services: Sequence[str]) -> Bools:
    """bool[capacity]: series that services own or are called in."""
    numbers = [bank.service_numbers[name] for name in services if name in bank.service_numbers]
    return np.isin(bank.owner, numbers) | np.isin(bank.other, numbers)
