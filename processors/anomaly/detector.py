"""What a detector is: a model of many series at once, one matrix row per series, one call per tick.

``score`` says how surprising the values of a tick are, before ``learn`` sees them. Surprise is on one scale for all
detectors, minus the decimal logarithm of a tail probability: 0 is usual, 3 happens once in a thousand ticks.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from importlib.metadata import entry_points
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from pipeline.api import ConfigError
from processors.anomaly.series_bank import SeriesBank

Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]
Array = npt.NDArray[Any]

GROUP = "weir.detectors"


@dataclass(frozen=True)
class Matrix:
    """One tick of n series.

    Attributes:
        mean: float64[n], mean of the tick's measurements; anything where there were none.
        variance: float64[n], their variance within the tick.
        count: float64[n], their number; 0: the value is missing, which is not zero.
        fall: float64[n], how much a fall counts beside a rise: half for durations, which seldom hurt by being short.
        second: Unix time of the end of the tick.
        bank: What the rows are, for detectors that look at several at once; None where they have nothing in common.
        utc_offset_s: What the clocks of users show more than UTC.
    """

    mean: Floats
    variance: Floats
    count: Floats
    fall: Floats
    second: float
    bank: SeriesBank | None = None
    utc_offset_s: float = 0.0

    def __len__(self) -> int:
        return len(self.mean)

    @property
    def local_second(self) -> float:
        """Seconds by the clocks of users, for what follows the hours of their day."""
        return self.second + self.utc_offset_s

    @property
    def present(self) -> Bools:
        """bool[n]: series with a finite value."""
        return (self.count > 0) & np.isfinite(self.mean) & np.isfinite(self.variance)


class Detector(Protocol):
    """A plug-in of the group ``weir.detectors``; made with the parameters of the configuration as keyword arguments.

    Holds arrays with one row per series. Rows are added by ``resize`` and given to other series by ``clear``.
    """

    def resize(self, capacity: int) -> None:
        """Have rows for this many series; new ones know nothing."""

    def clear(self, rows: Array) -> None:
        """Forget what these rows (int) have learnt."""

    def relax(self, rows: Array) -> None:
        """Learn these rows (int) faster for a while, and be less sure of them: a deployment may have changed them."""

    def score(self, matrix: Matrix) -> Floats:
        """float64[n], surprise, signed: negative where the value is below what was expected. 0 where the model knows
        too little, the value is missing, or nothing is unusual; never NaN."""

    def learn(self, matrix: Matrix, frozen: Bools) -> None:
        """Take in the tick that was scored last. ``frozen``: series out of band; they are learnt slowly, if at all."""

    def expected(self) -> tuple[Floats, Floats] | None:
        """(lower, upper) float64[capacity] of the mean, as of the last score; NaN where unknown. None: no band."""

    def totals(self) -> Mapping[str, int]:
        """Own metrics: what has happened so far and how often, by what it is."""

    def state(self, rows: Array) -> dict[str, Array]:
        """What these rows (int) have learnt, as arrays, for a checkpoint."""

    def load(self, state: Mapping[str, Array]) -> None:
        """Take up what ``state`` of the same version gave, rows being numbered from 0 in its order; raises ValueError
        or KeyError where it does not fit."""


def installed() -> dict[str, Any]:
    """Entry points of all detectors by name."""
    return {entry.name: entry for entry in entry_points(group=GROUP)}


def make(name: str, parameters: Mapping[str, Any]) -> Detector:
    """The detector called ``name``.

    Raises:
        ConfigError: There is none, or it does not take these parameters.
    """
    entry = installed().get(name)
    if entry is None:
        raise ConfigError([f'there is no detector "{name}"; installed: {", ".join(sorted(installed()))}'])
    try:
        made: Detector = entry.load()(**parameters)
    except (TypeError, ValueError, ImportError) as error:
        raise ConfigError([f'detector "{name}": {error}']) from error
    missing = [method for method in vars(Detector) if method[0] != "_" and not callable(getattr(made, method, None))]
    if missing:
        what = f'detector "{name}" has no {", ".join(missing)}'
        raise ConfigError([f"{what}; RowArrays has most of what Detector in processors.anomaly.detector asks for"])
    return made


def scored(detector: Detector, matrix: Matrix) -> tuple[Floats, tuple[Floats, Floats]]:
    """What a detector says of a tick: surprise float64[n], and the band (lower, upper), NaN where it has none.

    Raises:
        ValueError: It gave something other than ``Detector`` asks for, which numpy could spread over all series.
    """
    surprise = detector.score(matrix)
    band = detector.expected() or (np.full(len(matrix), np.nan),) * 2
    whose = f"detector {type(detector).__name__}"
    if np.shape(band) != (2, len(matrix)):
        raise ValueError(f"{whose}: expected gave {np.shape(band)}, not lower and upper of {len(matrix)} series")
    if np.shape(surprise) != (len(matrix),) or np.isnan(surprise).any():
        raise ValueError(
            f"{whose}: score gave {np.shape(surprise)} or NaN, not a number for each of {len(matrix)} series"
        )
    return surprise, band


class RowArrays:
    """Base of detectors whose state is one array per quantity.

    ``defaults`` maps names to what a new row holds: a number, or an array for rows with several values.
    """

    defaults: Mapping[str, float | Array] = {}

    def __init__(self) -> None:
        self.arrays: dict[str, Array] = {name: _filled(0, value) for name, value in self.defaults.items()}

    @property
    def nbytes(self) -> int:
        """Memory of all rows."""
        return sum(array.nbytes for array in self.arrays.values())

    def resize(self, capacity: int) -> None:
        """As in ``Detector``."""
        for name, value in self.defaults.items():
            kept = self.arrays[name][:capacity]
            self.arrays[name] = np.concatenate((kept, _filled(capacity - len(kept), value)))

    def clear(self, rows: Array) -> None:
        """As in ``Detector``."""
        for name, value in self.defaults.items():
            self.arrays[name][rows] = value

    def relax(self, rows: Array) -> None:
        """As in ``Detector``; models that learn fast anyway do nothing."""

    def totals(self) -> Mapping[str, int]:
        """As in ``Detector``; models without limits have nothing to count."""
        return {}

    def state(self, rows: Array) -> dict[str, Array]:
        """As in ``Detector``."""
        return {name: array[rows] for name, array in self.arrays.items()}

    def load(self, state: Mapping[str, Array]) -> None:
        """As in ``Detector``."""
        for name, array in self.arrays.items():
            given = np.asarray(state[name], np.float64)
            if given.shape[1:] != array.shape[1:] or len(given) > len(array) or not np.isfinite(given).all():
                raise ValueError(f"{name}: {given.shape} does not fit {array.shape}, or is not finite")
            array[: len(given)] = given


def _filled(rows: int, value: float | Array) -> Array:
    shape = (rows, *np.shape(value))
    return np.full(shape, value, np.float64)
