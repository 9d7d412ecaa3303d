"""Incidents: alarms of services that are close in time and in the service graph are one incident with one root cause.

services ≥ threshold ─┬─ of an open incident, or near a young one ──→ it goes on
                      └─ otherwise ────────────────────────────────→ opened, with a ranking of root causes
no alarm for some ticks, symptoms have returned ─→ resolved
no telemetry, or open for too long ──────────────→ closed as ``unseen`` or ``lasting``: what lasts is a new normal
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from typing import Any

import numpy as np

from processors.anomaly import findings
from processors.anomaly.detector import Floats
from processors.anomaly.findings import Finding

RANKED = 5
"""Services named as possible causes."""
LOOK_BACK = 3
"""Ticks whose scores make the ranking."""
HOPS = 2
"""Services no farther apart than this in the service graph are near."""
SEVERE = 3.0
"""A score of this many thresholds makes an incident critical."""
MAX_OPEN = 32
"""Incidents at a time. One more is refused until there is room."""
LASTING_TICKS = 1080
"""Three hours of 10 s."""
SETTLED_TICKS = 30
"""An incident takes in alarms nearby for so long; what begins later near it is an incident of its own."""
UNSEEN_TICKS = 30
"""Five minutes: a fault often takes telemetry with it for a while."""


@dataclass
class Incident:
    """One incident.

    Attributes:
        id: Time of opening and root service; the same after a restart.
        opened, updated: Unix seconds: end of the tick in which it opened, and of the last one with an alarm.
        ranking, scores: Services, likeliest cause first, and what speaks against each.
        services: All that have been in alarm.
        score: The highest of any service, of any tick.
        severity: ``warning`` or ``critical``.
        evidence: Sentences about the series that speak against the root service.
        differs: Attribute values that set the bad spans apart, as (attribute, value, share, share before).
        quiet: Ticks with data and without alarm since the last alarm.
        ticks: Ticks with data since it opened.
        signals: Signals of the root service that have been anomalous.
        findings: What speaks against the root service.
        exemplars: Strangest spans as (trace id, span id) in hexadecimal.
        began: Unix seconds of the first evidence.
        mute: What keeps it quiet; "" for nothing.
        told: Somebody has heard of it.
    """

    id: str
    opened: float
    updated: float
    ranking: list[str]
    services: list[str]
    score: float
    severity: str
    evidence: list[str] = field(default_factory=list)
    differs: list[tuple[str, str, float, float]] = field(default_factory=list)
    quiet: int = 0
    ticks: int = 0
    scores: list[float] = field(default_factory=list)
    signals: list[str] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)
    exemplars: list[tuple[str, str]] = field(default_factory=list)
    began: float = 0.0
    mute: str = ""
    told: bool = False

    @property
    def root(self) -> str:
        """The likeliest cause."""
        return self.ranking[0]

    @property
    def time_to_detect(self) -> float:
        """Seconds from the first evidence to the alarm."""
        return max(self.opened - self.began, 0.0)

    def to_json(self) -> dict[str, Any]:
        """For logs and checkpoints."""
        return asdict(self)

    @classmethod
    def from_json(cls, saved: Mapping[str, Any]) -> Incident:
        """The other way round; raises KeyError or TypeError for what is no incident."""
        incident = cls(**saved)
        incident.differs = [(str(a), str(b), float(c), float(d)) for a, b, c, d in saved["differs"]]
        incident.findings = findings.from_json(saved["findings"])
        incident.exemplars = [(str(trace_id), str(span_id)) for trace_id, span_id in saved["exemplars"]]
        return incident


@dataclass(frozen=True)
class Change:
    """What happened to an incident: ``opened``, ``updated``, ``resolved``, ``unseen``, ``lasting`` or ``muted``."""

    what: str
    incident: Incident
    second: float


class Incidents:
    """See the module.

    Args:
        threshold: Score from which a service is in alarm.
        close_ticks: Ticks without alarm after which an incident is resolved.
        unseen_ticks: Ticks without data after which it is lost.
        lasting_ticks: Ticks with data after which an incident is closed as lasting.

    Attributes:
        open: By id.
        refused: Ticks in which services in alarm got no incident for want of room, once for each group of them.
    """

    def __init__(
        self,
        threshold: float,
        close_ticks: int = 6,
        unseen_ticks: int = UNSEEN_TICKS,
        lasting_ticks: int = LASTING_TICKS,
    ) -> None:
        self.threshold = threshold
        self.close_ticks = close_ticks
        self.unseen_ticks = unseen_ticks
        self.lasting_ticks = lasting_ticks
        self.open: dict[str, Incident] = {}
        self.refused = 0
        self.history: list[dict[str, float]] = []
        self.missing = 0

    def no_data(self, second: float) -> list[Change]:
        """A tick without any telemetry."""
        self.missing += 1
        if self.missing < self.unseen_ticks:
            return []
        self.history.clear()
        return self._close(list(self.open), "unseen", second)

    def update(
        self,
        services: Sequence[str],
        scores: Floats,
        edges: Iterable[tuple[str, str]],
        second: float,
        goes_on: Callable[[Incident], bool] = lambda _: False,
    ) -> list[Change]:
        """The scores of a tick; returns what has changed.

        Args:
            services: Names of the services scored.
            edges: Caller and callee, by name.
            second: Unix time of the end of the tick.
            goes_on: Whether an incident without alarm has not ended all the same.
        """
        self.missing = 0
        positive = np.flatnonzero(scores > 0).tolist()
        self.history.append({services[number]: float(scores[number]) for number in positive})
        del self.history[:-LOOK_BACK]
        alarms = {services[number] for number in positive if scores[number] >= self.threshold}
        changes, touched = [], set()
        for incident in self._settled():
            theirs = alarms & set(incident.services)
            if theirs:
                changes += self._updated(incident, theirs, second)
                touched.add(incident.id)
                alarms -= theirs
        near = _neighbours(edges) if alarms else {}
        for group in _groups(alarms, near):
            known = self._nearby(group, near)
            found = known or self._opened(group, near, second)
            if found is None:
                continue
            if known is None:
                changes.append(Change("opened", found, second))
            elif found.id not in touched:
                changes += self._updated(found, group, second)
            touched.add(found.id)
        return changes + self._end(touched, second, goes_on)

    def ranked(self, group: set[str] | None = None) -> list[tuple[str, float]]:
        """Services and their scores of the last ticks, highest first; names decide between equals."""
        totals: dict[str, float] = {}
        for scores in self.history:
            for name, score in scores.items():
                totals[name] = totals.get(name, 0.0) + score
        names = sorted(totals, key=lambda name: (-totals[name], name))
        return [(name, totals[name]) for name in names if group is None or name in group][:RANKED]

    def state(self) -> dict[str, Any]:
        """As JSON."""
        return {
            "open": [incident.to_json() for incident in self.open.values()],
            "history": self.history,
            "missing": self.missing,
        }

    def load(self, state: Mapping[str, Any]) -> None:
        """Take up what ``state`` gave."""
        incidents = [Incident.from_json(saved) for saved in state["open"]]
        self.history = [{str(name): float(score) for name, score in scores.items()} for scores in state["history"]]
        self.missing = int(state["missing"])
        self.open = {incident.id: incident for incident in incidents}

    def _settled(self) -> list[Incident]:
        return [incident for incident in self.open.values() if incident.ticks >= SETTLED_TICKS]

    def _nearby(self, group: set[str], near: Mapping[str, set[str]]) -> Incident | None:
        reach = _reach(group, near)
        for incident in self.open.values():
            if incident.ticks < SETTLED_TICKS and reach & set(incident.services):
                return incident
        return None

    def _opened(self, group: set[str], near: Mapping[str, set[str]], second: float) -> Incident | None:
        if len(self.open) >= MAX_OPEN:
            self.refused += 1
            return None
        ranked = self.ranked(_reach(group, near).difference(*(incident.services for incident in self._settled())))
        score = self._highest(group)
        ranking, scores = [name for name, _ in ranked], [score for _, score in ranked]
        stamp = datetime.fromtimestamp(second, UTC).strftime("%Y%m%dT%H%M%SZ")
        severity = "critical" if score >= SEVERE * self.threshold else "warning"
        name = f"{stamp}-{ranking[0]}"
        incident = Incident(name, second, second, ranking, sorted(group), score, severity, scores=scores)
        self.open[incident.id] = incident
        return incident

    def _highest(self, group: set[str]) -> float:
        return max(self.history[-1][name] for name in group)

    def _updated(self, incident: Incident, group: set[str], second: float) -> list[Change]:
        grown = not group <= set(incident.services)
        incident.services = sorted(group | set(incident.services))
        incident.updated = second
        incident.quiet = 0
        incident.score = max(incident.score, self._highest(group))
        if incident.score >= SEVERE * self.threshold and incident.severity != "critical":
            incident.severity = "critical"
            grown = True
        return [Change("updated", incident, second)] if grown else []

    def _end(self, touched: set[str], second: float, goes_on: Callable[[Incident], bool]) -> list[Change]:
        changes = []
        for incident in list(self.open.values()):
            if incident.id not in touched:
                incident.quiet += 1
                if incident.quiet >= self.close_ticks and not goes_on(incident):
                    changes += self._close([incident.id], "resolved", second)
                    continue
            incident.ticks += 1
            if incident.ticks >= self.lasting_ticks:
                changes += self._close([incident.id], "lasting", second)
        return changes

    def _close(self, ids: Sequence[str], what: str, second: float) -> list[Change]:
        return [Change(what, self.open.pop(name), second) for name in ids]


def _neighbours(edges: Iterable[tuple[str, str]]) -> dict[str, set[str]]:
    near: dict[str, set[str]] = {}
    for caller, callee in edges:
        near.setdefault(caller, set()).add(callee)
        near.setdefault(callee, set()).add(caller)
    return near


def _reach(names: set[str], near: Mapping[str, set[str]]) -> set[str]:
    """Services at most ``HOPS`` away, the given ones included."""
    reached = frontier = set(names)
    for _ in range(HOPS):
        frontier = set().union(*(near.get(name, set()) for name in frontier)) - reached
        reached = reached | frontier
    return reached


def _groups(names: Iterable[str], near: Mapping[str, set[str]]) -> list[set[str]]:
    """The names, those near each other together."""
    groups: list[set[str]] = []
    for name in sorted(names):
        reach = _reach({name}, near)
        joined = [group for group in groups if reach & group]
        groups = [group for group in groups if not reach & group]
        groups.append({name}.union(*joined))
    return groups
