"""Anomalies: what is unusual, since when, what differs, and one service closely."""

from __future__ import annotations

from grafana_foundation_sdk.models.dashboard import Dashboard

from dashboards.source import columns
from dashboards.source.board import Board
from dashboards.source.parts import COUNT, ORANGE, RATIO, RED, Column, Query, link_to, number, records, series, states
from pipeline.promql.flavour import Flavour
from processors.anomaly import names as anomaly

SERVICE, SPAN, SIGNAL = anomaly.ANOMALY_LABELS
RATE_SIGNAL, ERRORS_SIGNAL, DURATION_SIGNAL = anomaly.SIGNALS
BY = f"{SERVICE}, {SIGNAL}"
LEGEND = f"{{{{{SERVICE}}}}} {{{{{SIGNAL}}}}}"
CHOSEN = f'{SERVICE}=~"$service"'
MOST = 10
"""Lines that can be told apart."""


def build(flavour: Flavour) -> Dashboard:
    """The dashboard."""
    board = Board(flavour, "anomalies", "Anomalies", "What is unusual, by service and signal, and what differs in it.")
    board.choose("service", "Service", f"label_values({anomaly.ANOMALY_SCORE}, {SERVICE})")
    board.choose_strangest("closeup", "Close-up", f'{anomaly.ANOMALY_SCORE}{{{SERVICE}=~"$service"}}', SERVICE)
    of_closeup = f'{anomaly.ANOMALY_SCORE}{{{SERVICE}="$closeup",{SIGNAL}="{DURATION_SIGNAL}"}}'
    board.choose_strangest("operation", "Operation", of_closeup, SPAN)
    board.annotate("$service")
    _stats(board)
    board.add(
        columns.open_incidents(
            links=[
                link_to("service", flavour, "Open the root service", service='${__data.fields["Root service"]}'),
            ]
        ),
        records(
            "What differs",
            "Attribute values that are more frequent in the spans of an open incident than before: look there first.",
            [
                Column(
                    f"topk(20, max by ({', '.join(anomaly.SUSPECT_LABELS)}) ({anomaly.INCIDENT_SUSPECT_SHARE}) > 0)",
                    "More frequent by",
                    RATIO,
                )
            ],
            [(label, label.capitalize()) for label in anomaly.SUSPECT_LABELS],
            width=12,
            height=6,
            sort="More frequent by",
            no_value="no incident",
        ),
    )
    active = f"max by ({BY}) ({anomaly.ANOMALY_ACTIVE}{{{CHOSEN}}})"
    score = f"max by ({BY}) ({anomaly.ANOMALY_SCORE}{{{CHOSEN}}})"
    ever = f"max by ({BY}) (max_over_time({anomaly.ANOMALY_ACTIVE}{{{CHOSEN}}}[$__range] @ end())) > 0"
    highest = f"max by ({BY}) (max_over_time({anomaly.ANOMALY_SCORE}{{{CHOSEN}}}[$__range] @ end()))"
    board.add(
        states(
            "When",
            "Signals that were anomalous in the chosen time; red while they were.",
            Query(f"{active} and {ever}", LEGEND),
            words=("as usual", "anomalous"),
            no_value="nothing was anomalous",
            height=7,
        ),
        series(
            "Evidence",
            f"How much speaks against each signal: the {MOST} strangest of the chosen time.",
            COUNT,
            [Query(f"{score} and topk({MOST}, {highest})", LEGEND)],
            width=24,
            links=[link_to("service", flavour, "Open the service", service=f"${{__field.labels.{SERVICE}}}")],
            many=True,
        ),
    )
    _closeup(board)
    return board.build()


def _stats(board: Board) -> None:
    is_open = f"{anomaly.INCIDENT_ACTIVE} == 1"
    board.add(
        number(
            "Unusual signals",
            "Signals that are anomalous now.",
            COUNT,
            Query(f"sum({anomaly.ANOMALY_ACTIVE}{{{CHOSEN}}})"),
            steps=((1, RED),),
            no_value="not watched",
        ),
        number(
            "Open incidents",
            "Groups of anomalies that belong together.",
            COUNT,
            Query(f"count({is_open}) or 0 * sum({anomaly.ANOMALY_ACTIVE})"),
            steps=((1, RED),),
            no_value="not watched",
        ),
        number(
            "Most evidence",
            "Against any of the chosen signals; higher is stranger.",
            COUNT,
            Query(f"max({anomaly.ANOMALY_SCORE}{{{CHOSEN}}})"),
            no_value="not watched",
        ),
        number(
            "Watched signals",
            "Signals that the processor has a model of.",
            COUNT,
            Query(f"count({anomaly.ANOMALY_SCORE}{{{CHOSEN}}})"),
            no_value="not watched",
        ),
        number(
            "Time to detect",
            "Mean from the first evidence of an incident to the alarm, in the chosen time.",
            "s",
            Query(_mean(anomaly.INCIDENT_TIME_TO_DETECT)),
            no_value="no incident",
        ),
        number(
            "Time to resolve",
            "Mean from the alarm to the end of the incident, in the chosen time.",
            "s",
            Query(_mean(anomaly.INCIDENT_TIME_TO_RESOLVE)),
            no_value="none resolved",
        ),
    )


def _closeup(board: Board) -> None:
    """One service as the models see it: at first the strangest."""
    board.row("Close-up: $closeup, $operation")
    of_operation = f',{SPAN}="$operation"'
    for signal, title, text, unit, more in (
        (ERRORS_SIGNAL, "Error ratio", "Share of the service's own failures.", RATIO, ""),
        (
            RATE_SIGNAL,
            "Calls per trace",
            "Of the operation. Empty where their number does not vary.",
            COUNT,
            of_operation,
        ),
        (DURATION_SIGNAL, "Own time", "Of the operation, without the calls that it waits for.", "s", of_operation),
    ):
        select = f'{{{SERVICE}="$closeup",{SIGNAL}="{signal}"{more}}}'
        board.add(
            series(
                title,
                f"{text} The band is what was expected.",
                unit,
                [
                    Query(f"max({anomaly.ANOMALY_EXPECTED_LOWER}{select})", "lower"),
                    Query(f"max({anomaly.ANOMALY_EXPECTED_UPPER}{select})", "expected"),
                    Query(f"max({anomaly.ANOMALY_OBSERVED}{select})", "seen"),
                ],
                band=True,
                colors={"seen": ORANGE},
                no_value="not watched",
            )
        )


def _mean(histogram: str) -> str:
    total, number_of = (f"sum(increase({histogram}_{part}[$__range]))" for part in ("sum", "count"))
    return f"{total} / ({number_of} > 0)"
