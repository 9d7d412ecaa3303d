"""Explanation: the evidence against a service in sentences that an engineer can check."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from processors.anomaly.detector import Floats, Matrix
from processors.anomaly.differences import Difference
from processors.anomaly.evidence import Evidence
from processors.anomaly.findings import Finding
from processors.anomaly.series_bank import DURATION, ERRORS, GAP, RATE, Series, SeriesBank
from processors.anomaly.tick_inputs import ERROR_SCALE

SENTENCES = 3


def strongest_rows(service: str, bank: SeriesBank, evidence: Evidence) -> list[int]:
    """The series that speak most against a service, strongest first."""
    number = bank.service_numbers.get(service)
    if number is None:
        return []
    rows = np.flatnonzero(((bank.owner == number) | (bank.other == number)) & (evidence.total > 0)).tolist()
    live = [row for row in rows if bank.series[row] is not None]
    return sorted(live, key=lambda row: (-evidence.total[row], bank.names(row)))[:SENTENCES]


def findings_of(
    service: str, bank: SeriesBank, evidence: Evidence, matrix: Matrix, band: tuple[Floats, Floats]
) -> list[Finding]:
    """What the strongest series of a service show in a tick."""
    observed, middle = np.where(matrix.present, matrix.mean, np.nan), (band[0] + band[1]) / 2
    return [
        Finding(bank.names(row), float(evidence.total[row]), float(observed[row]), float(middle[row]))
        for row in strongest_rows(service, bank, evidence)
    ]


def sentences_of(findings: Sequence[Finding]) -> list[str]:
    """The strongest findings."""
    return [sentence(one.series, one.observed, one.expected) for one in findings[:SENTENCES]]


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
    return f"{series.service} {series.operation} {observed:.6g}, expected {expected:.6g}".strip()


def differing(differences: Sequence[Difference], failed: bool) -> list[str]:
    """``93 % of slow spans have card.type=amex against 21 % before``.

    Args:
        failed: Failures, not times, are what is wrong most.
    """
    bad = "failed" if failed else "slow"
    return [
        f"{100 * share:.0f} % of {bad} spans have {attribute}={value} against {100 * before:.0f} % before"
        for attribute, value, share, before in differences
    ]


def headline(root: str, evidence: Sequence[str]) -> str:
    """The incident in one sentence, for people who are in a hurry."""
    because = f": {'; '.join(evidence)}" if evidence else ""
    return f"{root} is the likeliest cause{because}."


def _times(observed: float, expected: float) -> str:
    """Ratio of two decimal logarithms."""
    if not math.isfinite(observed - expected):
        return "unusual"
    ratio = 10 ** min(max(observed - expected, -6.0), 6.0)
    # Two digits, never as a power of ten: it is read at night.
    return f"{ratio:.2g}× expected" if ratio < 99.5 else f"{round(ratio, 1 - int(math.log10(ratio))):.0f}× expected"
