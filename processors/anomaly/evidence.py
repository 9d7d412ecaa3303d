"""Evidence: what speaks against each series, and so against each service, after several ticks.

Surprise beyond a slack adds up, and melts fast as soon as a tick is usual (a one-sided CUSUM, Page 1954, that forgets).
A single surprising tick is common, since queries, pauses and caches have bad moments; in a series of times a second and
a third one in a row are rare without a fault. So each counts more than the one before it, on the wire most of all.

A service is scored by its strongest series, several of which agree in a real fault; each counts less than the one
before it, since a pause of a process makes all of its series surprising at once.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from processors.anomaly.detector import Floats, Matrix
from processors.anomaly.series_bank import SeriesBank

MISSING_DECAY = 0.975
"""A tick without value says little."""
MAX_EVIDENCE = 60.0
COUNTED_EVIDENCE = 40.0
"""One series counts no more than this for a service."""
MAX_GROWTH = 3.0
"""A tick late in a row counts this many times the first one at most."""
GONE = 1e-6
"""Less evidence is none."""


class Evidence:
    """See the module.

    Args:
        slack: Surprise of a tick that is taken for usual.
        decay: What remains of the evidence after a usual tick.
        strongest: Series of a service that count.
        share: What a series counts beside the next stronger one of its service.

    Attributes:
        total: float64[capacity].
        run: float64[capacity], surprising ticks in a row; ticks without value do not end one.
    """

    def __init__(self, slack: float = 1.3, decay: float = 0.4, strongest: int = 5, share: float = 0.75) -> None:
        self.slack = slack
        self.decay = decay
        self.shares: Floats = np.power(share, np.arange(strongest), dtype=np.float64)
        self.total, self.run = np.zeros((2, 0))

    def resize(self, capacity: int) -> None:
        """Have rows for this many series."""
        missing = np.zeros(capacity - len(self.total))
        self.total, self.run = np.concatenate((self.total, missing)), np.concatenate((self.run, missing))

    def clear(self, rows: npt.NDArray[np.int64]) -> None:
        """Nothing speaks against these series."""
        self.total[rows] = 0.0
        self.run[rows] = 0.0

    def add(self, surprise: Floats, matrix: Matrix, bank: SeriesBank) -> None:
        """Take in the surprise of a tick. Costs what the series cost that surprise, or have done so."""
        rows = np.flatnonzero((self.total > 0) | (surprise != 0))
        size, total = np.abs(surprise[rows]), self.total[rows]
        here = (matrix.count[rows] > 0) & np.isfinite(matrix.mean[rows]) & np.isfinite(matrix.variance[rows])
        over = size - self.slack
        run = np.where(over > 0, self.run[rows] + 1.0, 0.0)
        growth = np.minimum(1.0 + bank.growth[rows] * (run - 1.0), MAX_GROWTH)
        grown = np.where(over > 0, total + bank.trust[rows] * growth * over, self.decay * total + over)
        total = np.where(here, np.clip(grown, 0.0, MAX_EVIDENCE), total * MISSING_DECAY)
        self.total[rows] = np.where(total > GONE, total, 0.0)
        self.run[rows] = np.where(here, run, self.run[rows])

    def at_least(self, rows: npt.NDArray[np.int64], values: Floats) -> None:
        """Have no less evidence against these series than float64[k]; what is more than the tick said melts."""
        self.total[rows] = np.maximum(self.total[rows], values)

    def of_services(self, bank: SeriesBank) -> Floats:
        """float64[services]: the weighted sum of the strongest series of each service."""
        rows = np.flatnonzero(self.total)
        counted = np.minimum(self.total[rows], COUNTED_EVIDENCE)
        called = bank.other[rows] >= 0
        services = np.concatenate((bank.owner[rows], bank.other[rows][called]))
        values = np.concatenate((counted * bank.owner_weight[rows], (counted * bank.other_weight[rows])[called]))
        return strongest_sum(services, values, len(bank.services), self.shares)


def strongest_sum(groups: npt.NDArray[np.int32], values: Floats, size: int, shares: Floats) -> Floats:
    """float64[size]: the sum of the largest values of each group, the i-th largest times ``shares[i]``."""
    order = np.lexsort((-values, groups))
    groups, values = groups[order], values[order]
    rank = np.arange(len(groups)) - np.searchsorted(groups, groups)
    counted = rank < len(shares)
    weights = values[counted] * shares[rank[counted]]
    return np.bincount(groups[counted], weights=weights, minlength=size).astype(np.float64)
