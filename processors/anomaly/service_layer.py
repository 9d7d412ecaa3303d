"""ServiceLayer: layer 3, a river model of what each service is like in a tick, as one small vector.

    times       how much slower its operations are than their level, decades, by calls      ┐
    wire        the same of calls to it                                                     │
    calls       calls per trace of its operations, against their level                      ├ scaled, squeezed ─→ river
    failures    share of failed calls, shrunk where there are few                           │
    traffic     log10(1 + calls)                                                            ┘

A fault moves several of them at once, which no series sees by itself. Where the model has never seen such a mix, the
surprise of the service's series counts up to ``AGREEMENT`` more: the layer speaks for what others say, it never opens
an incident alone, and a mix without a surprising series says nothing.

A service in an open incident, whose values are withheld from learning, is not asked either: river models learn as they
score, and a fault is not to become normal.

A service has a model from its first tick with ``MIN_CALLS`` on, while there is room. Its vector lives in the row of
its error share, which every service that is called has. 50 µs a service and tick, 85 kB a model.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from processors.anomaly.detector import Array, Bools, Floats, Matrix
from processors.anomaly.fenced_models import FencedModels
from processors.anomaly.places import Rows
from processors.anomaly.series_bank import DURATION, ERRORS, GAP, RATE, SIGNALS, SeriesBank

MODEL = "anomaly.HalfSpaceTrees(n_trees=5, height=5, window_size=40, seed=1)"
WIDTH = 5
AGREEMENT = 0.2
"""What a surprise counts more where the mix of its service is as strange as can be."""
STRANGE = 4.0
"""Surprise of the mix from which it counts in full."""
MIN_CALLS = 5.0
UNIT = 2.0**20
"""Steps per decade of a vector's values: rounded, so that no order of the series, whose numbers depend on the order of
the first spans, changes what they add up to."""
FLOOR = 0.001
"""Smallest usual deviation, decades."""


class ServiceLayer:
    """See the module.

    Args:
        max_services: Services with a model.
        model: Expression of ``river_expression``, for vectors.
        warm_up, memory, window: As in ``FencedModels``.
    """

    def __init__(
        self,
        max_services: int = 1000,
        model: str = MODEL,
        warm_up: int = 60,
        memory: float = 120.0,
        window: int = 360,
    ) -> None:
        self.models = FencedModels(
            model, width=WIDTH, max_models=max_services, warm_up=warm_up, memory=memory, window=window, floor=FLOOR
        )
        self._called: Rows = np.zeros(0, np.int64)
        self._withheld: Rows = np.zeros(0, np.int64)

    def clear(self, rows: Array) -> None:
        """Forget the services whose error share lives in these rows."""
        self.models.forget(rows)
        self._withheld = self._withheld[~np.isin(self._withheld, rows)]

    def score(self, matrix: Matrix, shift: Floats, surprise: Floats) -> None:
        """Raise the surprise of a tick where the mix of its service is strange as well.

        Args:
            shift: float64[n], how far each series is from its level; 0 where that is not known.
            surprise: float64[n], written.
        """
        bank = matrix.bank
        if bank is None:
            return
        rows, vectors = vectors_of(matrix, shift, bank)
        self._called = rows
        promoted = (matrix.count[rows] >= MIN_CALLS) | (self.models.places.of(rows) >= 0)
        promoted &= ~np.isin(rows, self._withheld)
        rows, vectors = rows[promoted], vectors[promoted]
        found, _ = self.models.score(rows, vectors, matrix.second)
        agreement = np.ones(len(bank.services) + 1)  # the last one: rows of no service
        agreement[bank.owner[rows]] += AGREEMENT * np.minimum(found / STRANGE, 1.0)
        surprise *= agreement[bank.owner]

    def learn(self, matrix: Matrix, frozen: Bools) -> None:
        """Take in the tick that was scored last; little of it where a series of the service is out of band."""
        bank = matrix.bank
        if bank is not None:
            ill = np.zeros(len(bank.services) + 1, bool)
            ill[bank.owner[frozen]] = True
            self.models.learn(ill[bank.owner] | ~matrix.present)
            self._withheld = self._called[~matrix.present[self._called]]

    def totals(self) -> dict[str, int]:
        """Own metrics."""
        return self.models.totals()

    def state(self, rows: Array) -> dict[str, Array]:
        """What these rows have learnt."""
        return {"withheld": np.isin(rows, self._withheld).astype(np.int64)} | self.models.state(rows)

    def load(self, state: Mapping[str, Array]) -> None:
        """Take up what ``state`` gave. Raises ValueError or KeyError."""
        withheld = np.asarray(state["withheld"])
        if withheld.ndim != 1 or not np.isin(withheld, (0, 1)).all():
            raise ValueError("withheld: 0 or 1 for each row")
        self._withheld = np.flatnonzero(withheld)
        self.models.load(state)


def vectors_of(matrix: Matrix, shift: Floats, bank: SeriesBank) -> tuple[Rows, Floats]:
    """The services that were called in a tick: row of their error share, and their vector float64[k, WIDTH]."""
    size = len(bank.services)
    signal = np.where(matrix.present, bank.signal, -1)
    rows = np.flatnonzero(signal == SIGNALS.index(ERRORS))
    services = bank.owner[rows]
    vectors = np.empty((len(rows), WIDTH))
    for i, (name, owner) in enumerate(((DURATION, bank.owner), (GAP, bank.other), (RATE, bank.owner))):
        chosen = np.flatnonzero((signal == SIGNALS.index(name)) & (owner >= 0))
        weights = matrix.count[chosen]
        total = np.bincount(owner[chosen], weights, size)
        moved = np.bincount(owner[chosen], weights * shift[chosen], size)
        vectors[:, i] = (moved / np.maximum(total, 1e-9))[services]
    vectors[:, 3] = matrix.mean[rows]
    vectors[:, 4] = np.log10(1.0 + matrix.count[rows])
    return rows, np.rint(vectors * UNIT) / UNIT
