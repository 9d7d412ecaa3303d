"""Pipeline self: what Weir takes in, does and gives out, and how near its limits it is."""

from __future__ import annotations

from collections.abc import Sequence

from grafana_foundation_sdk.models.dashboard import Dashboard

from dashboards.source.board import Board
from dashboards.source.parts import COUNT, ORANGE, RATE, RATIO, RED, Query, Steps, number, series
from pipeline.promql.flavour import Flavour
from pipeline.promql.own import COUNTER, GAUGE, HISTOGRAM, exposed, own
from pipeline.telemetry.process import PROCESS_CPU, PROCESS_MEMORY, PROCESS_UPTIME
from processors.service_graph import processor as service_graph

ITEMS = "cps"
WHAT = ("spans", "points", "records")
SECONDS = "s"
LIMIT_STEPS: Steps = ((0.8, ORANGE), (0.95, RED))
REFUSED_STEPS: Steps = ((0.001, ORANGE), (0.01, RED))
SELECT = 'instance=~"$instance"'

ACCEPTED, REFUSED, FAILED, REJECTED = (
    own(f"otelcol_receiver_{fate}_spans") for fate in ("accepted", "refused", "failed", "rejected")
)
SENT, NOT_SENT = (
    [own(f"otelcol_exporter_{fate}_{items}") for items in ("spans", "metric_points", "log_records")]
    for fate in ("sent", "send_failed")
)
QUEUE_SIZE, QUEUE_CAPACITY = (own(f"otelcol_exporter_queue_{which}", GAUGE) for which in ("size", "capacity"))
UPTIME = exposed(PROCESS_UPTIME, COUNTER, "s")


def build(flavour: Flavour) -> Dashboard:
    """The dashboard."""
    board = Board(flavour, "self", "Pipeline self", "Weir itself: throughput, refusals, latency, series, memory.")
    board.choose("instance", "Instance", f"label_values({UPTIME}, instance)")
    board.annotate_own()
    turned_away = f"({_rate(REFUSED)} + {_rate(FAILED)})"
    queue = f"{QUEUE_SIZE}{{{SELECT}}} / {QUEUE_CAPACITY}{{{SELECT}}}"
    board.add(
        number("Accepted", "Spans that the pipelines processed.", ITEMS, Query(_rate(ACCEPTED)), width=3),
        number(
            "Turned away",
            "Share of spans refused (the sender may retry) or failed.",
            RATIO,
            Query(f"{turned_away} / ({_rate(ACCEPTED)} + {turned_away} > 0)"),
            width=3,
            steps=REFUSED_STEPS,
        ),
        number(
            "Not sent",
            "Share of what exporters that push could not send, in all signals.",
            RATIO,
            Query(f"{_all(NOT_SENT)} / ({_all(SENT)} + {_all(NOT_SENT)} > 0)"),
            width=3,
            steps=REFUSED_STEPS,
            no_value="nothing to send",
        ),
        number(
            "Fullest queue",
            "Of the exporters that push: places taken, of those there are.",
            RATIO,
            Query(f"max({queue})"),
            width=3,
            steps=LIMIT_STEPS,
            no_value="no queue",
        ),
        number(
            "Series",
            "Fullest component: series kept, of those allowed.",
            RATIO,
            Query(f"max({_fullness()})"),
            width=3,
            steps=LIMIT_STEPS,
            no_value="none",
        ),
        number(
            "CPU",
            "Cores in use, over all instances.",
            COUNT,
            Query(_rate(exposed(PROCESS_CPU, COUNTER, "s"))),
            width=3,
            no_value="down",
        ),
        number(
            "Memory",
            "Of the largest instance.",
            "bytes",
            Query(f"max({exposed(PROCESS_MEMORY, GAUGE, 'By')}{{{SELECT}}})"),
            width=3,
            no_value="down",
        ),
        number(
            "Up for", "The youngest instance.", SECONDS, Query(f"min({UPTIME}{{{SELECT}}})"), width=3, no_value="down"
        ),
    )
    board.row("Receivers")
    board.add(
        series("Accepted spans", "By receiver and transport.", ITEMS, [_by(ACCEPTED, ("receiver", "transport"))]),
        series(
            "Refused and failed spans",
            "Refused: the sender may send them again. Failed: an error inside Weir.",
            ITEMS,
            [_by(REFUSED, ("receiver",), "refused "), _by(FAILED, ("receiver",), "failed ")],
        ),
        series(
            "Requests",
            "By outcome; the unhappy ones have a reason in the log.",
            "reqps",
            [_by(own("weir_receiver_requests"), ("receiver", "outcome"))],
        ),
        series(
            "Rejected spans",
            "Never acceptable, for example without a trace id.",
            ITEMS,
            [_by(REJECTED, ("receiver", "reason"))],
            no_value="all were sound",
        ),
        *_components("connector"),
    )
    board.row("Series and limits")
    board.add(
        series("Series kept", "By component.", COUNT, [_gauge(own("otelcol_connector_series", GAUGE))]),
        series(
            "Series, of those allowed",
            "At 100 % new ones count in an overflow series; totals stay exact.",
            RATIO,
            [Query(f"max by (connector) ({_fullness()})", "{{connector}}")],
            steps=LIMIT_STEPS,
        ),
        series(
            "Overflow",
            "Measurements counted in an overflow series because a limit was reached; the log says which.",
            ITEMS,
            [_by(own("otelcol_connector_overflowed_items"), ("connector",))],
        ),
        series(
            "Memory of series", "By component.", "bytes", [_gauge(own("otelcol_connector_series_memory", GAUGE, "By"))]
        ),
        series(
            "Series made and removed",
            "Expired: nothing was measured for long. Evicted: made room for others.",
            ITEMS,
            [Query(_rate(own(f"otelcol_connector_series_{fate}")), fate) for fate in ("created", "expired", "evicted")],
        ),
        series(
            "Memory limiter",
            "Spans let through and refused because memory was scarce.",
            ITEMS,
            [
                _by(own(f"otelcol_processor_memory_limiter_{fate}_spans"), ("processor",), f"{fate} ")
                for fate in ("accepted", "refused")
            ],
            no_value="not configured",
        ),
    )
    board.row("Service graph")
    board.add(
        series(
            "Edges",
            "Calls between services that were found.",
            ITEMS,
            [_by(exposed(service_graph.TOTAL_EDGES), ("connector",))],
        ),
        series(
            "Spans waiting",
            "For the other side of their call.",
            COUNT,
            [_gauge(exposed(service_graph.PENDING_SPANS, GAUGE))],
        ),
        series(
            "Spans without partner",
            "Expired: nobody came within store.ttl. Dropped: a limit was reached.",
            ITEMS,
            [
                _by(exposed(service_graph.EXPIRED_EDGES), ("outcome",), "expired "),
                _by(exposed(service_graph.DROPPED_SPANS), ("reason",), "dropped "),
            ],
        ),
    )
    board.row("Exporters")
    board.add(
        series(
            "Sent",
            "Items by exporter that pushes.",
            ITEMS,
            [_by(name, ("exporter",), f"{what} ") for name, what in zip(SENT, WHAT, strict=True)],
            width=6,
            no_value="no exporter pushes",
        ),
        series(
            "Not sent",
            "Items lost: their destination refused them, or retries came to an end.",
            ITEMS,
            [_by(name, ("exporter",), f"{what} ") for name, what in zip(NOT_SENT, WHAT, strict=True)],
            width=6,
            no_value="nothing was lost",
        ),
        series(
            "Queues",
            "Places taken, of those there are. A full queue refuses.",
            RATIO,
            [Query(f"max by (exporter, data_type) ({queue})", "{{exporter}} {{data_type}}")],
            width=6,
            steps=LIMIT_STEPS,
            no_value="no exporter pushes",
        ),
        series(
            "Scrapes",
            "Of the Prometheus exporter, by format.",
            "reqps",
            [_by(exposed("otelcol_exporter_prometheus_scrapes"), ("exporter", "format"))],
            width=6,
            no_value="no scrape",
        ),
    )
    return board.build()


