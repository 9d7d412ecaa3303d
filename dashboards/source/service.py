"""Service: how one service does, what it is made of, who calls it and whom it calls."""

from __future__ import annotations

from grafana_foundation_sdk.models.dashboard import Dashboard

from dashboards.source import columns
from dashboards.source.board import Board
from dashboards.source.parts import (
    APDEX_STEPS,
    BLUE,
    BUDGET_STEPS,
    COUNT,
    ERROR_STEPS,
    GREEN,
    ORANGE,
    RATE,
    RATE_UNIT,
    RATIO,
    RED,
    Column,
    Query,
    distribution,
    explore_traces,
    link_to,
    number,
    present,
    records,
    series,
)
from pipeline.promql.flavour import Flavour
from pipeline.promql.red import Edges, Red
from processors.service_graph.names import CLIENT, CONNECTION_TYPE, SERVER
from processors.span_metrics.names import TEMPO_TARGET_INFO


def build(flavour: Flavour) -> Dashboard:
    """The dashboard."""
    board = Board(
        flavour, "service", "Service", "One service: rate, errors, duration, operations, callers and callees."
    )
    board.choose_service(several=False)
    board.choose_traces()
    board.annotate("$service")
    red = Red(flavour, RATE, [f'{flavour.service}="$service"'])
    traces = explore_traces("Traces of $service", '{resource.service.name="$service"}')
    failed = explore_traces("Failed traces of $service", '{resource.service.name="$service" && status=error}')
    _stats(board, red, flavour)
    board.add(
        series(
            "Errors",
            "Share of requests that failed.",
            RATIO,
            [Query(red.error_ratio(), "errors")],
            steps=ERROR_STEPS,
            links=[failed],
            colors={"errors": RED},
        ),
        series(
            "Rate",
            "Requests and messages per second.",
            RATE_UNIT,
            [Query(red.rate(), "requests"), Query(red.errors(), "failed")],
            links=[traces],
            colors={"requests": BLUE, "failed": RED},
        ),
        series(
            "Duration",
            "Quantiles and mean. Dots are exemplars: they lead to traces.",
            flavour.unit,
            [Query(red.quantile(q, ()), f"p{q * 100:g}", exemplar=q == 0.99) for q in (0.5, 0.95, 0.99)]
            + [Query(red.mean(), "mean")],
            links=[traces],
            colors={"p50": GREEN, "p95": ORANGE, "p99": RED, "mean": BLUE},
        ),
    )
    _operations(board, red, flavour)
    _edges(board, flavour)
    board.add(
        distribution(
            "Durations",
            "How many requests per second took how long.",
            flavour.unit,
            red.heatmap(),
            native=flavour.native,
        )
    )
    info = TEMPO_TARGET_INFO if flavour.tempo else "target_info"
    instances = f'max by (job, instance, service_version, host_name) ({info}{{job=~"(.+/)?$service"}})'
    board.row(
        "Instances",
        collapsed=[
            records(
                "Instances",
                "Resources that sent spans in the last minutes, with version and host as far as they say so.",
                [Column(instances, "")],
                [("instance", "Instance"), ("job", "Job"), ("service_version", "Version"), ("host_name", "Host")],
                height=6,
            ),
        ],
    )
    return board.build()


def _stats(board: Board, red: Red, flavour: Flavour) -> None:
    watched = link_to("anomalies", flavour, "Anomalies of $service", service="$service")
    objectives = link_to("slo", flavour, "SLOs of $service", service="$service")
    board.add(
        number("Requests", "Requests and messages per second.", RATE_UNIT, Query(red.rate())),
        number(
            "Errors",
            "Share of requests that failed: 0 when none did, empty without traffic.",
            RATIO,
            Query(red.error_ratio()),
            steps=ERROR_STEPS,
        ),
        number("p95", "95 of 100 requests took no longer.", flavour.unit, Query(red.quantile(0.95))),
        number(
            "Apdex",
            f"Satisfied within {columns.apdex_s(flavour) * 1000:.0f} ms, tolerating within four times that.",
            COUNT,
            Query(red.apdex(columns.apdex_s(flavour))),
            steps=APDEX_STEPS,
            decimals=2,
        ),
        number(
            "Anomalies",
            "Signals of the service that are unusual now.",
            COUNT,
            Query(columns.anomalies(flavour, "$service")),
            steps=((1, RED),),
            links=[watched],
            no_value="not watched",
        ),
        number(
            "Budget left",
            "Error budget left of the SLO that has the least.",
            RATIO,
            Query(columns.budget_left(flavour, "$service")),
            steps=BUDGET_STEPS,
            links=[objectives],
            no_value="no SLO",
        ),
    )


def _operations(board: Board, red: Red, flavour: Flavour) -> None:
    by = [flavour.span_name]
    name = "${__value.text}"
    open_traces = explore_traces(f"Traces of {name}", f'{{resource.service.name="$service" && name="{name}"}}')
    board.add(
        records(
            "Operations",
            "Operations that others call, with the share of the service's time they take. Click a name for its traces.",
            [
                Column(red.rate(by), "Rate", RATE_UNIT),
                Column(red.error_ratio(by), "Errors", RATIO, ERROR_STEPS, 2),
                Column(present(red.quantile(0.5, by)), "p50", flavour.unit),
                Column(present(red.quantile(0.95, by)), "p95", flavour.unit),
                Column(red.mean(by), "Mean", flavour.unit),
                Column(
                    f"{red.time_share(by)} / on() group_left {red.time_share()}", "Share of time", RATIO, decimals=1
                ),
            ],
            [(flavour.span_name, "Operation")],
            links=[open_traces],
            sort="Share of time",
            height=7,
        )
    )


def _edges(board: Board, flavour: Flavour) -> None:
    for title, text, own, other in (
        ("Callers", "Who calls this service, as the callee sees it.", SERVER, CLIENT),
        ("Callees", "Whom this service calls: services, databases, queues.", CLIENT, SERVER),
    ):
        edges = Edges(flavour, RATE, [f'{own}="$service"'])
        by = [other, CONNECTION_TYPE]
        board.add(
            records(
                title,
                text,
                [
                    Column(edges.rate(by), "Rate", RATE_UNIT),
                    Column(edges.error_ratio(by), "Errors", RATIO, ERROR_STEPS, 2),
                    Column(present(edges.quantile(0.95, by)), "p95", "s"),
                ],
                [(other, title[:-1]), (CONNECTION_TYPE, "Kind")],
                width=12,
                height=7,
                links=[link_to("service", flavour, "Open ${__value.text}", service="${__value.text}")],
                sort="Rate",
            )
        )
