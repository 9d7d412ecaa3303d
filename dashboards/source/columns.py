"""Facts about services from several places, each under the label of the flavour, so that tables can join them; and
the tables that several dashboards have.
"""

from __future__ import annotations

from collections.abc import Sequence

from grafana_foundation_sdk.builders import table

from dashboards.source.parts import Column, Link, link_to, records
from pipeline.promql.flavour import Flavour
from processors.anomaly import names as anomaly
from processors.slo import names as slo

ASKS = 'severity!~"none|info"'
"""Alerts that ask for somebody; the words for how loudly differ between houses."""


def apdex_s(flavour: Flavour) -> float:
    """A bound whose fourfold is a bound too: 100 ms, or 128 ms with Tempo's buckets."""
    return 0.128 if flavour.tempo else 0.1


def as_service(flavour: Flavour, expr: str, label: str) -> str:
    """``expr`` with its service in the flavour's label."""
    if label == flavour.service:
        return expr
    return f'sum by ({flavour.service}) (label_replace({expr}, "{flavour.service}", "$1", "{label}", "(.+)"))'


def anomalies(flavour: Flavour, services: str) -> str:
    """How many signals of a service are anomalous."""
    counted = f'sum by ({anomaly.SERVICE_NAME}) ({anomaly.ANOMALY_ACTIVE}{{{anomaly.SERVICE_NAME}=~"{services}"}})'
    return as_service(flavour, counted, anomaly.SERVICE_NAME)


def budget_left(flavour: Flavour, services: str) -> str:
    """The smallest budget left among the SLOs of a service."""
    least = f'min by ({slo.SERVICE_NAME}) ({slo.SLO_BUDGET_REMAINING}{{{slo.SERVICE_NAME}=~"{services}"}})'
    return as_service(flavour, least, slo.SERVICE_NAME)


def open_incidents(*, links: Sequence[Link] = ()) -> table.Panel:
    """What the anomaly processor holds for one event each."""
    labels = ", ".join(anomaly.INCIDENT_LABELS)
    is_open = f"max by ({labels}) ({anomaly.INCIDENT_ACTIVE} == 1)"
    since = f"min by ({labels}) (min_over_time(timestamp({anomaly.INCIDENT_ACTIVE} == 1)[1d:1m]))"
    return records(
        "Open incidents",
        "Anomalies that belong together, with the service that they began in. Empty when all is well.",
        [Column(f"time() - {since} and {is_open}", "Open for", "s")],
        [(anomaly.INCIDENT, "Incident"), (anomaly.ROOT_SERVICE, "Root service"), (anomaly.SEVERITY, "Severity")],
        width=12,
        height=6,
        links=links,
        no_value="no incident",
    )


def firing_alerts(flavour: Flavour, services: str) -> table.Panel:
    """Alerts that ask for somebody, and since when their condition holds."""
    labels = "alertname, severity, service_name"
    which = f'{ASKS},service_name=~"|{services}"'
    firing = f'max by ({labels}) (ALERTS{{alertstate="firing",{which}}})'
    return records(
        "Firing alerts",
        "Pages and tickets, of the bundled rules and all others in this Prometheus. Empty when all is well.",
        [Column(f"time() - min by ({labels}) (ALERTS_FOR_STATE{{{which}}}) and {firing}", "True for", "s")],
        [("alertname", "Alert"), ("severity", "Severity"), ("service_name", "Service")],
        width=12,
        height=6,
        links=[link_to("service", flavour, "Open the service", service="${__data.fields.Service}")],
        no_value="no alert",
        sort="True for",
    )
