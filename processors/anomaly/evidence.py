"""Evidence: what speaks against each series, and so against each service, after several ticks.

Surprise beyond a slack adds up, and melts fast as soon as a tick is usual (a one-sided CUSUM, Page 1954, that forgets).
A service is scored by its strongest series, several of which agree in a real fault and seldom by chance.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from processors.anomaly.detector import Bools, Floats
from processors.anomaly.series_bank import SeriesBank

MISSING_DECAY = 0.97
"""A tick without value says little."""
MAX_EVIDENCE = 60.0
COUNTED_EVIDENCE = 40.0
"""One series counts no more than this for a service."""


class Evidence:
    """See the module.

    Args:
        slack: Surprise of a tick that is taken for usual.
        decay: What remains of the evidence after a usual tick.
        strongest: Series of a service that count.

    Attributes:
        total: float64[capacity].
    """

    def __init__(self, slack: float = 1.2, decay: float = 0.4, strongest: int = 5) -> None:
        self.slack = slack
        self.decay = decay
        self.strongest = strongest
        self.total = np.zeros(0)

    def resize(self, capacity: int) -> None:
        """Have rows for this many series."""
        kept = self.total[:capacity]
        self.total = np.concatenate((kept, np.zeros(capacity - len(kept))))

    def add(self, surprise: Floats, present: Bools) -> None:
        """Take in the surprise of a tick."""
        surprise = np.abs(surprise)
        kept = np.where(surprise < self.slack, self.decay, 1.0) * self.total
        grown = np.minimum(np.maximum(kept + surprise - self.slack, 0.0), MAX_EVIDENCE)
        self.total = np.where(present, grown, self.total * MISSING_DECAY)

    def of_services(self, bank: SeriesBank) -> Floats:
        """float64[services]: the sum of the strongest series of each service."""
        rows = np.flatnonzero(self.total > 1e-6)
        counted = np.minimum(self.total[rows], COUNTED_EVIDENCE)
        called = bank.other[rows] >= 0
        services = np.concatenate((bank.owner[rows], bank.other[rows][called]))
        values = np.concatenate((counted * bank.owner_weight[rows], (counted * bank.other_weight[rows])[called]))
        return strongest_sum(services, values, len(bank.services), self.strongest)


def strongest_sum(groups: npt.NDArray[np.int32], values: Floats, size: int, strongest: int) -> Floats:
    """float64[size]: the sum of the ``strongest`` largest values of each group."""
    order = np.lexsort((-values, groups))
    groups, values = groups[order], values[order]
    first = np.searchsorted(groups, groups)
    counted = np.arange(len(groups)) - first < strongest
    return np.bincount(groups[counted], weights=values[counted], minlength=size).astype(np.float64)
