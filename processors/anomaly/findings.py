"""Findings: what speaks against the root service of an incident, each series as it was in its most unusual tick.

An incident is told again when more is known of it, maybe in a tick that happens to be usual: what was seen before
counts.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from processors.anomaly.series_bank import Series

KEPT = 8


class Finding(NamedTuple):
    """One series: the most evidence there was against it, and observed and expected mean where they were farthest
    apart, as in the detectors' matrix.
    """

    series: Series
    strength: float
    observed: float
    expected: float

    @property
    def distance(self) -> float:
        """How far apart; -1 where one of the two is not known."""
        apart = abs(self.observed - self.expected)
        return apart if math.isfinite(apart) else -1.0


def merged(known: Sequence[Finding], new: Iterable[Finding]) -> list[Finding]:
    """Both, strongest first; names decide between equals."""
    found = {one.series: one for one in known}
    for one in new:
        before = found.get(one.series, one)
        farther = one if one.distance > before.distance else before
        found[one.series] = farther._replace(strength=max(one.strength, before.strength))
    return sorted(found.values(), key=lambda one: (-one.strength, one.series))[:KEPT]


def from_json(saved: Iterable[Sequence[object]]) -> list[Finding]:
    """What JSON has made of findings. Raises TypeError or ValueError for anything else."""
    found = []
    for series, *numbers in saved:
        if not isinstance(series, (list, tuple)):
            raise TypeError("a finding without a series")
        strength, observed, expected = (float(str(number)) for number in numbers)
        found.append(Finding(Series(*map(str, series)), strength, observed, expected))
    return found
