"""Anomalies: what is unusual, since when, compared with what, and what differs."""

from __future__ import annotations

from grafana_foundation_sdk.models.dashboard import Dashboard

from dashboards.source.board import Board
from dashboards.source.parts import COUNT, RATIO, RED, Column, Query, link_to, number, records, series, states
from pipeline.promql.flavour import Flavour
from processors.anomaly import names as anomaly

SERVICE, SPAN, SIGNAL = anomaly.ANOMALY_LABELS
UNITS = {"rate": "reqps", "errors": RATIO, "duration": "s"}
TITLES = {"rate": "Rate", "errors": "Error ratio", "duration": "Duration"}


def build(flavour: Flavour) -> Dashboard:
    """The dashboard."""
    board = Board(flavour, "anomalies", "Anomalies", "What is unusual, by service and signal, and what differs in it.")
    board.choose("service", "Service", f"label_values({anomaly.ANOMALY_SCORE}, {SERVICE})")
    board.choose(
        "operation", "Operation", f'label_values({anomaly.ANOMALY_SCORE}{{{SERVICE}=~"$service"}}, {SPAN})', every=".*"
    )
    board.annotate("$service")
    chosen = f'{SERVICE}=~"$service"'
    by = f"{SERVICE}, {SIGNAL}"
    legend = f"{{{{{SERVICE}}}}} {{{{{SIGNAL}}}}}"
    incidents = f"{anomaly.INCIDENT_ACTIVE} == 1"
    board.add(
        number(
            "Unusual signals",
            "Signals that are anomalous now.",
            COUNT,
            Query(f"sum({anomaly.ANOMALY_ACTIVE}{{{chosen}}})"),
            width=6,
            steps=((1, RED),),
            no_value="not watched",
        ),
        number(
            "Watched signals",
            "Signals that the processor has a model of.",
            COUNT,
            Query(f"count({anomaly.ANOMALY_SCORE}{{{chosen}}})"),
            width=6,
            no_value="not watched",
        ),
        number(
            "Highest score",
            "Of all chosen signals; higher is stranger.",
            COUNT,
            Query(f"max({anomaly.ANOMALY_SCORE}{{{chosen}}})"),
            width=6,
            no_value="not watched",
        ),
        number(
            "Open incidents",
            "Groups of anomalies that belong together.",
            COUNT,
            Query(f"count({incidents}) or 0 * sum({anomaly.ANOMALY_ACTIVE})"),
            width=6,
            steps=((1, RED),),
            no_value="not watched",
        ),
    )
    board.add(
        states(
            "When",
            "Red while a signal was anomalous.",
            Query(f"max by ({by}) ({anomaly.ANOMALY_ACTIVE}{{{chosen}}})", legend),
            words=("as usual", "anomalous"),
        ),
        series(
            "Score",
            "How unusual each signal is; higher is stranger.",
            COUNT,
            [Query(f"max by ({by}) ({anomaly.ANOMALY_SCORE}{{{chosen}}})", legend)],
            width=24,
            links=[link_to("service", flavour, "Open the service", service=f"${{__field.labels.{SERVICE}}}")],
        ),
    )
    board.add(
        number(
            "Time to detect",
            "Mean from the first evidence of an incident to the alarm, in the chosen time.",
            "s",
            Query(_mean(anomaly.INCIDENT_TIME_TO_DETECT)),
            width=12,
            no_value="no incident",
        ),
        number(
            "Time to resolve",
            "Mean from the alarm to the end of the incident, in the chosen time.",
            "s",
            Query(_mean(anomaly.INCIDENT_TIME_TO_RESOLVE)),
            width=12,
            no_value="no incident",
        ),
    )
    for signal in anomaly.SIGNALS:
        select = f'{{{chosen},{SPAN}=~"$operation",{SIGNAL}="{signal}"}}'
        board.add(
            series(
                TITLES[signal],
                "What was seen, and the band in which it was expected. Choose one service and one operation.",
                UNITS[signal],
                [
                    Query(f"max({anomaly.ANOMALY_EXPECTED_LOWER}{select})", "expected, lower"),
                    Query(f"max({anomaly.ANOMALY_EXPECTED_UPPER}{select})", "expected, upper"),
                    Query(f"max({anomaly.ANOMALY_OBSERVED}{select})", "seen"),
                ],
                band=True,
            )
        )
    board.add(
        records(
            "Open incidents",
            "Empty when all is well.",
            [Column(f"max by ({', '.join(anomaly.INCIDENT_LABELS)}) ({incidents})", "Open")],
            [(label, label.replace("_", " ").capitalize()) for label in anomaly.INCIDENT_LABELS],
            width=12,
        ),
        records(
            "What differs",
            "Attribute values that occur more often in the spans of an incident than before it: where to look first.",
            [
                Column(
                    f"topk(20, max by ({', '.join(anomaly.SUSPECT_LABELS)}) ({anomaly.INCIDENT_SUSPECT_SHARE}))",
                    "Share",
                    RATIO,
                )
            ],
            [(label, label.capitalize()) for label in anomaly.SUSPECT_LABELS],
            width=12,
            sort="Share",
        ),
    )
    return board.build()


def _mean(histogram: str) -> str:
    total, number_of = (f"sum(increase({histogram}_{part}[$__range]))" for part in ("sum", "count"))
    return f"{total} / ({number_of} > 0)"
