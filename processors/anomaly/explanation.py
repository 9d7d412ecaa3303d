"""Explanation: the evidence against a service in sentences that an engineer can check."""

from __future__ import annotations

import math

import numpy as np

from processors.anomaly.detector import Floats, Matrix
from processors.anomaly.evidence import Evidence
from processors.anomaly.series_bank import DURATION, ERRORS, GAP, RATE, Series, SeriesBank
from processors.anomaly.tick_inputs import ERROR_SCALE

SENTENCES = 3


def evidence_of(
    service: str, bank: SeriesBank, evidence: Evidence, matrix: Matrix, band: tuple[Floats, Floats]
) -> list[str]:
    """The strongest series of a service, each as a sentence."""
    number = bank.service_numbers.get(service)
    if number is None:
        return []
    rows = np.flatnonzero(((bank.owner == number) | (bank.other == number)) & (evidence.total > 0))
    rows = rows[[bank.series[row] is not None for row in rows.tolist()]] if len(rows) else rows
    order = sorted(rows.tolist(), key=lambda row: (-evidence.total[row], bank.names(row)))[:SENTENCES]
    middle = (band[0] + band[1]) / 2
    return [sentence(bank.names(row), float(matrix.mean[row]), float(middle[row])) for row in order]


def sentence(series: Series, observed: float, expected: float) -> str:
    """``payment exclusive time 6.1× expected on Charge``."""
    match series.signal:
        case signal if signal == DURATION:
            return f"{series.service} exclusive time {_times(observed, expected)} on {series.operation}"
        case signal if signal == GAP:
            wire = f"{series.service} → {series.peer}"
            return f"time on the wire {wire} {_times(observed, expected)} on {series.operation}"
        case signal if signal == RATE:
            return f"{series.service} calls per trace {_times(observed, expected)} on {series.operation}"
        case signal if signal == ERRORS:
            return f"{series.service} {100 * observed / ERROR_SCALE:.0f} % of calls failed"
    return f"{series.service} {series.operation} {observed:.6g}, expected {expected:.6g}"


def _times(observed: float, expected: float) -> str:
    """Ratio of two decimal logarithms."""
    if not math.isfinite(observed - expected):
        return "unusual"
    return f"{10 ** min(max(observed - expected, -6.0), 6.0):.2g}× expected"
