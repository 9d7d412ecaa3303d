"""Whether an objective burns too fast, since when, and how long it took to notice and to end."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from processors.slo.burn import Burn, Severity

FIRST_SIGN = "5m"
"""The window whose burn rate above 1 counts as the beginning."""


@dataclass
class Change:
    """A severity began or ended; ``seconds``: since the first sign, or since it began."""

    severity: Severity
    began: bool
    seconds: float


@dataclass
class Alarm:
    """State of one objective.

    Attributes:
        burns: Its pairs of windows.
        sign_since_s: Unix time since which the shortest window has burned too fast; None: it does not.
        since_s: Severity → when it began.
    """

    burns: tuple[Burn, ...]
    sign_since_s: float | None = None
    since_s: dict[Severity, float] = field(default_factory=dict)

    def update(self, now_s: float, rates: Mapping[str, float]) -> list[Change]:
        """Look at the burn rates (window → rate; NaN without events)."""
        if not rates[FIRST_SIGN] > 1:
            self.sign_since_s = None
        elif self.sign_since_s is None:
            self.sign_since_s = now_s
        burning = {b.severity for b in self.burns if rates[b.long] > b.factor and rates[b.short] > b.factor}
        changes = []
        for severity in dict.fromkeys(burn.severity for burn in self.burns):
            since = self.since_s.get(severity)
            if severity in burning and since is None:
                self.since_s[severity] = now_s
                sign = self.sign_since_s if self.sign_since_s is not None else now_s
                changes.append(Change(severity, True, now_s - sign))
            elif severity not in burning and since is not None:
                del self.since_s[severity]
                changes.append(Change(severity, False, now_s - since))
        return changes
