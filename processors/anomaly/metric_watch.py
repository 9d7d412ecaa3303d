"""MetricWatch: chosen metrics of a metrics pipeline, one series each, judged by the seasonal detector as they pass.

A gauge is watched by its value, a counter by its rate, a histogram by the mean of what came since the last time.
"""

from __future__ import annotations

import json
from dataclasses import replace
from fnmatch import fnmatchcase
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from pipeline.model.last_values import snapshots_of
from pipeline.model.metrics import MetricBatch
from pipeline.model.snapshot import Metric, MetricKind, MetricSnapshot, Temporality
from processors.anomaly.detector import Detector, Floats, Matrix
from processors.anomaly.series_bank import METRIC, REFUSED, Series, SeriesBank


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
    """

    def __init__(self, names: tuple[str, ...], detector: Detector, max_series: int) -> None:
        self.names = names
        self.detector = detector
        self.bank = SeriesBank(max_series)
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
        matrix = Matrix(mean, np.zeros(len(mean)), count, self.bank.fall, second)
        self.detector.resize(len(mean))
        surprise = self.detector.score(matrix)
        unknown = np.full(len(mean), np.nan)
        band = self.detector.expected() or (unknown, unknown)
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

    def strange(self, judged: Judged, threshold: float) -> npt.NDArray[np.int64]:
        """Rows whose surprise reaches the threshold."""
        return np.flatnonzero(np.abs(judged.surprise) >= threshold)
