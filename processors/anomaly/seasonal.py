"""SeasonalDetector: layer 2, series with a history: a slow level, profiles of day and week, and learnt tails.

    base    = slow level + profile of the time of day + profile of the week, each where it has proved its worth
    feature = |value - base|, and |smoothed value - base|: something sudden, something that stays

A profile counts once what it foretells is clearly nearer than what is foretold without it. That of the day has
``BINS`` values; that of the week says how much a quarter of a weekday differs from the day, after two weeks.

Each feature is scaled by its own average and compared with a threshold that follows its 99th percentile; what passes it
is judged by a generalised Pareto tail fitted to the excesses by moments (after SPOT, Siffer et al., KDD 2017). A
surprise is passed on only where it exceeds those before it, which fade: one alarm for one event.

Numpy over all series; 1.4 kB a series, most of it the profiles.
"""

from __future__ import annotations

import numpy as np

from processors.anomaly.detector import Array, Bools, Floats, Matrix, RowArrays

BINS = 48
"""Of the day: half an hour each, by the clocks of users (``Matrix.local_second``)."""
DAY_S = 86400.0
QUARTERS = 28
"""Of the week: six hours each, from Monday on."""
QUARTER_S = DAY_S / 4
MONDAY_S = 4 * DAY_S
"""The first Monday of Unix time."""
WEEKS = 2.0
"""So often a quarter must have been seen before its value counts."""
DAYS = 1.9
"""So often a bin must have been visited before others may rely on what it foretells: on two days, less a gap."""
WEEK_PACE = 0.3
"""Of a quarter's value, per week."""
PROVEN = 0.85
"""A profile counts where the error with it is below this share of the error without it."""
ERROR_PACE = 1.0 / 500.0
FADING = 250.0
"""Ticks after which a surprise has faded to 1/e: a new one must exceed what is left."""
SCALE_PACE = 0.0002
QUANTILE_PACE = 0.003
EXCESS_PACE = 0.005
RATE_PACE = 0.005
MIN_RATE = 1e-5
MIN_SHAPE, MAX_SHAPE = -0.01, 0.2
"""Of the Pareto tail. Bounded, since a few excesses say little about it."""
MAX_SURPRISE = 30.0
WINSOR = 10.0
"""Multiples of the usual deviation that a value counts as, at most."""
TINY = 1e-12


