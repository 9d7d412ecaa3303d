"""LayeredDetector: the robust detector on every series, and the seasonal one to ask about the time of day and week.

    robust surprise ─┬─ no profile has proved its worth for the series ──→ as it is
                     ├─ the seasonal detector is surprised as well ──────→ as it is
                     └─ it is not: every morning is like this ───────────→ ``EXPECTED_SHARE`` of it

The seasonal detector never raises surprise: on its own it finds less in spans, whose ticks have few and many of them.
1.5 kB a series, and three quarters of a microsecond a tick.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from processors.anomaly.detector import Array, Bools, Floats, Matrix
from processors.anomaly.robust import RobustDetector
from processors.anomaly.seasonal import SeasonalDetector

EXPECTED_SHARE = 0.3
"""What remains of a surprise that the time of day explains. A fault can come at nine as well."""


class LayeredDetector:
    """See the module.

    Args:
        robust, seasonal: Parameters of the two.
    """

    def __init__(self, robust: Mapping[str, float] | None = None, seasonal: Mapping[str, float] | None = None) -> None:
        self.robust = RobustDetector(**(robust or {}))  # type: ignore[arg-type]
        self.seasonal = SeasonalDetector(**(seasonal or {}), repeat=True)  # type: ignore[arg-type]

    @property
    def nbytes(self) -> int:
        """Memory of all rows."""
        return self.robust.nbytes + self.seasonal.nbytes

    def resize(self, capacity: int) -> None:
        """As in ``Detector``."""
        self.robust.resize(capacity)
        self.seasonal.resize(capacity)

    def clear(self, rows: Array) -> None:
        """As in ``Detector``."""
        self.robust.clear(rows)
        self.seasonal.clear(rows)

    def relax(self, rows: Array) -> None:
        """As in ``Detector``. Days and weeks outlast deployments."""
        self.robust.relax(rows)

    def score(self, matrix: Matrix) -> Floats:
        """As in ``Detector``."""
        surprise = self.robust.score(matrix)
        explained = (self.seasonal.score(matrix) == 0) & self.seasonal.is_proven()
        return np.where(explained, EXPECTED_SHARE * surprise, surprise)

    def learn(self, matrix: Matrix, frozen: Bools) -> None:
        """As in ``Detector``."""
        self.robust.learn(matrix, frozen)
        self.seasonal.learn(matrix, frozen)

    def expected(self) -> tuple[Floats, Floats]:
        """The band of the seasonal detector where it has proved its worth, else of the robust one."""
        bands, seasonal = self.robust.expected(), self.seasonal.expected()
        if seasonal is None:
            return bands
        proven = self.seasonal.is_proven()
        lower, upper = (np.where(proven, ours, theirs) for ours, theirs in zip(seasonal, bands, strict=True))
        return lower, upper

    def state(self) -> dict[str, Array]:
        """As in ``Detector``."""
        parts = {"robust": self.robust, "seasonal": self.seasonal}
        return {f"{part}.{name}": array for part, detector in parts.items() for name, array in detector.state().items()}

    def load(self, state: Mapping[str, Array]) -> None:
        """As in ``Detector``."""
        for part, detector in (("robust", self.robust), ("seasonal", self.seasonal)):
            detector.load({name: state[f"{part}.{name}"] for name in detector.state()})
