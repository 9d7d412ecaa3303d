"""Fleet overview: is anything wrong, and where?"""

from __future__ import annotations

from grafana_foundation_sdk.models.dashboard import Dashboard

from dashboards.source import columns
from dashboards.source.board import Board
from dashboards.source.parts import (
    BUDGET_STEPS,
    COUNT,
    ERROR_STEPS,
    RATE,
    RATE_UNIT,
    RATIO,
    RED,
    Column,
    Query,
    link_to,
    number,
    records,
    series,
)
from pipeline.promql.flavour import Flavour
from pipeline.promql.red import Red
from processors.anomaly.names import INCIDENT_ACTIVE, INCIDENT_LABELS


def build(flavour: Flavour) -> Dashboard:
    """The dashboard."""
    board = Board(flavour, "fleet", "Fleet overview", "All services: rate, errors, duration, anomalies and SLOs.")
    board.choose_service()
    board.annotate("$service")
    red = Red(flavour, RATE, [f'{flavour.service}=~"$service"'])
    by = [flavour.service]
    legend = f"{{{{{flavour.service}}}}}"
    to_service = link_to(
        "service",
        flavour,
        "Open ${__field.labels." + flavour.service + "}",
        service="${__field.labels." + flavour.service + "}",
    )
    board.add(
        number("Services", "Services that got requests or messages.", COUNT, Query(f"count({red.rate(by)} > 0)")),
        number("Requests", "Requests and messages per second, over all services.", RATE_UNIT, Query(red.rate())),
        number(
            "Errors",
            "Share of requests that failed: 0 when none did, empty without traffic.",
            RATIO,
            Query(red.error_ratio()),
            steps=ERROR_STEPS,
        ),
        number("p95", "95 of 100 requests took no longer.", flavour.unit, Query(red.quantile(0.95))),
        number(
            "Anomalies",
            "Signals that are unusual now. Empty where the anomaly processor does not run.",
            COUNT,
            Query(f"sum({columns.anomalies(flavour, '$service')})"),
            steps=((1, RED),),
            no_value="not watched",
        ),
        number(
            "Least budget",
            "Error budget left of the SLO that has the least.",
            RATIO,
            Query(f"min({columns.budget_left(flavour, '$service')})"),
            steps=BUDGET_STEPS,
            no_value="no SLO",
        ),
    )
    board.add(
        records(
            "Services",
            "One row per service. Click a name for its dashboard. Apdex: satisfied within "
            f"{columns.apdex_s(flavour) * 1000:.0f} ms, tolerating within four times that.",
            [
                Column(red.rate(by), "Rate", RATE_UNIT),
                Column(red.error_ratio(by), "Errors", RATIO, ERROR_STEPS, 2),
                Column(red.quantile(0.5, by), "p50", flavour.unit),
                Column(red.quantile(0.95, by), "p95", flavour.unit),
                Column(red.quantile(0.99, by), "p99", flavour.unit),
                Column(red.apdex(columns.apdex_s(flavour), by), "Apdex", RATIO, decimals=1),
                Column(columns.anomalies(flavour, "$service"), "Anomalies", COUNT, ((1, RED),)),
                Column(columns.budget_left(flavour, "$service"), "Budget left", RATIO, BUDGET_STEPS, 1),
            ],
            [(flavour.service, "Service")],
            links=[link_to("service", flavour, "Open ${__value.text}", service="${__value.text}")],
            sort="Errors",
        )
    )
    board.add(
        series(
            "Errors by service",
            "Share of requests that failed.",
            RATIO,
            [Query(red.error_ratio(by), legend)],
            steps=ERROR_STEPS,
            links=[to_service],
        ),
        series(
            "Rate by service",
            "Requests and messages per second.",
            RATE_UNIT,
            [Query(red.rate(by), legend)],
            links=[to_service],
        ),
        series(
            "p95 by service",
            "95 of 100 requests took no longer.",
            flavour.unit,
            [Query(red.quantile(0.95, by), legend, exemplar=True)],
            links=[to_service],
        ),
    )
    board.add(
        records(
            "Open incidents",
            "What the anomaly processor holds for one event, with the service it began in. Empty when all is well.",
            [Column(f"max by ({', '.join(INCIDENT_LABELS)}) ({INCIDENT_ACTIVE} == 1)", "Open")],
            [(label, label.replace("_", " ").capitalize()) for label in INCIDENT_LABELS],
            width=12,
        ),
        records(
            "Firing alerts",
            "Of the bundled rules and all others in this Prometheus.",
            [
                Column(
                    'sum by (alertname, severity, service_name) (ALERTS{alertstate="firing",severity!="none"})',
                    "Series",
                )
            ],
            [("alertname", "Alert"), ("severity", "Severity"), ("service_name", "Service")],
            width=12,
        ),
    )
    return board.build()
