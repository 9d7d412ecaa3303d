"""Fleet overview: is anything wrong, and where?"""

from __future__ import annotations

from grafana_foundation_sdk.models.dashboard import Dashboard

from dashboards.source import columns
from dashboards.source.board import Board
from dashboards.source.parts import (
    APDEX_STEPS,
    BUDGET_STEPS,
    COUNT,
    ERROR_STEPS,
    ORANGE,
    RATE,
    RATE_UNIT,
    RATIO,
    RED,
    Column,
    Query,
    Steps,
    link_to,
    number,
    present,
    records,
    series,
)
from pipeline.promql.flavour import Flavour
from pipeline.promql.red import Red

AGE_STEPS: Steps = ((120.0, ORANGE), (300.0, RED))
"""Two missed scrapes at one a minute, and what Prometheus still shows of a series that has ended."""


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
    _stats(board, red, flavour)
    to_anomalies = link_to("anomalies", flavour, "What is unusual")
    board.add(columns.open_incidents(links=[to_anomalies]), columns.firing_alerts(flavour, "$service"))
    board.add(
        records(
            "Services",
            "One row per service, the failing ones first. Click a name for its dashboard. Apdex: satisfied within "
            f"{columns.apdex_s(flavour) * 1000:.0f} ms, tolerating within four times that.",
            [
                Column(red.rate(by), "Rate", RATE_UNIT),
                Column(red.error_ratio(by), "Errors", RATIO, ERROR_STEPS, 2),
                Column(present(red.quantile(0.5, by)), "p50", flavour.unit),
                Column(present(red.quantile(0.95, by)), "p95", flavour.unit),
                Column(present(red.quantile(0.99, by)), "p99", flavour.unit),
                Column(present(red.apdex(columns.apdex_s(flavour), by)), "Apdex", COUNT, APDEX_STEPS, 2),
                Column(columns.anomalies(flavour, "$service"), "Anomalies", COUNT, ((1, RED),)),
                Column(columns.budget_left(flavour, "$service"), "Budget left", RATIO, BUDGET_STEPS, 1),
            ],
            [(flavour.service, "Service")],
            links=[link_to("service", flavour, "Open ${__value.text}", service="${__value.text}")],
            sort="Errors",
            height=9,
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
    return board.build()


def _stats(board: Board, red: Red, flavour: Flavour) -> None:
    of_services = f'{flavour.service}=~"$service"'
    firing = f'count(ALERTS{{alertstate="firing",{columns.ASKS}}})'
    board.add(
        number(
            "Data age",
            "Since the newest sample of any service. While it grows, all else here is old.",
            "s",
            Query(f"time() - max(timestamp({flavour.calls}{{{of_services}}}))"),
            width=3,
            steps=AGE_STEPS,
            no_value="no data",
        ),
        number(
            "Services",
            "Services that got requests or messages.",
            COUNT,
            Query(f"count({red.rate([flavour.service])} > 0)"),
            width=3,
        ),
        number(
            "Requests", "Requests and messages per second, over all services.", RATE_UNIT, Query(red.rate()), width=3
        ),
        number(
            "Errors",
            "Share of requests that failed: 0 when none did, empty without traffic.",
            RATIO,
            Query(red.error_ratio()),
            width=3,
            steps=ERROR_STEPS,
        ),
        number("p95", "95 of 100 requests took no longer.", flavour.unit, Query(red.quantile(0.95)), width=3),
        number(
            "Alerts",
            "Pages and tickets that are firing.",
            COUNT,
            Query(f"{firing} or vector(0)"),
            width=3,
            steps=((1, RED),),
        ),
        number(
            "Anomalies",
            "Signals that are unusual now. Empty where the anomaly processor does not run.",
            COUNT,
            Query(f"sum({columns.anomalies(flavour, '$service')})"),
            width=3,
            steps=((1, RED),),
            no_value="not watched",
        ),
        number(
            "Least budget",
            "Error budget left of the SLO that has the least.",
            RATIO,
            Query(f"min({columns.budget_left(flavour, '$service')})"),
            width=3,
            steps=BUDGET_STEPS,
            no_value="no SLO",
        ),
    )