def _components(kind: str) -> list[object]:
    seconds = own(f"otelcol_{kind}_internal_duration", HISTOGRAM, "s")
    p99 = f"histogram_quantile(0.99, sum by (le, {kind}) (rate({seconds}_bucket{{{SELECT}}}[{RATE}])))"
    busy = f"sum by ({kind}) (rate({seconds}_sum{{{SELECT}}}[{RATE}]))"
    unhappy = f'{own(f"otelcol_{kind}_consumed_items")}{{{SELECT},outcome!="success"}}'
    not_consumed = f"sum by ({kind}) (rate({unhappy}[{RATE}]))"
    return [
        series("Spans into connectors", "By connector.", ITEMS, [_by(own(f"otelcol_{kind}_incoming_items"), (kind,))]),
        series(
            "Spans not consumed",
            "Failed or refused by a connector; the log says why.",
            ITEMS,
            [Query(not_consumed, f"{{{{{kind}}}}}")],
        ),
        series(
            "Time with one batch, p99",
            "99 of 100 batches took no longer.",
            SECONDS,
            [Query(p99, f"{{{{{kind}}}}}")],
            width=12,
        ),
        series(
            "Time by connector",
            "Seconds of work per second. All work is under one lock, so 1 is the end.",
            RATIO,
            [Query(busy, f"{{{{{kind}}}}}")],
            width=12,
            steps=LIMIT_STEPS,
        ),
    ]


def _rate(metric: str) -> str:
    return f"sum(rate({metric}{{{SELECT}}}[{RATE}]))"


def _all(metrics: Sequence[str]) -> str:
    """The rate of several counters, of which some may not exist yet."""
    return "(" + " + ".join(f"({_rate(metric)} or vector(0))" for metric in metrics) + ")"


def _by(metric: str, labels: Sequence[str], prefix: str = "") -> Query:
    legend = prefix + " ".join(f"{{{{{label}}}}}" for label in labels)
    return Query(f"sum by ({', '.join(labels)}) (rate({metric}{{{SELECT}}}[{RATE}]))", legend)


def _gauge(metric: str) -> Query:
    return Query(f"sum by (connector) ({metric}{{{SELECT}}})", "{{connector}}")


def _fullness() -> str:
    kept, allowed = own("otelcol_connector_series", GAUGE), own("otelcol_connector_series_limit", GAUGE)
    return f"{kept}{{{SELECT}}} / {allowed}{{{SELECT}}}"
