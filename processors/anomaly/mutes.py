"""Mutes: patterns of incidents that somebody knows about and does not want to hear of again.

A pattern is the root service, the services in alarm, the signals of the root service, the suspects and the severity. An
incident stays quiet as long as it shows nothing that is not in the pattern: fewer services are quiet, another one is a
change, and so are another signal, another suspect or a higher severity. Where no suspect was known, any is covered.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from processors.anomaly.incidents import Incident

MAX_MUTES = 256
MAX_REASON = 500
SEVERITIES = ("warning", "critical")


class MutesFullError(ValueError):
    """There is no room for another mute."""


@dataclass(frozen=True)
class Pattern:
    """What an incident looks like."""

    root: str
    services: frozenset[str]
    signals: frozenset[str]
    suspects: frozenset[tuple[str, str]]
    severity: str

    @classmethod
    def of(cls, incident: Incident) -> Pattern:
        """The pattern of an incident."""
        suspects = frozenset((attribute, value) for attribute, value, _, _ in incident.differs)
        return cls(
            incident.root, frozenset(incident.services), frozenset(incident.signals), suspects, incident.severity
        )

    def covers(self, other: Pattern) -> bool:
        """Whether ``other`` shows nothing new."""
        return (
            other.root == self.root
            and other.services <= self.services
            and other.signals <= self.signals
            and (not self.suspects or other.suspects <= self.suspects)
            and SEVERITIES.index(other.severity) <= SEVERITIES.index(self.severity)
        )


@dataclass
class Mute:
    """A pattern that is quiet.

    Attributes:
        id: Of the incident that it was made from.
        made: Unix seconds.
        until: Unix seconds; None: until the pattern changes.
        reason: What somebody has written down.
        hits: Incidents that it has kept quiet.
    """

    id: str
    pattern: Pattern
    made: float
    until: float | None = None
    reason: str = ""
    hits: int = 0

    def to_json(self) -> dict[str, Any]:
        """For the API and checkpoints."""
        pattern = {
            "root_service": self.pattern.root,
            "services": sorted(self.pattern.services),
            "signals": sorted(self.pattern.signals),
            "suspects": [
                {"attribute": attribute, "value": value} for attribute, value in sorted(self.pattern.suspects)
            ],
            "severity": self.pattern.severity,
        }
        return {**asdict(self), "pattern": pattern}

    @classmethod
    def from_json(cls, saved: Mapping[str, Any]) -> Mute:
        """The other way round. Raises KeyError, TypeError or ValueError for what is no mute."""
        pattern = saved["pattern"]
        known = Pattern(
            str(pattern["root_service"]),
            frozenset(map(str, pattern["services"])),
            frozenset(map(str, pattern["signals"])),
            frozenset((str(one["attribute"]), str(one["value"])) for one in pattern["suspects"]),
            SEVERITIES[SEVERITIES.index(pattern["severity"])],
        )
        until = saved["until"]
        return cls(
            str(saved["id"]),
            known,
            float(saved["made"]),
            None if until is None else float(until),
            str(saved["reason"]),
            int(saved["hits"]),
        )


class Mutes:
    """All mutes, by id. Those whose time is over go."""

    def __init__(self) -> None:
        self._mutes: dict[str, Mute] = {}

    def __len__(self) -> int:
        return len(self._mutes)

    def __contains__(self, mute_id: str) -> bool:
        return mute_id in self._mutes

    def add(self, mute: Mute) -> None:
        """Add a mute, or replace the one of the same incident.

        Raises:
            MutesFullError: There are ``MAX_MUTES``.
        """
        if mute.id not in self._mutes and len(self._mutes) >= MAX_MUTES:
            raise MutesFullError(f"there are {MAX_MUTES} mutes already; unmute one first")
        self._mutes[mute.id] = mute

    def remove(self, mute_id: str) -> bool:
        """Whether there was such a mute."""
        return self._mutes.pop(mute_id, None) is not None

    def matching(self, incident: Incident, second: float) -> Mute | None:
        """The mute that keeps an incident quiet, the one it already has before others."""
        self._expire(second)
        pattern = Pattern.of(incident)
        first = [self._mutes[incident.mute]] if incident.mute in self._mutes else []
        return next((mute for mute in [*first, *self._mutes.values()] if mute.pattern.covers(pattern)), None)

    def to_json(self, second: float) -> list[dict[str, Any]]:
        """Those that hold now."""
        self._expire(second)
        return [mute.to_json() for mute in self._mutes.values()]

    def load(self, saved: Sequence[Mapping[str, Any]]) -> None:
        """Take up what ``to_json`` gave; raises as ``Mute.from_json``."""
        found = [Mute.from_json(one) for one in saved[:MAX_MUTES]]
        self._mutes = {mute.id: mute for mute in found}

    def _expire(self, second: float) -> None:
        over = [name for name, mute in self._mutes.items() if mute.until is not None and mute.until <= second]
        for name in over:
            del self._mutes[name]
