"""Book: open incidents, the last closed ones and the mutes, as the admin API and the command line show them.

             ┌─ pattern is muted ──▶ quiet ── shows something new, or the mute is over ──▶ opened
opened ──────┤                                                                               │
             └─ otherwise ─────────▶ told ─── somebody mutes it ──▶ muted, quiet from then   ▼
                                                                                      updated, resolved
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Mapping
from typing import Any

from processors.anomaly.incidents import Change, Incident
from processors.anomaly.mutes import MAX_REASON, Mute, Mutes, Pattern

MAX_RECENT = 100
"""Closed incidents that are remembered."""


class Book:
    """See the module.

    Args:
        open_incidents: Of ``Incidents``, by id; changes as they come and go.
    """

    def __init__(self, open_incidents: Mapping[str, Incident]) -> None:
        self._open = open_incidents
        self._recent: deque[dict[str, Any]] = deque(maxlen=MAX_RECENT)
        self.mutes = Mutes()

    def told(self, change: Change) -> bool:
        """Note a change; whether people are to hear of it."""
        incident = change.incident
        if change.what == "opened":
            mute = self.mutes.matching(incident, change.second)
            if mute is not None:
                mute.hits += 1
                incident.mute = mute.id
        elif change.what not in ("updated", "muted"):
            self._recent.appendleft({"incident": incident.to_json(), "closed": change.second, "outcome": change.what})
        return not incident.mute or change.what == "muted"

    def unquiet(self, second: float) -> list[Change]:
        """Muted incidents that show something new, or whose mute is over: they open for people now."""
        changes = []
        for incident in self._open.values():
            if incident.mute and self.mutes.matching(incident, second) is None:
                incident.mute = ""
                changes.append(Change("opened", incident, second))
        return changes

    def mute(self, incident_id: str, second: float, duration_s: float | None, reason: str) -> Change | None:
        """Keep the pattern of an incident quiet; returns the change of an open one that has been told.

        Raises:
            LookupError: No such incident is known.
            MutesFullError: There is no room.
        """
        incident = self._find(incident_id)
        if incident is None:
            raise LookupError(incident_id)
        until = None if duration_s is None else second + duration_s
        self.mutes.add(Mute(incident_id, Pattern.of(incident), second, until, reason[:MAX_REASON]))
        if incident_id not in self._open or incident.mute:
            return None
        incident.mute = incident_id
        return Change("muted", incident, second)

    def incidents(self) -> list[dict[str, Any]]:
        """As JSON, open ones first, then those that closed last."""
        shown = [to_api(incident, "muted" if incident.mute else "open", None) for incident in self._open.values()]
        shown.sort(key=lambda one: str(one["id"]), reverse=True)
        return shown + [
            to_api(Incident.from_json(one["incident"]), one["outcome"], one["closed"]) for one in self._recent
        ]

    def state(self, second: float) -> dict[str, Any]:
        """As JSON, for a checkpoint."""
        return {"recent": list(self._recent), "mutes": self.mutes.to_json(second)}

    def load(self, state: Mapping[str, Any]) -> None:
        """Take up what ``state`` gave; raises KeyError, TypeError or ValueError for what is no such state."""
        recent: Iterable[Any] = state["recent"]
        checked = []
        for one in recent:
            to_api(Incident.from_json(one["incident"]), str(one["outcome"]), float(one["closed"]))
            checked.append({key: one[key] for key in ("incident", "outcome", "closed")})
        self.mutes.load(state["mutes"])
        self._recent = deque(checked, maxlen=MAX_RECENT)

    def _find(self, incident_id: str) -> Incident | None:
        if incident_id in self._open:
            return self._open[incident_id]
        return next(
            (Incident.from_json(one["incident"]) for one in self._recent if one["incident"]["id"] == incident_id), None
        )


def to_api(incident: Incident, state: str, closed: float | None) -> dict[str, Any]:
    """One incident as ``docs/api/openapi.yaml`` describes it."""
    return {
        "id": incident.id,
        "state": state,
        "severity": incident.severity,
        "root_service": incident.root,
        "score": round(incident.score, 3),
        "opened_unix_seconds": incident.opened,
        "updated_unix_seconds": incident.updated,
        "closed_unix_seconds": closed,
        "time_to_detect_seconds": incident.time_to_detect,
        "causes": causes(incident),
        "services": incident.services,
        "signals": incident.signals,
        "evidence": incident.evidence,
        "suspects": suspects(incident),
        "exemplars": exemplars(incident),
        "muted_by": incident.mute or None,
    }


def causes(incident: Incident) -> list[dict[str, Any]]:
    """Ranked services with scores."""
    return [
        {"service": service, "score": round(score, 3)}
        for service, score in zip(incident.ranking, incident.scores, strict=True)
    ]


def suspects(incident: Incident) -> list[dict[str, Any]]:
    """Attribute values with their shares."""
    return [
        {"attribute": attribute, "value": value, "share": round(share, 4), "share_before": round(before, 4)}
        for attribute, value, share, before in incident.differs
    ]


def exemplars(incident: Incident) -> list[dict[str, str]]:
    """The strangest spans."""
    return [{"trace_id": trace_id, "span_id": span_id} for trace_id, span_id in incident.exemplars]
