"""Service map: the call graph, and its edges as a table."""

from __future__ import annotations

from grafana_foundation_sdk.models.dashboard import Dashboard

from dashboards.source.board import Board
from dashboards.source.parts import ERROR_STEPS, RATE, RATE_UNIT, RATIO, Column, Query, graph, link_to, records, series
from pipeline.promql.flavour import Flavour
from pipeline.promql.red import Edges
from processors.service_graph.names import CLIENT, SERVER


def build(flavour: Flavour) -> Dashboard:
    """The dashboard."""
    board = Board(flavour, "map", "Service map", "Who calls whom, how often, with what success and how fast.")
    board.choose("node", "Node", f"label_values({flavour.edge_requests}, {SERVER})")
    board.annotate(".+")
    # One of the two ends is chosen: the second part adds the calls that a chosen node makes.
    into = Edges(flavour, RATE, [f'{SERVER}=~"$node"'])
    out_of = Edges(flavour, RATE, [f'{CLIENT}=~"$node"'])
    pair = [CLIENT, SERVER]
    rate = f"({into.rate(pair)} or {out_of.rate(pair)})"
    open_node = link_to("service", flavour, "Open ${__data.fields.id}", service="${__data.fields.id}")
    board.add(
        graph(
            "Service map",
            "Nodes are services, databases and queues, with calls per second that reach them; user is whoever is "
            "outside. Edges carry calls per second.",
            _nodes(rate),
            _edges(rate),
            links=[open_node],
        )
    )
    columns = [
        Column(rate, "Rate", RATE_UNIT),
        Column(f"({into.error_ratio(pair)} or {out_of.error_ratio(pair)})", "Errors", RATIO, ERROR_STEPS, 2),
        Column(f"({into.quantile(0.5, pair)} or {out_of.quantile(0.5, pair)})", "p50", "s"),
        Column(f"({into.quantile(0.95, pair)} or {out_of.quantile(0.95, pair)})", "p95", "s"),
    ]
    board.add(
        records(
            "Edges",
            "One row per pair. Durations are the callee's.",
            columns,
            [(CLIENT, "Caller"), (SERVER, "Callee")],
            links=[link_to("service", flavour, "Open ${__value.text}", service="${__value.text}")],
            sort="Errors",
        ),
    )
    legend = f"{{{{{CLIENT}}}}} → {{{{{SERVER}}}}}"
    board.add(
        series(
            "Errors by edge",
            "Share of calls that failed.",
            RATIO,
            [Query(columns[1].query, legend)],
            width=12,
            steps=ERROR_STEPS,
        ),
        series(
            "p95 by edge",
            "95 of 100 calls took no longer, seen from the callee.",
            "s",
            [Query(columns[3].query, legend, exemplar=True)],
            width=12,
        ),
    )
    return board.build()


def _nodes(rate: str) -> str:
    """Every server with the calls that reach it; callers that nobody calls with 0."""
    called = _label(f"sum by ({SERVER}) ({rate})", SERVER)
    calling = _label(f"0 * sum by ({CLIENT}) ({rate})", CLIENT)
    return f"sum by (id, title) ({called}) or sum by (id, title) ({calling})"


def _label(expr: str, label: str) -> str:
    return f'label_replace(label_replace({expr}, "id", "$1", "{label}", "(.+)"), "title", "$1", "{label}", "(.+)")'


def _edges(rate: str) -> str:
    ends = (
        f'label_replace(label_replace({rate}, "source", "$1", "{CLIENT}", "(.+)"), "target", "$1", "{SERVER}", "(.+)")'
    )
    return f'label_join({ends}, "id", "->", "{CLIENT}", "{SERVER}")'
