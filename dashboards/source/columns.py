"""Facts about services from several places, each under the label of the flavour, so that tables can join them."""

from __future__ import annotations

from pipeline.promql.flavour import Flavour
from processors.anomaly import names as anomaly
from processors.slo import names as slo


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
