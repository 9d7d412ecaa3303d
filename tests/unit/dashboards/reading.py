"""Compiled dashboards as a reader of JSON sees them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from dashboards.build import COMPILED, FLAVOURS

EDITIONS = [flavour.id for flavour in FLAVOURS]
FLAVOUR_OF = {flavour.id: flavour for flavour in FLAVOURS}
SLUGS = ("anomalies", "fleet", "map", "self", "service", "slo")
EVERY = [(edition, slug) for edition in EDITIONS for slug in SLUGS]

VARIABLES = {
    "$__rate_interval": "4m17s",
    "$__range": "1h17m",
    "$service": ".+",
    "$closeup": "frontend",
    "$operation": "GET /",
    "$node": ".+",
    "$slo": ".+",
    "$instance": ".+",
}
"""Values by which an expression can be parsed; by the odd durations a rule can tell what was meant."""


@dataclass(frozen=True)
class Expression:
    """A query of a dashboard, and where it stands."""

    place: str
    text: str
    range: bool = False


def load(edition: str, slug: str) -> dict[str, Any]:
    dashboard: dict[str, Any] = json.loads((COMPILED / edition / f"{slug}.json").read_text())
    return dashboard


def panels(dashboard: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """All panels but rows, those in closed rows too."""
    for panel in dashboard["panels"]:
        if panel["type"] == "row":
            yield from panel.get("panels", ())
        else:
            yield panel


def expressions(dashboard: dict[str, Any]) -> Iterator[Expression]:
    """Expressions of panels, annotations and variables; of label_values the selector, of query_result what is in it."""
    for panel in panels(dashboard):
        for target in panel["targets"]:
            yield Expression(f"{panel['title']} {target['refId']}", target["expr"], not target.get("instant"))
    for annotation in dashboard["annotations"]["list"]:
        yield Expression(annotation["name"], annotation["expr"])
    for variable in dashboard["templating"]["list"]:
        if variable["type"] == "query" and variable["query"].startswith("query_result("):
            yield Expression(variable["name"], variable["query"].removeprefix("query_result(").removesuffix(")"))
        elif variable["type"] == "query":
            selector, _, label = variable["query"].removeprefix("label_values(").removesuffix(")").rpartition(", ")
            yield Expression(variable["name"], f"group by ({label}) ({selector})")


def substitute(text: str, values: dict[str, str] = VARIABLES) -> str:
    """Grafana's interpolation. ``$1`` of label_replace is no variable."""
    for name in sorted(values, key=len, reverse=True):
        text = text.replace(name, values[name])
    return text
