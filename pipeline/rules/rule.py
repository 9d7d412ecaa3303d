"""What a rule file is made of."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

PAGE, TICKET, INFO, NONE = "page", "ticket", "info", "none"


@dataclass(frozen=True)
class Links:
    """Where annotations lead.

    Attributes:
        runbooks: Beginning of the address of a runbook page.
        grafana: Beginning of Grafana's address; empty: relative links.
        edition: ``Flavour.id``, which is in the dashboards' uids.
    """

    runbooks: str = "docs/runbooks"
    grafana: str = ""
    edition: str = "otelcol-classic"

    def runbook(self, alert: str) -> str:
        """The page about an alert."""
        return f"{self.runbooks}/{alert}.md"

    def dashboard(self, slug: str, **variables: str) -> str:
        """A dashboard with variables chosen."""
        query = "&".join(f"var-{name}={value}" for name, value in variables.items())
        return f"{self.grafana}/d/weir-{slug}-{self.edition}{'?' if query else ''}{query}"


@dataclass(frozen=True)
class Recording:
    """A recording rule."""

    record: str
    expr: str
    labels: Mapping[str, str] = field(default_factory=dict)

    def plain(self) -> dict[str, Any]:
        """As it stands in the file."""
        return {"record": self.record, "expr": self.expr, **({"labels": dict(self.labels)} if self.labels else {})}


@dataclass(frozen=True)
class Alert:
    """An alerting rule. None can be without severity, summary, description, runbook and dashboard."""

    alert: str
    expr: str
    severity: str
    summary: str
    description: str
    dashboard: str
    for_: str = ""
    labels: Mapping[str, str] = field(default_factory=dict)

    def plain(self, links: Links) -> dict[str, Any]:
        """As it stands in the file."""
        return {
            "alert": self.alert,
            "expr": self.expr,
            **({"for": self.for_} if self.for_ else {}),
            "labels": {"severity": self.severity, **self.labels},
            "annotations": {
                "summary": self.summary,
                "description": self.description,
                "runbook_url": links.runbook(self.alert),
                "dashboard_url": self.dashboard,
            },
        }


Rule = Recording | Alert


def group(name: str, rules: Sequence[Rule], links: Links, interval: str = "30s") -> dict[str, Any]:
    """A group as it stands in the file."""
    plain = [rule.plain(links) if isinstance(rule, Alert) else rule.plain() for rule in rules]
    return {"name": name, "interval": interval, "rules": plain}