class SeasonalDetector(RowArrays):
    """See the module.

    Args:
        memory: Ticks of the slow level.
        smoothing: Ticks over which a deviation must stay to count as one that stays.
        warm_up: Ticks with a value before a series is scored.
        profile_memory: Days of the profile.
        repeat: Pass on every surprise, not only the first of an event.
    """

    def __init__(
        self,
        memory: float = 500.0,
        smoothing: float = 96.0,
        warm_up: int = 150,
        profile_memory: float = 10.0,
        *,
        repeat: bool = False,
    ) -> None:
        if memory < 1 or smoothing < 1 or warm_up < 1 or profile_memory < 1:
            raise ValueError("memory, smoothing, warm_up and profile_memory must be at least 1")
        two = np.zeros(2)
        self.defaults = {
            "ticks": 0.0,
            "second": 0.0,
            "level": 0.0,
            "offset": 0.0,
            "size": 0.0,
            "profile": np.zeros(BINS),
            "visits": np.zeros(BINS),
            "profile_error": 0.0,
            "level_error": 0.0,
            "scale": two,
            "threshold": two + 3.0,
            "tail_rate": two + 0.02,
            "excess": two + 1.0,
            "excess2": two + 2.0,
            "week": np.zeros(QUARTERS),
            "week_visits": np.zeros(QUARTERS),
            "week_error": 0.0,
            "day_error": 0.0,
            "recent": 0.0,
        }
        super().__init__()
        self.pace = 1.0 / memory
        self.smoothing = 1.0 / smoothing
        self.warm_up = warm_up
        self.profile_pace = 1.0 / profile_memory
        self.repeat = repeat
        self._base = np.zeros(0)
        self._sign = np.zeros(0)
        self._features = np.zeros((0, 2))
        self._scaled = np.zeros((0, 2))

    def score(self, matrix: Matrix) -> Floats:
        """As in ``Detector``."""
        a = self.arrays
        present = matrix.present
        new = present & (a["ticks"] == 0)
        a["level"][new] = matrix.mean[new]
        value = np.where(present, matrix.mean, a["level"])
        rows, bins = np.arange(len(value)), self._bin(matrix.local_second)
        day = np.where(self._day_counts(bins), a["profile"][rows, bins], 0.0)
        quarter = self._quarter(matrix.local_second)
        in_weeks = a["week_visits"][rows, quarter] >= WEEKS
        proven = in_weeks & (a["week_error"] < PROVEN * a["day_error"])
        self._base = a["level"] + day + np.where(proven, a["week"][rows, quarter], 0.0)
        residual = value - self._base
        a["offset"] += np.where(present, self.smoothing * (residual - a["offset"]), 0.0)
        self._features = np.abs(np.stack((residual, a["offset"]), 1))
        self._sign = np.where(residual < 0, -1.0, 1.0)
        surprise: Floats = self._surprise(present).max(1)
        if self.repeat:
            return surprise * self._sign
        faded = a["recent"] * np.where(present, np.exp(-1.0 / FADING), 1.0)
        a["recent"] = np.maximum(faded, surprise)
        return np.where(surprise > faded, surprise, 0.0) * self._sign

    def learn(self, matrix: Matrix, frozen: Bools) -> None:  # noqa: ARG002 - winsorising does what freezing would
        """As in ``Detector``."""
        a = self.arrays
        present = matrix.present
        value = np.where(present, matrix.mean, a["level"])
        self._learn_tails(present)
        a["ticks"] += present
        usual = np.maximum(a["scale"][:, 0], TINY)
        step = value - a["level"]
        known = a["ticks"] >= self.warm_up
        step = np.where(known, np.clip(step, -WINSOR * usual, WINSOR * usual), step)
        pace = np.maximum(self.pace, 1.0 / np.maximum(a["ticks"], 1.0)) * present
        a["level"] += pace * step
        a["size"] += np.maximum(0.01, 1.0 / np.maximum(a["ticks"], 1.0)) * present * (np.abs(value) - a["size"])
        self._learn_profile(matrix, value, usual, known)
        a["second"] = np.where(present, matrix.second, a["second"])

    def expected(self) -> tuple[Floats, Floats] | None:
        """Base ± the threshold of the sudden feature."""
        a = self.arrays
        if len(self._base) != len(a["level"]):
            return None
        width = a["scale"][:, 0] * a["threshold"][:, 0]
        base = np.where(a["ticks"] >= self.warm_up, self._base, np.nan)
        return base - width, base + width

    def is_proven(self) -> Bools:
        """bool[n]: series whose profile has foretold their values clearly better than their level."""
        a = self.arrays
        better = (a["level_error"] > 0) & (a["profile_error"] < PROVEN * a["level_error"])
        proven: Bools = better & (a["ticks"] > self.warm_up)
        return proven

    def foretold(self, local_second: float) -> tuple[Floats, Bools]:
        """float64[n], what series are at this time of the day and of the week; bool[n], whether that is experience: of
        a profile that has proved its worth, from two days or two weeks."""
        a = self.arrays
        bins, quarter = self._bin(local_second), self._quarter(local_second)
        day = self.is_proven() & (a["visits"][:, bins] >= DAYS)
        week = (a["week_visits"][:, quarter] >= WEEKS) & (a["week_error"] < PROVEN * a["day_error"])
        base: Floats = (
            a["level"] + np.where(day, a["profile"][:, bins], 0.0) + np.where(week, a["week"][:, quarter], 0.0)
        )
        return base, day | week

    def _bin(self, local_second: float) -> int:
        return int(local_second % DAY_S / DAY_S * BINS)

    def _quarter(self, local_second: float) -> int:
        return int((local_second - MONDAY_S) % (7 * DAY_S) // QUARTER_S)

    def _day_counts(self, bins: int) -> Bools:
        """bool[n]: series whose profile of the day counts now."""
        a = self.arrays
        counts: Bools = (a["visits"][:, bins] >= 1.0) & (a["profile_error"] < PROVEN * a["level_error"])
        return counts

    def _surprise(self, present: Bools) -> Array:
        """[n, 2]: minus the decimal logarithm of each feature's tail probability."""
        a = self.arrays
        scale = np.where(a["scale"] <= 0, self._features, a["scale"])
        still = 1e-9 * (a["size"][:, None] + 1e-9)
        flat = (a["ticks"] > self.warm_up)[:, None] & (a["scale"] <= 1e-3 * still)
        self._scaled = np.where(flat, np.where(self._features > still, WINSOR, 0.0), self._features / (scale + TINY))
        excess = self._scaled - a["threshold"]
        spread = np.maximum(a["excess2"] - a["excess"] ** 2, 1e-6)
        shape = np.clip(0.5 * (1.0 - a["excess"] ** 2 / spread), MIN_SHAPE, MAX_SHAPE)
        shape = np.where(np.abs(shape) < 1e-3, 1e-3, shape)
        width = np.maximum(a["excess"] * (1.0 - shape), 0.05)
        beyond = np.maximum(1.0 + shape * np.maximum(excess, 0.0) / width, 1e-9)
        logarithm = np.log10(np.maximum(a["tail_rate"], MIN_RATE)) - np.log10(beyond) / shape
        ready = (present & (a["ticks"] > self.warm_up))[:, None]
        return np.where(ready & (excess > 0), np.clip(-logarithm, 0.0, MAX_SURPRISE), 0.0)

    def _learn_tails(self, present: Bools) -> None:
        a = self.arrays
        here = present[:, None]
        seen = np.maximum(a["ticks"] + 1.0, 1.0)[:, None]
        first = a["scale"] <= 0
        winsorised = np.minimum(self._scaled, WINSOR) * a["scale"]
        pace = np.maximum(SCALE_PACE, 1.0 / seen)
        grown = np.where(first, self._features, a["scale"] + pace * (winsorised - a["scale"]))
        a["scale"] = np.where(here, grown, a["scale"])
        excess = self._scaled - a["threshold"]
        over = here & (excess > 0)
        step = 3.0 * np.maximum(QUANTILE_PACE, 1.0 / seen) * np.where(excess > 0, 0.99, -0.01)
        a["threshold"] = np.where(here, np.maximum(a["threshold"] + step, 0.5), a["threshold"])
        a["tail_rate"] += np.where(here, RATE_PACE * (over - a["tail_rate"]), 0.0)
        excess = np.minimum(excess, 9.0 * (a["excess"] + 1e-6))
        a["excess"] += np.where(over, EXCESS_PACE * (excess - a["excess"]), 0.0)
        a["excess2"] += np.where(over, EXCESS_PACE * (excess * excess - a["excess2"]), 0.0)

    def _learn_profile(self, matrix: Matrix, value: Floats, usual: Floats, known: Bools) -> None:
        """Take the value into both profiles, and into the errors with and without each."""
        a = self.arrays
        rows, bins, quarter = np.arange(len(value)), self._bin(matrix.local_second), self._quarter(matrix.local_second)
        present = matrix.present
        elapsed = np.where(a["second"] > 0, np.clip(matrix.second - a["second"], 0.0, DAY_S / BINS), DAY_S / BINS)
        off = value - a["level"]
        profile, visits = a["profile"][rows, bins], a["visits"][rows, bins]
        self._learn_error("level_error", "profile_error", off, profile, usual, present & (visits >= 1.0))
        step = self._clipped(off - profile, usual, known)
        share = elapsed / (DAY_S / BINS)
        pace = np.maximum(self.profile_pace * share, 1.0 / (6.0 * visits + 1.0)) * present
        day = np.where(self._day_counts(bins), profile, 0.0)
        a["profile"][rows, bins] = profile + pace * step
        a["visits"][rows, bins] = visits + share * present

        off = off - day
        week, visits = a["week"][rows, quarter], a["week_visits"][rows, quarter]
        self._learn_error("day_error", "week_error", off, week, usual, present & (visits >= WEEKS))
        share = np.minimum(elapsed, QUARTER_S) / QUARTER_S
        pace = np.maximum(share * WEEK_PACE, share / (visits + 1.0)) * present
        a["week"][rows, quarter] = week + pace * self._clipped(off - week, usual, known)
        a["week_visits"][rows, quarter] = visits + share * present

    def _learn_error(
        self, without: str, with_it: str, off: Floats, foretold: Floats, usual: Floats, judged: Bools
    ) -> None:
        a = self.arrays
        for name, error in ((without, np.abs(off)), (with_it, np.abs(off - foretold))):
            a[name] += np.where(judged, ERROR_PACE * (np.minimum(error, 8.0 * usual) - a[name]), 0.0)

    @staticmethod
    def _clipped(step: Floats, usual: Floats, known: Bools) -> Floats:
        return np.where(known, np.clip(step, -WINSOR * usual, WINSOR * usual), step)
