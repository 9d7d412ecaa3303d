"""Multi-window, multi-burn-rate alerts: when a budget is used up too fast.

A burn rate is the error ratio over the error budget. An alert needs a long window, which says that enough of the budget
is gone to matter, and a short one, which says that it is still going.

    factor = share of the budget x period / long window       30 days:  2 % in 1 h is 14.4, 5 % in 6 h is 6, …

Source: Site Reliability Workbook, chapter 5, "Multiwindow, Multi-Burn-Rate Alerts". For periods below two weeks the
shares are those of Sloth's 7-day windows (``internal/alert/window/google-7d.yml``).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Severity = Literal["page", "ticket"]
WINDOWS_S = {"5m": 300, "30m": 1800, "1h": 3600, "2h": 7200, "6h": 21_600, "1d": 86_400, "3d": 259_200}
_PAIRS: tuple[tuple[Severity, str, str], ...] = (
    ("page", "1h", "5m"),
    ("page", "6h", "30m"),
    ("ticket", "1d", "2h"),
    ("ticket", "3d", "6h"),
)
_SHARES = (0.02, 0.05, 0.1, 0.1)
_SHARES_OF_A_WEEK = (0.08, 0.125, 0.2, 0.42)
_SHORT_PERIOD_DAYS = 14


@dataclass(frozen=True)
class Burn:
    """One pair of windows: the alert is on while both burn faster than ``factor``."""

    severity: Severity
    long: str
    short: str
    share: float
    factor: float


def burns(period_days: int) -> tuple[Burn, ...]:
    """The four pairs for a period.

    >>> [(burn.long, burn.short, burn.factor) for burn in burns(30)]
    [('1h', '5m', 14.4), ('6h', '30m', 6.0), ('1d', '2h', 3.0), ('3d', '6h', 1.0)]
    """
    shares = _SHARES_OF_A_WEEK if period_days < _SHORT_PERIOD_DAYS else _SHARES
    return tuple(
        Burn(severity, long, short, share, round(share * period_days * 86_400 / WINDOWS_S[long], 6))
        for (severity, long, short), share in zip(_PAIRS, shares, strict=True)
    )
