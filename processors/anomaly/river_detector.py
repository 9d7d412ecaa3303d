"""RiverDetector: any anomaly, drift or time-series model of river on every series, fenced (``fenced_models.py``)."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from processors.anomaly.detector import Array, Bools, Floats, Matrix
from processors.anomaly.fenced_models import FencedModels


class RiverDetector:
    """See the module. The first ``max_models`` series have a model; others score 0, and that is counted.

    Args:
        model: Expression of ``river_expression``.
        max_models, warm_up, memory, window: As in ``FencedModels``.
    """

    def __init__(
        self,
        model: str = "anomaly.HalfSpaceTrees(n_trees=5, height=5, window_size=60, seed=1)",
        max_models: int = 2000,
        warm_up: int = 120,
        memory: float = 120.0,
        window: int = 360,
    ) -> None:
        self.models = FencedModels(model, max_models=max_models, warm_up=warm_up, memory=memory, window=window)

    def resize(self, capacity: int) -> None:
        """As in ``Detector``; rows cost nothing until they have a model."""

    def clear(self, rows: Array) -> None:
        """As in ``Detector``."""
        self.models.forget(rows)

    def relax(self, rows: Array) -> None:
        """As in ``Detector``; models learn fast anyway."""

    def score(self, matrix: Matrix) -> Floats:
        """As in ``Detector``."""
        out = np.zeros(len(matrix))
        rows = np.flatnonzero(matrix.present)
        surprise, deviation = self.models.score(rows, matrix.mean[rows, None], matrix.second)
        out[rows] = np.copysign(surprise, deviation[:, 0])
        return out

    def learn(self, matrix: Matrix, frozen: Bools) -> None:  # noqa: ARG002 - the models know what they have scored
        """As in ``Detector``."""
        self.models.learn(frozen)

    def expected(self) -> tuple[Floats, Floats] | None:
        """None: a score has no band."""
        return None

    def totals(self) -> Mapping[str, int]:
        """As in ``Detector``."""
        return self.models.totals()

    def state(self, rows: Array) -> dict[str, Array]:
        """As in ``Detector``."""
        return self.models.state(rows)

    def load(self, state: Mapping[str, Array]) -> None:
        """As in ``Detector``."""
        self.models.load(state)
