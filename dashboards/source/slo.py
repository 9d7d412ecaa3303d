"""SLO: what was promised, how much may still go wrong, and how fast it is going."""

from __future__ import annotations

from grafana_foundation_sdk.models.dashboard import Dashboard

from dashboards.source.board import Board
from dashboards.source.parts import (
    BUDGET_STEPS,
    BURN_STEPS,
    COUNT,
    GREEN,
    ORANGE,
    RATIO,
    RED,
    Column,
    Query,
    Steps,
    link_to,
    number,
    records,
    series,
    states,
)
from pipeline.promql.flavour import Flavour
from pipeline.promql.own import exposed
from pipeline.rules import slo_names as recorded
from processors.slo import names as slo

CHOSEN = f'{slo.SERVICE_NAME}=~"$service",{slo.SLO}=~"$slo"'
BY = f"{slo.SERVICE_NAME}, {slo.SLO}"
DAY_S = 86400
EMPTY_STEPS: Steps = ((DAY_S, ORANGE), (7 * DAY_S, GREEN))
LEGEND = f"{{{{{slo.SLO}}}}}"


def build(flavour: Flavour) -> Dashboard:
    """The dashboard."""
    board = Board(
        flavour, "slo", "SLO", "Objectives, error budgets, burn rates, and how long incidents took.", since="now-6h"
    )
    board.choose("service", "Service", f"label_values({slo.SLO_OBJECTIVE}, {slo.SERVICE_NAME})")
    board.choose("slo", "SLO", f'label_values({slo.SLO_OBJECTIVE}{{{slo.SERVICE_NAME}=~"$service"}}, {slo.SLO})')
    board.annotate("$service")
    remaining = f"min by ({BY}) ({slo.SLO_BUDGET_REMAINING}{{{CHOSEN}}})"
    burning = f"max by ({BY}, {slo.SEVERITY}) ({slo.SLO_BURNING}{{{CHOSEN}}})"
    incidents = exposed(slo.SLO_INCIDENTS)
    board.add(
        number(
            "SLOs",
            "Objectives that Weir watches.",
            COUNT,
            Query(f"count({slo.SLO_OBJECTIVE}{{{CHOSEN}}})"),
            no_value="no SLO",
        ),
        number(
            "Least budget",
            "Of the SLO that has the least left; below 0 the objective is missed.",
            RATIO,
            Query(f"min({remaining})"),
            steps=BUDGET_STEPS,
            no_value="no traffic",
        ),
        number(
            "Burning",
            "SLOs that burn their budget too fast by either alert.",
            COUNT,
            Query(f"sum({burning})"),
            steps=((1, RED),),
            no_value="no SLO",
        ),
        number(
            "Incidents",
            "Times that an SLO began to burn too fast, in the chosen time.",
            COUNT,
            Query(f"round(sum(increase({incidents}{{{CHOSEN}}}[$__range])))"),
            no_value="no SLO",
            decimals=0,
        ),
        number(
            "Time to detect",
            "Mean from the first bad minute to the alert, in the chosen time.",
            "s",
            Query(_mean(slo.SLO_DETECT_SECONDS)),
            no_value="no incident",
        ),
        number(
            "Time to resolve",
            "Mean from the alert to its end, in the chosen time.",
            "s",
            Query(_mean(slo.SLO_RESOLVE_SECONDS)),
            no_value="no incident",
        ),
    )
    board.add(
        records(
            "SLOs",
            "Budgets are weighted by traffic over the period. Burn rate 1 uses up the budget exactly at its end. "
            "Empty in: at the pace of the last hour; needs the recording rules.",
            [
                Column(f"max by ({BY}) ({slo.SLO_OBJECTIVE}{{{CHOSEN}}})", "Objective", RATIO, decimals=3),
                Column(f"max by ({BY}) ({_windowed(slo.SLO_ERROR_RATIO, '1h')})", "Errors, 1h", RATIO, decimals=3),
                Column(f"max by ({BY}) ({_windowed(slo.SLO_BURN_RATE, '1h')})", "Burn rate, 1h", COUNT, BURN_STEPS, 2),
                Column(f"max by ({BY}) ({_windowed(slo.SLO_BURN_RATE, '6h')})", "Burn rate, 6h", COUNT, BURN_STEPS, 2),
                Column(f"max by ({BY}) ({_windowed(slo.SLO_BURN_RATE, '3d')})", "Burn rate, 3d", COUNT, BURN_STEPS, 2),
                Column(remaining, "Budget left", RATIO, BUDGET_STEPS, 1),
                Column(_empty_in(remaining), "Empty in", "s", EMPTY_STEPS),
            ],
            [(slo.SLO, "SLO"), (slo.SERVICE_NAME, "Service")],
            links=[link_to("service", flavour, "Open the service", service="${__data.fields.Service}")],
            sort="Burn rate, 1h",
            height=7,
        )
    )
    board.add(
        series(
            "Budget left",
            "Share of the period's error budget. What is overdrawn by more than once the budget is below the panel.",
            RATIO,
            [Query(remaining, LEGEND)],
            width=12,
            steps=((0.0, RED),),
            minimum=-1,
            maximum=1,
        ),
        states(
            "Burning too fast",
            "Red while both windows of an alert are above its burn rate.",
            Query(burning, f"{LEGEND} {{{{{slo.SEVERITY}}}}}"),
            width=12,
            words=("within budget", "burning"),
        ),
    )
    for window, factor, text in (("1h", 14.4, "pages"), ("6h", 6.0, "pages"), ("3d", 1.0, "opens a ticket")):
        board.add(
            series(
                f"Burn rate, {window}",
                f"Above {factor:g} it {text}, if the short window agrees (Site Reliability Workbook, chapter 5).",
                COUNT,
                [Query(f"max by ({BY}) ({_windowed(slo.SLO_BURN_RATE, window)})", LEGEND)],
                steps=((factor, RED),),
            )
        )
    board.row(
        "From the recording rules",
        collapsed=[
            series(
                "Errors, 5m",
                "Recorded by the rules of weir rules generate; names as Sloth has them.",
                RATIO,
                [Query(f"max by ({BY}) ({recorded.error_ratio('5m')}{{{CHOSEN}}})", LEGEND)],
                width=12,
            ),
            series(
                "Budget left, recorded",
                "Over the period, weighted by traffic.",
                RATIO,
                [Query(f"min by ({BY}) ({recorded.BUDGET_REMAINING}{{{CHOSEN}}})", LEGEND)],
                width=12,
                minimum=-1,
                maximum=1,
            ),
        ],
    )
    return board.build()


def _windowed(metric: str, window: str) -> str:
    return f'{metric}{{{CHOSEN},{slo.WINDOW}="{window}"}}'


def _empty_in(remaining: str) -> str:
    """Seconds until the budget is used up if errors go on as in the last hour; 0 where it is."""
    period_s = f"{DAY_S} * max by ({BY}) ({recorded.PERIOD_DAYS}{{{CHOSEN}}})"
    burn_rate = f"max by ({BY}) ({_windowed(slo.SLO_BURN_RATE, '1h')})"
    return f"clamp_min({remaining}, 0) * {period_s} / ({burn_rate} > 0)"


def _mean(seconds: str) -> str:
    """Of counters, so as ratio of increases; 0/0 is a gap."""
    total, number_of = (
        f"sum(increase({exposed(name)}{{{CHOSEN}}}[$__range]))" for name in (seconds, slo.SLO_INCIDENTS)
    )
    return f"{total} / ({number_of} > 0)"
