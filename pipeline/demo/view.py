"""The live table for a terminal, and lines for everything else."""

from __future__ import annotations

from collections.abc import Iterable

from rich import box
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from pipeline.demo.history import EdgeRow, History, ServiceRow
from pipeline.demo.scrape import Incident

BARS = "▁▂▃▄▅▆▇█"
NOTABLE_ERROR_RATIO = 0.05
FRAME_LINES = 11
"""Lines of the display that are neither services nor edges nor incidents."""
MAX_INCIDENTS = 3


def sparkline(values: Iterable[float]) -> str:
    """Draw values as bars from zero to their maximum."""
    heights = list(values)
    top = max(heights, default=0.0) or 1.0
    return "".join(BARS[round(max(value, 0.0) / top * (len(BARS) - 1))] for value in heights)


def duration(seconds: float | None) -> str:
    """Write a duration with about three digits."""
    if seconds is None:
        return "–"
    if seconds < 1.0:
        return f"{seconds * 1e3:.3g} ms"
    return f"{seconds:.3g} s"


def tables(history: History, headline: str, height: int) -> RenderableType:
    """Return what a terminal of ``height`` lines shows now; the quietest edges are left out where they do not fit."""
    services = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    services.add_column("service", style="bold")
    for heading in ("spans/s", "errors", "p50", "p95", "p99"):
        services.add_column(heading, justify="right")
    services.add_column("last 30 s", min_width=30)
    rows = history.services()
    for row in rows:
        services.add_row(
            row.name, f"{row.rate:.1f}", _ratio(row.error_ratio), *map(duration, row.quantiles), sparkline(row.trend)
        )

    edges = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    edges.add_column("client → server", style="bold")
    for heading in ("calls/s", "errors", "p50", "p95"):
        edges.add_column(heading, justify="right")
    incidents = _incidents(history)
    found = history.edges()
    fitting = max(height - len(rows) - len(incidents) - FRAME_LINES, 1)
    shown = sorted(found, key=lambda edge: -edge.rate)[:fitting]
    for edge in (edge for edge in found if edge in shown):
        edges.add_row(_arrow(edge), f"{edge.rate:.1f}", _ratio(edge.error_ratio), *map(duration, edge.quantiles))
    hidden = [Text(f"and {len(found) - fitting} quieter edges")] if len(found) > fitting else []
    told = [Text(_incident_line(one), style="bold red" if one.active else "") for one in incidents]
    return Group(Text(headline), *told, services, edges, *hidden)


def lines(history: History, headline: str) -> list[str]:
    """Return the same as plain lines."""
    rows = (*map(_service_line, history.services()), *map(_edge_line, history.edges()))
    return [headline, *(f"  {_incident_line(one)}" for one in _incidents(history)), *rows]


def _incidents(history: History) -> list[Incident]:
    """The newest ones."""
    return sorted(history.latest.incidents.values(), key=lambda one: one.id, reverse=True)[:MAX_INCIDENTS]


def _incident_line(one: Incident) -> str:
    state = "INCIDENT" if one.active else "incident, over"
    suspects = f", bad spans have {', '.join(sorted(one.suspects))}" if one.suspects else ""
    return f"{state} {one.id}: {one.root} is the likeliest cause{suspects}"


def _service_line(row: ServiceRow) -> str:
    p50, p95, p99 = map(duration, row.quantiles)
    return f"  {row.name:<16} {row.rate:7.1f} spans/s  errors {row.error_ratio:6.2%}  p50 {p50}  p95 {p95}  p99 {p99}"


def _edge_line(row: EdgeRow) -> str:
    p50, p95 = map(duration, row.quantiles)
    return f"  {_arrow(row):<40} {row.rate:7.1f} calls/s  errors {row.error_ratio:6.2%}  p50 {p50}  p95 {p95}"


def _arrow(row: EdgeRow) -> str:
    kind = row.connection_type.removesuffix("_system").replace("_", " ")
    return f"{row.client} → {row.server}" + (f" ({kind})" if kind else "")


def _ratio(value: float) -> Text:
    return Text(f"{value:.2%}", style="red" if value >= NOTABLE_ERROR_RATIO else "")
