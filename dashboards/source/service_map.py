"""Service map: the call graph, and its edges as a table."""

from __future__ import annotations

from grafana_foundation_sdk.models.dashboard import Dashboard

from dashboards.source.board import Board
from dashboards.source.parts import (
    ERROR_STEPS,
    GREEN,
    RATE,
    RATE_UNIT,
    RATIO,
    Column,
    Query,
    graph,
    link_to,
    present,
    records,
    series,
)
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
    failed = f"({into.failures(pair)} or {out_of.failures(pair)})"
    open_node = link_to("service", flavour, "Open ${__data.fields.id}", service="${__data.fields.id}")
    board.add(
        graph(
            "Service map",
            "Nodes are services, databases and queues, with the calls per second that reach them, or that they make if "
            "nobody calls them; user is whoever is outside. Orange and red: more than 1 % and 5 % fail.",
            _nodes(rate, failed),
            _edges(rate, failed),
            links=[open_node],
        )
    )
    columns = [
        Column(f"{rate} > 0", "Rate", RATE_UNIT),
        Column(f"({into.error_ratio(pair)} or {out_of.error_ratio(pair)})", "Errors", RATIO, ERROR_STEPS, 2),
        Column(present(f"{into.quantile(0.5, pair)} or {out_of.quantile(0.5, pair)}"), "p50", "s"),
        Column(present(f"{into.quantile(0.95, pair)} or {out_of.quantile(0.95, pair)}"), "p95", "s"),
    ]
    board.add(
        records(
            "Edges",
            "One row per pair, the failing ones first. Durations are the callee's.",
            columns,
            [(CLIENT, "Caller"), (SERVER, "Callee")],
            links=[link_to("service", flavour, "Open ${__value.text}", service="${__value.text}")],
            sort="Errors",
            height=11,
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
            many=True,
        ),
        series(
            "p95 by edge",
            "95 of 100 calls took no longer, seen from the callee.",
            "s",
            [Query(columns[3].query, legend, exemplar=True)],
            width=12,
            many=True,
        ),
    )
    return board.build()


def _nodes(rate: str, failed: str) -> str:
    """Every server with the calls that reach it, in the colour of their failures; other callers with their calls."""
    called, calling = (
        _label(_colored(f"sum by ({end}) ({rate})", f"sum by ({end}) ({failed})"), end) for end in (SERVER, CLIENT)
    )
    return f"sum by (id, title, color) ({called}) or on (id) sum by (id, title, color) ({calling})"


def _edges(rate: str, failed: str) -> str:
    colored = _colored(rate, failed)
    ends = f'label_replace({colored}, "source", "$1", "{CLIENT}", "(.+)")'
    ends = f'label_replace({ends}, "target", "$1", "{SERVER}", "(.+)")'
    return f'label_join({ends}, "id", "->", "{CLIENT}", "{SERVER}")'


def _label(expr: str, label: str) -> str:
    return f'label_replace(label_replace({expr}, "id", "$1", "{label}", "(.+)"), "title", "$1", "{label}", "(.+)")'


def _colored(rate: str, failed: str) -> str:
    """``rate`` where it is not 0, with the label ``color`` that the panel draws by; the first colour holds."""
    which = [f"({rate}) and ({failed}) / ({rate}) >= {level}" for level, _ in reversed(ERROR_STEPS)] + [f"({rate}) > 0"]
    colors = [color for _, color in reversed(ERROR_STEPS)] + [GREEN]
    return " or ignoring (color) ".join(
        f'label_replace({expr}, "color", "{color}", "", "")' for expr, color in zip(which, colors, strict=True)
    )
