"""Node graphs in layers from left to right, as Grafana's layered layout draws them."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

from dashboards.preview.frames import Data, Row, color_of, look_of

RADIUS = 34.0
EDGE = "#6e7681"
ARROW = (
    '<defs><marker id="arrow" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" markerHeight="7" orient="auto">'
    '<path d="M0 0 L8 4 L0 8 z" fill="context-stroke"/></marker></defs>'
)


def draw(panel: Mapping[str, Any], data: Data, width: float, height: float) -> str:
    """Circles with the value in them and the title below; arrows with their value in the middle."""
    look = look_of(panel)
    edges = [row for row in data.rows if row.ref == "edges"]
    nodes = {row.labels["id"]: row for row in data.rows if row.ref == "nodes"}
    places = _places(list(nodes), edges, width, height)
    parts = [ARROW]
    parts += [_edge(edge, places, look.text(edge.value)) for edge in edges if _ends(edge) <= places.keys()]
    for name, row in nodes.items():
        x, y = places[name]
        color = color_of(row.labels.get("color", "blue"))
        value = look.text(row.value)
        subtitle = row.labels.get("subtitle", "")
        second = (
            f'<text x="{x:.0f}" y="{y + RADIUS + 30:.0f}" fill="#9fa7b3" text-anchor="middle">{escape(subtitle)}</text>'
        )
        parts.append(
            f'<circle cx="{x:.0f}" cy="{y:.0f}" r="{RADIUS}" fill="#181b1f" stroke="{color}" stroke-width="5"/>'
            f'<text x="{x:.0f}" y="{y + 4:.0f}" text-anchor="middle" fill="#fff">{escape(value)}</text>'
            f'<text x="{x:.0f}" y="{y + RADIUS + 16:.0f}" text-anchor="middle" fill="#ccccdc" font-weight="600">'
            f"{escape(row.labels.get('title', name))}</text>{second}"
        )
    return f'<svg width="{width:.0f}" height="{height:.0f}">{"".join(parts)}</svg>'


def _ends(edge: Row) -> set[str]:
    return {edge.labels["source"], edge.labels["target"]}


def _places(names: Sequence[str], edges: Sequence[Row], width: float, height: float) -> dict[str, tuple[float, float]]:
    """A layer is the longest way from a node that nobody calls; circles of calls end the search."""
    layer = dict.fromkeys(names, 0)
    for _ in names:
        for edge in edges:
            source, target = edge.labels["source"], edge.labels["target"]
            if source in layer and target in layer and source != target:
                layer[target] = max(layer[target], min(layer[source] + 1, len(names) - 1))
    used = sorted(set(layer.values()))
    places = {}
    for column, number in enumerate(used):
        members = sorted(name for name in names if layer[name] == number)
        for place, name in enumerate(members):
            x = RADIUS + 30 + column * (width - 2 * RADIUS - 60) / max(len(used) - 1, 1)
            # Every other layer is moved a little, so that edges over a layer do not run through its nodes.
            y = height * (place + 1) / (len(members) + 1) - 18 + (26 if column % 2 else -14)
            places[name] = (x, y)
    return places


def _edge(edge: Row, places: Mapping[str, tuple[float, float]], text: str) -> str:
    (x1, y1), (x2, y2) = places[edge.labels["source"]], places[edge.labels["target"]]
    length = math.hypot(x2 - x1, y2 - y1) or 1.0
    dx, dy = (x2 - x1) / length * (RADIUS + 5), (y2 - y1) / length * (RADIUS + 5)
    color = color_of(edge.labels.get("color", EDGE))
    along = 0.42
    return (
        f'<line x1="{x1 + dx:.0f}" y1="{y1 + dy:.0f}" x2="{x2 - dx:.0f}" y2="{y2 - dy:.0f}" stroke="{color}" '
        f'stroke-width="1.5" marker-end="url(#arrow)"/>'
        f'<text x="{x1 + (x2 - x1) * along:.0f}" y="{y1 + (y2 - y1) * along - 5:.0f}" text-anchor="middle" '
        f'class="edge">{escape(text)}</text>'
    )
