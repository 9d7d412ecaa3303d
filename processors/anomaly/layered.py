"""LayeredDetector: three layers, each asked only what it is good at. The default.

every series            robust detector          surprise
series with a history   seasonal detector        lowers it: every morning is like this
services with traffic   river model of the mix   raises it: several things moved at once
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from processors.anomaly.detector import Array, Bools, Floats, Matrix
from processors.anomaly.history_layer import HistoryLayer
from processors.anomaly.robust import RobustDetector
from processors.anomaly.service_layer import ServiceLayer


class LayeredDetector:
    """See the module.

    Args:
        robust, seasonal, services: Parameters of the three.
        max_history: Series with a history that are remembered, 1.4 kB each.
    """

    def __init__(
        self,
        robust: Mapping[str, float] | None = None,
        seasonal: Mapping[str, float] | None = None,
        services: Mapping[str, Any] | None = None,
        max_history: int = 10_000,
    ) -> None:
        self.robust = RobustDetector(**(robust or {}))  # type: ignore[arg-type]
        self.history = HistoryLayer(max_history, seasonal or {})
        self.services = ServiceLayer(**(services or {}))
        self._scored: Matrix | None = None

    @property
    def nbytes(self) -> int:
        """Memory of all rows and places, without the models of river: 80 kB a service."""
        return self.robust.nbytes + self.history.nbytes + self.services.models.nbytes

    def resize(self, capacity: int) -> None:
        """As in ``Detector``."""
        self.robust.resize(capacity)
        self.history.resize(capacity)

    def clear(self, rows: Array) -> None:
        """As in ``Detector``."""
        self.robust.clear(rows)
        self.history.clear(rows)
        self.services.clear(rows)

    def relax(self, rows: Array) -> None:
        """As in ``Detector``. Days and weeks outlast deployments."""
        self.robust.relax(rows)

    def score(self, matrix: Matrix) -> Floats:
        """As in ``Detector``; what is returned holds until the next call."""
        surprise = self.robust.score(matrix)
        self._scored = matrix
        self.history.score(matrix, self.robust.arrays["level"], self.robust.distance(), surprise)
        self.services.score(matrix, self._shift(matrix), surprise)
        return surprise

    def learn(self, matrix: Matrix, frozen: Bools) -> None:
        """As in ``Detector``. The history takes what was scored, also where values of an open incident are withheld:
        how else would it learn what every morning brings? What that explains is not learnt as restlessness."""
        usual = matrix
        if len(self.history.explained):
            usual = replace(matrix, count=matrix.count.copy())
            usual.count[self.history.explained] = 0.0
        self.robust.learn(usual, frozen)
        self.history.learn(self._scored or matrix)
        self.services.learn(matrix, frozen)

    def expected(self) -> tuple[Floats, Floats]:
        """The band of the robust detector, around what the time foretells where that explains the value."""
        lower, upper = self.robust.expected()
        self.history.expected(lower, upper)
        return lower, upper

    def totals(self) -> Mapping[str, int]:
        """As in ``Detector``."""
        places = self.history.places
        return self.services.totals() | {"history_granted": places.granted, "history_refused": places.refused}

    def state(self, rows: Array) -> dict[str, Array]:
        """As in ``Detector``."""
        return {
            f"{part}.{name}": array
            for part, layer in self._parts().items()
            for name, array in layer.state(rows).items()
        }

    def load(self, state: Mapping[str, Array]) -> None:
        """As in ``Detector``."""
        for part, layer in self._parts().items():
            prefix = f"{part}."
            layer.load({name.removeprefix(prefix): array for name, array in state.items() if name.startswith(prefix)})

    def _parts(self) -> dict[str, RobustDetector | HistoryLayer | ServiceLayer]:
        return {"robust": self.robust, "history": self.history, "services": self.services}

    def _shift(self, matrix: Matrix) -> Floats:
        """float64[n]: how far each series is from its level; 0 where that is not known."""
        a = self.robust.arrays
        known = matrix.present & (a["ticks"] >= self.robust.warm_up)
        return np.where(known, np.nan_to_num(matrix.mean) - a["level"], 0.0)
