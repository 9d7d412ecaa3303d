"""Recordings and alerts of one SLO, in Sloth's names and shape.

A burn alert fires while a long and a short window both burn faster than their factor (``processors/slo/burn.py``). The
period's ratio divides sums of rates, so it is weighted by traffic.
"""

from __future__ import annotations

from collections.abc import Iterator

from pipeline.promql.flavour import Flavour
from pipeline.promql.red import Red
from pipeline.rules import slo_names as names
from pipeline.rules.rule import PAGE, TICKET, Alert, Links, Recording, Rule
from processors.slo.burn import WINDOWS_S, burns
from processors.slo.config import WINDOW, Objective
from processors.slo.names import SERVICE_NAME, SLO

ALERTS = {PAGE: "SLOErrorBudgetBurnFast", TICKET: "SLOErrorBudgetBurnSlow"}


class ObjectiveRules:
    """Rules of one objective under one flavour."""

    def __init__(self, objective: Objective, flavour: Flavour, links: Links) -> None:
        self._objective = objective
        self._flavour = flavour
        self._links = links
        self.id = f"{objective.service}-{objective.name}"
        self._labels = {
            SLO: objective.name,
            SERVICE_NAME: objective.service,
            names.SLOTH_ID: self.id,
            names.SLOTH_SERVICE: objective.service,
            names.SLOTH_SLO: objective.name,
        }
        self._select = f'{{{names.SLOTH_ID}="{_quoted(self.id)}"}}'
        self._on = f"on ({', '.join(self._labels)})"

    def recordings(self) -> Iterator[Rule]:
        """Ratios per window, rates, budget."""
        period = f"{self._objective.period}d"
        for window in WINDOWS_S:
            yield self._record(names.error_ratio(window), _error_ratio(self._objective, self._flavour, window), window)
        total, errors = rates(self._objective, self._flavour, "5m")
        yield self._record(names.ERROR_RATE, errors)
        yield self._record(names.TOTAL_RATE, total)
        sums = [f"sum_over_time({rate}{self._select}[{period}])" for rate in (names.ERROR_RATE, names.TOTAL_RATE)]
        yield self._record(names.error_ratio(period), f"{sums[0]} / ({sums[1]} > 0)", period)
        yield self._record(names.OBJECTIVE, f"vector({self._objective.target!r})")
        yield self._record(names.ERROR_BUDGET, f"vector({self._objective.budget!r})")
        yield self._record(names.PERIOD_DAYS, f"vector({self._objective.period})")
        yield self._record(names.CURRENT_BURN_RATE, self._per_budget("5m"))
        yield self._record(names.PERIOD_BURN_RATE, self._per_budget(period))
        yield self._record(names.BUDGET_REMAINING, f"1 - {names.PERIOD_BURN_RATE}{self._select}")
        info = {"sloth_mode": "weir", "sloth_spec": "weir/v1", "sloth_objective": f"{self._objective.objective:g}"}
        yield Recording(names.INFO, "vector(1)", {**self._labels, **info})

    def alerts(self) -> Iterator[Rule]:
        """Fast burn, slow burn, nothing left, nothing to see."""
        objective, severities = self._objective, {PAGE: self._objective.page, TICKET: self._objective.ticket}
        about = objective.description or f"{objective.objective:g} % over {objective.period} days"
        page = self._links.dashboard("slo", slo=objective.name)
        for severity in (severity for severity, wanted in severities.items() if wanted):
            yield Alert(
                ALERTS[severity],
                "\nor\n".join(self._burning(severity)),
                severity,
                f"{objective.name}: the error budget burns too {'fast' if severity == PAGE else 'long'}",
                f"{about}. {{{{ $value | humanizePercentage }}}} of the events in the short window were bad.",
                page,
                labels=self._labels,
            )
        if not objective.ticket:
            return
        yield Alert(
            "SLOErrorBudgetExhausted",
            f"{names.BUDGET_REMAINING}{self._select} < 0",
            TICKET,
            f"{objective.name}: the error budget is used up",
            f"{about}. Left: {{{{ $value | humanizePercentage }}}}.",
            page,
            for_="10m",
            labels=self._labels,
        )
        yield Alert(
            "SLOIndicatorMissing",
            f"absent({names.TOTAL_RATE}{self._select})",
            TICKET,
            f"{objective.name}: there is nothing to measure",
            f"{about}. No event has been seen for 30 minutes: no traffic, or no metrics.",
            page,
            for_="30m",
            labels=self._labels,
        )

    def _record(self, name: str, expr: str, window: str = "") -> Recording:
        return Recording(name, expr, {**self._labels, **({names.SLOTH_WINDOW: window} if window else {})})

    def _per_budget(self, window: str) -> str:
        return f"{names.error_ratio(window)}{self._select} / {self._on} group_left {names.ERROR_BUDGET}{self._select}"

    def _burning(self, severity: str) -> Iterator[str]:
        budget = self._objective.budget
        for burn in burns(self._objective.period):
            if burn.severity == severity:
                limit = f"({burn.factor!r} * {budget!r})"
                short, long = (
                    f"max without ({names.SLOTH_WINDOW}) ({names.error_ratio(window)}{self._select} > {limit})"
                    for window in (burn.short, burn.long)
                )
                yield f"({short} and {long})"


def rates(objective: Objective, flavour: Flavour, window: str) -> tuple[str, str]:
    """All events and bad events per second."""
    if objective.queries is not None:
        given = (objective.queries.total, objective.queries.errors)
        total, errors = (f"sum({query.replace(WINDOW, f'[{window}]')})" for query in given)
        return total, f"({errors} or 0 * {total})"
    red = _red(objective, flavour, window)
    if objective.latency is None:
        return red.rate(), red.errors()
    return red.rate(), f"{red.rate()} * (1 - {red.within(objective.latency)})"


def _error_ratio(objective: Objective, flavour: Flavour, window: str) -> str:
    if objective.queries is not None:
        total, errors = rates(objective, flavour, window)
        return f"{errors} / ({total} > 0)"
    red = _red(objective, flavour, window)
    return red.error_ratio() if objective.latency is None else f"1 - {red.within(objective.latency)}"


def _red(objective: Objective, flavour: Flavour, window: str) -> Red:
    select = [f'{flavour.service}="{_quoted(objective.service)}"']
    if objective.operation:
        select.append(f'{flavour.span_name}="{_quoted(objective.operation)}"')
    return Red(flavour, window, select, [f"SPAN_KIND_{kind.upper()}" for kind in objective.span_kinds])


def _quoted(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"')
