"""MetricWatch: chosen metrics of a metrics pipeline, one series each, judged by the seasonal detector as they pass.

A gauge is watched by its value, a counter by its rate, a histogram by the mean of what came since the last time. A
series is anomalous from a point that surprises until ``CALM_POINTS`` in a row are within what is expected.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from fnmatch import fnmatchcase
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from pipeline.model.last_values import snapshots_of
from pipeline.model.metrics import MetricBatch
from pipeline.model.snapshot import Metric, MetricKind, MetricSnapshot, Temporality
from processors.anomaly.detector import Array, Bools, Detector, Floats, Matrix, scored
from processors.anomaly.local_time import LocalTime
from processors.anomaly.series_bank import METRIC, REFUSED, Series, SeriesBank

CALM_POINTS = 3
IDLE_S = 7 * 86400
CROWDED_IDLE_S = 6 * 3600
"""Series without a value for so long are given up, the second where there is no room for others."""
LOOK_S = 3600
"""So often idle ones are looked for."""
UNKNOWN = (np.nan, np.nan, np.nan)
Rows = npt.NDArray[np.int64]


class Judged(NamedTuple):
    """What a snapshot was judged to be.

    Attributes:
        matrix: The values.
        surprise: float64[n], as of ``Detector.score``.
        band: What was expected.
    """

    matrix: Matrix
    surprise: Floats
    band: tuple[Floats, Floats]


class MetricWatch:
    """See the module.

    Args:
        names: Globs of metric names.
        detector: What judges them.
        max_series: Beyond, series are refused and counted by the bank.
        local: What the clocks of users show.
    """

    def __init__(self, names: tuple[str, ...], detector: Detector, max_series: int, local: LocalTime) -> None:
        self.names = names
        self.detector = detector
        self.bank = SeriesBank(max_series)
        self._local = local
        self.active: Bools = np.zeros(0, bool)
        self._calm = np.zeros(0)
        self._looked = 0
        self._last: dict[int, tuple[float, float, float]] = {}

    def judge_points(self, metrics: MetricBatch, time_unix_nano: int) -> Judged | None:
        """``judge`` for the points of a batch."""
        chosen = metrics.where(metrics["metric.name"].test(self._is_chosen))
        found = snapshots_of(chosen, time_unix_nano, deltas="keep") if len(chosen) else []
        together = tuple(metric for snapshot in found for metric in snapshot.metrics)
        return self.judge(replace(found[0], metrics=together)) if found else None

    def _is_chosen(self, name: str) -> bool:
        return any(fnmatchcase(name, chosen) for chosen in self.names)

    def judge(self, snapshot: MetricSnapshot) -> Judged | None:
        """Score the chosen metrics of a snapshot, and learn them; None where there are none."""
        second = snapshot.time_unix_nano / 1e9
        self._expire(int(second))
        chosen = [metric for metric in snapshot.metrics if self._is_chosen(metric.name)]
        found: dict[int, float] = {}
        for metric in chosen:
            self._read(metric, snapshot, second, found)
        if not found:
            return None
        mean, count = np.zeros((2, self.bank.capacity))
        rows = np.fromiter(found, np.int64, len(found))
        mean[rows] = np.fromiter(found.values(), np.float64, len(found))
        count[rows] = 1.0
        offset = self._local.utc_offset_s(second)
        matrix = Matrix(mean, np.zeros(len(mean)), count, self.bank.fall, second, utc_offset_s=offset)
        self._resize()
        surprise, band = scored(self.detector, matrix)
        self.detector.learn(matrix, np.zeros(len(mean), bool))
        return Judged(matrix, surprise, band)

    def _read(self, metric: Metric, snapshot: MetricSnapshot, second: float, found: dict[int, float]) -> None:
        for i, index in enumerate(metric.series.resource.tolist()):
            resource = snapshot.resources[index].attributes if index >= 0 else {}
            labels = metric.series.attributes(i)
            service = str(labels.pop("service.name", resource.get("service.name", "")))
            name = Series(METRIC, service, metric.name, json.dumps(labels, sort_keys=True) if labels else "")
            row = self.bank.row(name, int(second))
            if row == REFUSED:
                continue
            value = self._value(row, metric, metric.values.plain(i), second)
            if np.isfinite(value):
                found[row] = value
                self.bank.seen[row] = int(second)

    def _value(self, row: int, metric: Metric, value: object, second: float) -> float:
        if isinstance(value, dict):
            total, number = float(value["sum"]), float(value["count"])
            before = self._since(row, metric, (total, number, second))
            return before[0] / before[1] if before[1] > 0 else float("nan")
        number = float(str(value))
        if metric.kind == MetricKind.SUM and metric.monotonic:
            total, _, elapsed = self._since(row, metric, (number, 0.0, second))
            return total / elapsed if elapsed > 0 else float("nan")
        return number

    def _since(self, row: int, metric: Metric, now: tuple[float, float, float]) -> tuple[float, float, float]:
        """Growth since the last snapshot; nothing after a reset, or at first."""
        before = self._last.get(row)
        self._last[row] = now
        if metric.temporality == Temporality.DELTA:
            return now[0], now[1], now[2] - before[2] if before else 0.0
        if before is None or now[0] < before[0] or now[1] < before[1]:
            return 0.0, 0.0, 0.0
        return now[0] - before[0], now[1] - before[1], now[2] - before[2]

    def turns(self, judged: Judged, threshold: float) -> tuple[Rows, Rows]:
        """Rows that have become anomalous with what was judged, and rows that are usual again.

        Args:
            threshold: Surprise from which a point is anomalous.
        """
        matrix, (lower, upper) = judged.matrix, judged.band
        strange = matrix.present & (np.abs(judged.surprise) >= threshold)
        outside = (matrix.mean < lower) | (matrix.mean > upper)
        self._calm = np.where(matrix.present, np.where(strange | outside, 0.0, self._calm + 1.0), self._calm)
        began = strange & ~self.active
        ended = self.active & (self._calm >= CALM_POINTS)
        self.active = (self.active | began) & ~ended
        return np.flatnonzero(began), np.flatnonzero(ended)

    def state(self) -> tuple[list[list[str]], dict[str, Array]]:
        """Names of the series, and what was learnt of them, as arrays."""
        self._resize()
        names, rows, seen = self.bank.state()
        last = np.array([self._last.get(row, UNKNOWN) for row in rows.tolist()]).reshape(-1, 3)
        own: dict[str, Array] = {"seen": seen, "last": last, "active": self.active[rows], "calm": self._calm[rows]}
        return names, own | {f"detector.{name}": array for name, array in self.detector.state(rows).items()}

    def load(self, names: list[list[str]], state: Mapping[str, Array]) -> None:
        """Take up what ``state`` gave. Raises ValueError, TypeError or KeyError, and then knows nothing."""
        bank = SeriesBank(self.bank.max_series)
        if len(names) > bank.max_series:
            raise ValueError("more metrics than max_series")
        n = len(names)
        seen, last, active, calm = (np.asarray(state[name]) for name in ("seen", "last", "active", "calm"))
        if seen.shape != (n,) or last.shape != (n, 3) or active.shape != (n,) or calm.shape != (n,):
            raise ValueError("watched metrics and their values differ in number")
        rows = bank.load(names, seen)
        before, self.bank = self.bank, bank
        self._resize()
        prefix = "detector."
        try:
            self.detector.load({name.removeprefix(prefix): state[name] for name in state if name.startswith(prefix)})
        except (ValueError, KeyError):
            self.detector.clear(np.arange(bank.capacity))
            self.bank = before
            raise
        self.active[rows], self._calm[rows] = active.astype(bool), calm
        known = np.isfinite(last).all(1)
        self._last = {
            row: tuple(one) for row, one, is_known in zip(rows.tolist(), last.tolist(), known, strict=True) if is_known
        }

    def _resize(self) -> None:
        capacity = self.bank.capacity
        if len(self.active) < capacity:
            missing = capacity - len(self.active)
            self.active = np.concatenate((self.active, np.zeros(missing, bool)))
            self._calm = np.concatenate((self._calm, np.zeros(missing)))
            self.detector.resize(capacity)

    def _expire(self, second: int) -> None:
        if second - self._looked < LOOK_S:
            return
        self._looked = second
        is_full = self.bank.live >= self.bank.max_series
        gone = self.bank.expire(second - (CROWDED_IDLE_S if is_full else IDLE_S))
        if len(gone):
            self._resize()
            self.detector.clear(gone)
            self.active[gone], self._calm[gone] = False, 0.0
            for row in gone.tolist():
                self._last.pop(row, None)
