"""Names of the metrics about SLOs, as processor, dashboards and rules use them.

Gauges have no unit, so that Prometheus shows them under these very names.
"""

SLO_EVENTS = "weir_slo_events"
SLO_BAD_EVENTS = "weir_slo_bad_events"
"""Counters: spans that an objective looks at, and those that miss it."""
SLO_OBJECTIVE = "weir_slo_objective"
"""The share of good events that is promised: 0 … 1."""
SLO_ERROR_RATIO = "weir_slo_error_ratio"
SLO_BURN_RATE = "weir_slo_burn_rate"
"""Per window; a burn rate of 1 uses up the budget exactly at the end of the period."""
SLO_BUDGET_REMAINING = "weir_slo_error_budget_remaining"
"""Share of the period's budget that is left, weighted by traffic; below 0 when the objective is missed."""
SLO_BURNING = "weir_slo_burning"
"""1 while both windows of an alert of this severity burn too fast, else 0."""
SLO_INCIDENTS = "weir_slo_incidents"
SLO_DETECT_SECONDS = "weir_slo_incident_detect_seconds"
SLO_RESOLVE_SECONDS = "weir_slo_incident_resolve_seconds"
"""Counters, to be divided by ``SLO_INCIDENTS``: seconds from the first sign to the alarm, and from there to its end."""

SLO = "slo"
SERVICE_NAME = "service_name"
WINDOW = "window"
SEVERITY = "severity"
