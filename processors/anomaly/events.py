"""Events: what happened to incidents and anomalies, as log records of the service that they are about."""

from __future__ import annotations

from typing import Any

from pipeline.api import LogRecord
from processors.anomaly import names
from processors.anomaly.book import causes, exemplars, suspects
from processors.anomaly.explanation import headline
from processors.anomaly.incidents import Change, Incident
from processors.anomaly.series_bank import Series
from processors.anomaly.strangest import Example

SEVERITIES = {"warning": "warn", "critical": "error"}


def incident_event(change: Change) -> LogRecord:
    """The record of a change. Every way to end is ``resolved``; the attribute ``outcome`` says which one it was."""
    incident = change.incident
    what = change.what if change.what in names.INCIDENT_CHANGES else "resolved"
    is_open = what in ("opened", "updated")
    trace_id, span_id = incident.exemplars[0] if incident.exemplars else ("", "")
    return LogRecord(
        f"Incident {what}: {headline(incident.root, incident.evidence)}",
        event_name=names.INCIDENT_EVENT + what,
        severity=SEVERITIES[incident.severity] if is_open else "info",  # type: ignore[arg-type]
        attributes=_attributes(incident) | ({} if is_open else _end(change)),
        resource={"service.name": incident.root},
        time_unix_nano=round(change.second * 1e9),
        trace_id=bytes.fromhex(trace_id),
        span_id=bytes.fromhex(span_id),
    )


def _attributes(incident: Incident) -> dict[str, Any]:
    return {
        names.EVENT_ID: incident.id,
        names.EVENT_ROOT: incident.root,
        names.EVENT_SEVERITY: incident.severity,
        names.EVENT_SCORE: round(incident.score, 3),
        names.EVENT_OPENED: incident.opened,
        names.EVENT_TIME_TO_DETECT: incident.time_to_detect,
        names.EVENT_SERVICES: incident.services,
        names.EVENT_CAUSES: causes(incident),
        names.EVENT_EVIDENCE: incident.evidence,
        names.EVENT_SUSPECTS: suspects(incident),
        names.EVENT_EXEMPLARS: exemplars(incident),
    }


def _end(change: Change) -> dict[str, Any]:
    took = max(change.second - change.incident.opened, 0.0)
    return {names.EVENT_OUTCOME: change.what, names.EVENT_TIME_TO_RESOLVE: took}


def anomaly_event(
    what: str,
    series: Series,
    sentence: str,
    score: float,
    shown: dict[str, float],
    second: float,
    example: Example | None = None,
) -> LogRecord:
    """The record of a series that has become anomalous, or usual again.

    Args:
        what: ``names.ANOMALY_OPENED`` or ``names.ANOMALY_RESOLVED``.
        shown: Observed value and the ends of the band in the units of users, by the attribute's key; those known.
        second: Unix time of the tick.
    """
    labels = {
        names.EVENT_SIGNAL: series.signal,
        names.EVENT_SPAN_NAME: series.operation,
        names.EVENT_PEER: series.peer,
    }
    return LogRecord(
        f"Anomaly {what.rpartition('.')[2]}: {sentence}.",
        event_name=what,
        attributes={key: text for key, text in labels.items() if text}
        | {names.EVENT_ANOMALY_SCORE: round(score, 3)}
        | shown,
        resource={"service.name": series.service} if series.service else {},
        time_unix_nano=round(second * 1e9),
        trace_id=bytes.fromhex(example.trace_id) if example else b"",
        span_id=bytes.fromhex(example.span_id) if example else b"",
    )
