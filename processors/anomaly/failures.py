"""FailureOdds: failing calls of services with little traffic, by all calls of some minutes and not by the tick.

Two of six calls that fail are nothing, and often none of the next six does, even where a third of all fail. Together
they decide: each tick adds the logarithm of a likelihood ratio, that of ``ILL`` failing against the usual share, and
below zero the sum begins anew (CUSUM, Page 1954). It begins anew as well once it has fallen by ``OVER`` from its
highest: by then it is a hundred times as likely that the fault is over.

    odds ─ the highest of earlier bursts ─────────────────────────┐
         ─ what a first burst is worth while little is known ─────┴─ the larger one is subtracted ──→ evidence

Real services fail in bursts of minutes without any fault, and how bad these are differs. So a burst is measured by
those of the series itself: in one that has had some, only a worse one is evidence. In one that has had none, that says
the more, the more calls it has had without.

State lives in the row of a service's error share, 40 bytes a row. In incidents nothing is learnt, as in all models.
A tick of 100 000 series, 2 000 of them error shares, takes 0.2 ms.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from processors.anomaly.detector import Floats, Matrix
from processors.anomaly.evidence import COUNTED_EVIDENCE
from processors.anomaly.places import Rows
from processors.anomaly.series_bank import ERRORS, SIGNALS, SeriesBank
from processors.anomaly.tick_inputs import ERROR_SCALE, QUIET_CALLS

ILL = 0.2
"""Share of failing calls that is a fault."""
USUAL_AT_MOST = 0.15
PRIOR_FAILED, PRIOR_CALLS = 0.5, 50.0
"""Calls that a new service is taken to have had."""
TICK = 2.0
"""Decades that one tick adds at most: calls of the same seconds fail together."""
MAX_ODDS = 60.0
OVER = 2.0
"""Decades below the highest from which a burst is over."""
FIRST_BURST, FIRST_CALLS = 6.0, 8000.0
"""A first burst counts from 6 decades on, and from 8 more after only 1 000 calls."""
WORSE = 1.3
"""How much worse than its worst one a burst must be."""
FORGETTING = 0.9997
"""Per tick with calls, of calls and of bursts: nine hours of 10 s."""
WEIGHT = 2.0
"""Evidence for a decade."""
ROWS = 5


class FailureOdds:
    """See the module.

    Attributes:
        values: float64[5, capacity]: calls and failed calls, fading; odds, decades; their highest since they were 0;
            the highest of earlier bursts, fading. 0 in rows of other signals.
    """

    def __init__(self) -> None:
        self.values: Floats = np.zeros((ROWS, 0))
        self._rows: Rows = np.zeros(0, np.int64)
        self._failed: Floats = np.zeros(0)
        self._ended: Floats = np.zeros(0)

    def resize(self, capacity: int) -> None:
        """Have rows for this many series."""
        missing = capacity - self.values.shape[1]
        self.values = np.concatenate((self.values, np.zeros((ROWS, missing))), axis=1)

    def clear(self, rows: npt.NDArray[np.int64]) -> None:
        """Forget all about these series."""
        self.values[:, rows] = 0.0

    def score(self, matrix: Matrix, bank: SeriesBank) -> tuple[Rows, Floats]:
        """Take in the calls of a tick.

        Returns:
            Rows of the services that were called, int64[k], and what speaks against them, float64[k].
        """
        rows = np.flatnonzero((bank.signal == SIGNALS.index(ERRORS)) & (matrix.count > 0))
        calls, failed, odds, highest, worst = self.values[:, rows]
        now = matrix.count[rows]
        self._rows, self._failed = rows, np.rint(matrix.mean[rows] * (now + QUIET_CALLS) / ERROR_SCALE)
        usual = np.minimum((failed + PRIOR_FAILED) / (calls + PRIOR_CALLS), USUAL_AT_MOST)
        ratio = self._failed * np.log10(ILL / usual) + (now - self._failed) * np.log10((1.0 - ILL) / (1.0 - usual))
        odds = np.clip(odds + np.minimum(ratio, TICK), 0.0, MAX_ODDS)
        highest = np.maximum(highest, odds)
        over = (odds == 0.0) | (odds < highest - OVER)
        self._ended = np.where(over, highest, 0.0)
        self.values[2:4, rows] = np.where(over, 0.0, (odds, highest))
        known = np.maximum(WORSE * worst, FIRST_BURST + FIRST_CALLS / np.maximum(calls, 1.0))
        beyond = np.where(over, 0.0, odds - known)
        return rows, np.clip(WEIGHT * beyond, 0.0, COUNTED_EVIDENCE)

    def learn(self, matrix: Matrix) -> None:
        """Take in the tick that was scored last, but for the rows that it now has no values of."""
        kept = matrix.count[self._rows] > 0
        rows = self._rows[kept]
        self.values[:2, rows] = FORGETTING * self.values[:2, rows] + (matrix.count[rows], self._failed[kept])
        self.values[4, rows] = np.maximum(FORGETTING * self.values[4, rows], self._ended[kept])
