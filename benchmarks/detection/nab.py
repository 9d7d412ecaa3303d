"""NAB: its series through the metrics path, and its scoring rules (NAB v1.1, Lavin & Ahmad 2015).

Each point is a snapshot with one gauge, given to ``process_metrics``. A point's score is the surprise that the
processor shows. The earliest alarm in a window earns what its position is worth, alarms outside cost; a window without
alarm costs. Normalised: 0 for no alarm at all, 100 for all windows at their first point and nothing else.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from benchmarks.detection.kit import Series
from benchmarks.detection.replay import SECOND, processor_of
from pipeline.api import Meter
from pipeline.testing import FakeClock

Floats = npt.NDArray[np.float64]


class Profile(NamedTuple):
    """What a hit, a false alarm and a miss count."""

    hit: float
    false_alarm: float
    miss: float


PROFILES = {
    "standard": Profile(1.0, 0.11, 1.0),
    "low_fp": Profile(1.0, 0.22, 1.0),
    "low_fn": Profile(1.0, 0.11, 2.0),
}
PROBATION = 0.15
PROBATION_ROWS = 750


@dataclass(frozen=True)
class Rows:
    """The points of a series after its probation: score, worth of an alarm there, and number of the window or -1."""

    scores: Floats
    worth: Floats
    window: npt.NDArray[np.int64]
    windows: int


def scores_of(series: Series) -> Floats:
    """The surprise at each point."""
    clock = FakeClock(unix_nano=int(series.seconds[0]) * SECOND)
    processor = processor_of("anomaly", {"metrics": ["value"]}, clock)
    source = Meter("nab", clock)
    gauge = source.gauge("value")
    shown = processor.watch  # type: ignore[attr-defined]
    out = np.zeros(len(series.values))
    for i, (second, value) in enumerate(zip(series.seconds.tolist(), series.values.tolist(), strict=True)):
        gauge.set((), value)
        snapshot = source.collect(round(second * SECOND))
        judged = shown.judge(snapshot)
        out[i] = abs(judged.surprise[0])
    return out


def prepare(series: Series, scores: Floats) -> Rows:
    """Leave the probation out, and value each point."""
    n = len(scores)
    worth, window = np.full(n, -1.0), np.full(n, -1, np.int64)
    bounds = [
        (int(np.searchsorted(series.seconds, start)), int(np.searchsorted(series.seconds, end)))
        for start, end in series.windows
    ]
    for number, (first, last) in enumerate(bounds):
        inside = np.arange(first, last + 1)
        worth[inside] = _sigmoid(-(last - inside + 1) / (last - first + 1.0)) / float(_sigmoid(np.array(-1.0)))
        window[inside] = number
        following = bounds[number + 1][0] if number + 1 < len(bounds) else n
        after = np.arange(last + 1, following)
        worth[after] = _sigmoid((after - last) / float(last - first))
    skipped = int(min(np.floor(PROBATION * n), PROBATION_ROWS))
    return Rows(scores[skipped:], worth[skipped:], window[skipped:], len(bounds))


def best_threshold(rows: Sequence[Rows], profile: Profile) -> float:
    """The threshold with the highest score over all series."""
    candidates = np.unique(np.concatenate([one.scores for one in rows]))
    candidates = candidates[candidates > 0]
    if len(candidates) > 2000:
        candidates = np.unique(np.quantile(candidates, np.linspace(0.0, 1.0, 2000)))
    if not len(candidates):
        return 1.0
    return float(max(candidates, key=lambda threshold: normalised(rows, profile, float(threshold))))


def normalised(rows: Sequence[Rows], profile: Profile, threshold: float) -> float:
    """The score between 0 (no alarm) and 100 (perfect)."""
    raw = sum(_raw(one, profile, threshold) for one in rows)
    windows = sum(one.windows for one in rows)
    null, perfect = -profile.miss * windows, profile.hit * windows
    return 100.0 * (raw - null) / (perfect - null) if windows else 0.0


def _raw(rows: Rows, profile: Profile, threshold: float) -> float:
    alarms = rows.scores >= threshold
    total = float(rows.worth[alarms & (rows.window < 0)].sum()) * profile.false_alarm
    for number in range(rows.windows):
        inside = rows.worth[alarms & (rows.window == number)]
        total += float(inside.max()) * profile.hit if len(inside) else -profile.miss
    return total


def _sigmoid(position: Floats) -> Floats:
    scaled = 2.0 / (1.0 + np.exp(np.minimum(5.0 * position, 700.0))) - 1.0
    return np.where(position > 3.0, -1.0, scaled)
