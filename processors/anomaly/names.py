"""Names of metrics and events about anomalies and incidents, as processor, exporters, dashboards and rules use them.

All are without a unit, so Prometheus shows them under these very names: a gauge of unit ``1`` would end in ``_ratio``.
"""

ANOMALY_SCORE = "weir_anomaly_score"
"""How unusual the last window was; higher is stranger."""
ANOMALY_ACTIVE = "weir_anomaly_active"
"""1 while a signal is anomalous, else 0."""
ANOMALY_EXPECTED_LOWER = "weir_anomaly_expected_lower"
ANOMALY_EXPECTED_UPPER = "weir_anomaly_expected_upper"
"""The band in which the signal was expected."""
ANOMALY_OBSERVED = "weir_anomaly_observed"
"""The signal itself: calls per trace, share of calls that failed, seconds."""
ANOMALY_ONSETS = "weir_anomaly_onsets_total"
"""How often a signal became anomalous; exemplars lead to the strangest spans."""
INCIDENT_ACTIVE = "weir_incident_active"
"""1 while an incident is open."""
INCIDENT_SUSPECT_SHARE = "weir_incident_suspect_share"
"""How much more often an attribute value occurs in an incident's spans than before: 0 … 1."""

SERVICE_NAME = "service_name"
SPAN_NAME = "span_name"
SIGNAL = "signal"
SIGNALS = ("rate", "errors", "duration")
GAP_SIGNAL = "gap"
"""Time on the wire of a call, of which the label ``peer_service`` names the callee. ``duration`` is exclusive time."""
ANOMALY_LABELS = (SERVICE_NAME, SPAN_NAME, SIGNAL)

INCIDENT = "incident"
ROOT_SERVICE = "root_service"
SEVERITY = "severity"
INCIDENT_LABELS = (INCIDENT, ROOT_SERVICE, SEVERITY)

ATTRIBUTE = "attribute"
VALUE = "value"
SUSPECT_LABELS = (INCIDENT, ATTRIBUTE, VALUE)

INCIDENT_TIME_TO_DETECT = "weir_incident_time_to_detect_seconds"
INCIDENT_TIME_TO_RESOLVE = "weir_incident_time_to_resolve_seconds"
"""Histograms as Prometheus shows them: first evidence to alarm, alarm to its end."""

ANOMALY_OPENED, ANOMALY_RESOLVED = "weir.anomaly.opened", "weir.anomaly.resolved"
INCIDENT_EVENT = "weir.incident."
"""Followed by what happened, one of ``INCIDENT_CHANGES``."""
INCIDENT_CHANGES = ("opened", "updated", "resolved", "muted")

EVENT_ID = "weir.incident.id"
EVENT_ROOT = "weir.incident.root_service"
EVENT_SEVERITY = "weir.incident.severity"
EVENT_SCORE = "weir.incident.score"
EVENT_OUTCOME = "weir.incident.outcome"
"""How it ended: ``resolved``; ``unseen``: no telemetry came any more; ``lasting``: taken for the new normal."""
EVENT_OPENED = "weir.incident.opened_unix_seconds"
EVENT_TIME_TO_DETECT = "weir.incident.time_to_detect_seconds"
EVENT_TIME_TO_RESOLVE = "weir.incident.time_to_resolve_seconds"
EVENT_SERVICES = "weir.incident.services"
EVENT_CAUSES = "weir.incident.causes"
"""Mappings of ``service`` and ``score``, likeliest first."""
EVENT_EVIDENCE = "weir.incident.evidence"
EVENT_SUSPECTS = "weir.incident.suspects"
"""Mappings of ``attribute``, ``value``, ``share`` and ``share_before``."""
EVENT_EXEMPLARS = "weir.incident.exemplars"
"""Mappings of ``trace_id`` and ``span_id``, strangest span first."""

EVENT_SPAN_NAME = "weir.anomaly.span_name"
EVENT_SIGNAL = "weir.anomaly.signal"
EVENT_PEER = "weir.anomaly.peer_service"
EVENT_ANOMALY_SCORE = "weir.anomaly.score"
EVENT_OBSERVED = "weir.anomaly.observed"
EVENT_LOWER = "weir.anomaly.expected_lower"
EVENT_UPPER = "weir.anomaly.expected_upper"
