"""Names of the metrics about anomalies and incidents, as processor, dashboards and rules use them.

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
