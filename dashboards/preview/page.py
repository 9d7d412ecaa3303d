"""One HTML page with all dashboards: no script, nothing from elsewhere."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from html import escape
from typing import Any

from dashboards.preview import areas, lines, node_graph, numbers
from dashboards.preview.asking import Answered, interpolated
from dashboards.preview.frames import Data, color_of

WIDTH = 1600
"""Of a dashboard, in pixels."""
UNIT_HEIGHT = 36
"""Of a row of the grid."""
MARGIN, TITLE, PADDING = 6, 26, 8
STYLE = """
body{background:#111217;color:#ccccdc;font:12px/1.45 Inter,"Helvetica Neue",Arial,"DejaVu Sans",sans-serif;margin:0}
section{width:1600px;padding:12px 16px 24px;box-sizing:content-box}
h1{font-size:19px;font-weight:500;margin:4px 0}
.bar-top{color:#9fa7b3;margin-bottom:8px}.bar-top b{color:#fff;font-weight:500;background:#22252b;border-radius:3px;
padding:2px 8px;margin:0 12px 0 4px}
.panel{background:#181b1f;border:1px solid #24272e;border-radius:3px;position:absolute;box-sizing:border-box;
overflow:hidden}
.panel h2{font-size:13px;font-weight:500;margin:0;padding:5px 8px 0;height:21px;white-space:nowrap;overflow:hidden;
text-overflow:ellipsis}
.panel h2 small{color:#6e7681;font-weight:400;margin-left:8px;font-size:11px}
.row{position:absolute;font-size:14px;color:#ccccdc;padding:8px 4px;font-weight:500}
.grid{position:relative}.body{padding:0 8px 8px}
svg{display:block}svg text{font-size:11px}.edge{fill:#c8ced6;paint-order:stroke;stroke:#181b1f;stroke-width:4px}
.exemplar{fill:#5794F2;stroke:#181b1f;stroke-width:.6}
.legend{line-height:17px;max-height:68px;overflow:hidden;padding-left:6px}
.legend span{margin-right:14px;white-space:nowrap;display:inline-block}
.legend i{display:inline-block;width:14px;height:4px;border-radius:2px;margin-right:6px;vertical-align:middle}
.beside{display:flex}.beside>div{flex:1;overflow:hidden;height:250px}.beside td,.beside th{padding:1px 6px;border:0}
.beside i{display:inline-block;width:14px;height:4px;border-radius:2px;margin-right:6px;vertical-align:middle}
.stat{position:relative;height:100%}.stat svg{position:absolute;left:0;bottom:0}
.stat b{position:absolute;left:0;right:0;top:26%;text-align:center;font-weight:500;line-height:1.1}
.nothing{color:#9fa7b3;text-align:center;padding-top:8%}
.empty{display:flex;height:100%;align-items:center;justify-content:center;color:#9fa7b3;font-size:15px}
.error{color:#F2495C;padding:4px;white-space:pre-wrap}
table{border-collapse:collapse;width:100%}th{text-align:left;color:#6e9fff;font-weight:500}
th,td{padding:4px 8px;border-bottom:1px solid #24272e;white-space:nowrap}.number{text-align:right}
td a{color:#6e9fff}.chip{color:#111217;padding:1px 8px;border-radius:2px;font-weight:600}
.bar{display:inline-block;height:10px;margin-right:8px;border-radius:1px;vertical-align:middle}
.table{overflow:hidden;height:100%}
.keys span{margin-right:14px}.keys i{display:inline-block;width:9px;height:9px;border-radius:2px;margin-right:5px}
"""


def page(answered: Sequence[Answered]) -> str:
    """The page."""
    sections = "".join(section(one) for one in answered)
    return (
        f'<!doctype html><html lang="en"><meta charset="utf-8"><title>Weir: dashboards</title>{head()}{sections}</html>'
    )


def head() -> str:
    """How all of it looks."""
    return f"<style>{STYLE}</style>"


def section(answered: Answered) -> str:
    """One dashboard."""
    dashboard = answered.dashboard
    begin, end = (datetime.fromtimestamp(at_s, UTC).strftime("%H:%M") for at_s in (answered.begin_s, answered.end_s))
    chosen = "".join(f"{escape(label)} <b>{escape(text)}</b>" for label, text in answered.chosen.items())
    panels, height = _placed(answered)
    seen = {one.name: one.color for one in answered.annotations}
    keys = "".join(f'<span><i style="background:{color_of(c)}"></i>{escape(name)}</span>' for name, c in seen.items())
    return (
        f'<section id="{escape(dashboard["uid"])}"><h1>{escape(dashboard["title"])}</h1>'
        f'<div class="bar-top">{chosen}{begin} – {end} UTC &nbsp; <span class="keys">{keys}</span></div>'
        f'<div class="grid" style="height:{height}px">{panels}</div></section>'
    )


def section_height(answered: Answered) -> int:
    """Pixels that a section needs."""
    return _placed(answered)[1] + 110


def _placed(answered: Answered) -> tuple[str, int]:
    """Panels at their places, closed rows opened, and the height of all."""
    parts, shift, bottom = [], 0, 0
    for panel in answered.dashboard["panels"]:
        place = panel["gridPos"]
        if panel["type"] == "row":
            top = (place["y"] + shift) * UNIT_HEIGHT
            closed = " (closed at first)" if panel.get("panels") else ""
            parts.append(
                f'<div class="row" style="top:{top}px">⌄ {escape(_named(panel["title"], answered))}{closed}</div>'
            )
            bottom = max(bottom, top + UNIT_HEIGHT)
            members = panel.get("panels", [])
            if members:
                first = min(member["gridPos"]["y"] for member in members)
                offset = place["y"] + 1 - first
                shift += max(m["gridPos"]["y"] + m["gridPos"]["h"] for m in members) - first
        else:
            members, offset = [panel], shift
        for member in members:
            moved = member["gridPos"]["y"] + (offset if panel["type"] == "row" else shift)
            data = answered.data[member["id"]]
            parts.append(_panel(answered, member, data, moved * UNIT_HEIGHT))
            bottom = max(bottom, (moved + member["gridPos"]["h"]) * UNIT_HEIGHT)
    return "".join(parts), bottom


def _named(title: str, answered: Answered) -> str:
    """A title with the values of its variables."""
    return interpolated(title, answered.values)


def _panel(answered: Answered, panel: Mapping[str, Any], data: Data, top: int) -> str:
    place = panel["gridPos"]
    width, height = place["w"] / 24 * WIDTH - MARGIN, place["h"] * UNIT_HEIGHT - MARGIN
    inner_width, inner_height = width - 2 * PADDING - 2, height - TITLE - PADDING
    body = _body(answered, panel, data, inner_width, inner_height)
    style = f"left:{place['x'] / 24 * WIDTH:.0f}px;top:{top}px;width:{width:.0f}px;height:{height:.0f}px"
    return (
        f'<div class="panel" style="{style}"><h2>{escape(panel["title"])}'
        f"<small>{escape(panel.get('description', ''))}</small></h2>"
        f'<div class="body" style="height:{inner_height:.0f}px">{body}</div></div>'
    )


def _body(answered: Answered, panel: Mapping[str, Any], data: Data, width: float, height: float) -> str:
    errors = "".join(f'<div class="error">{escape(text)}</div>' for text in data.errors)
    if errors:
        return errors
    kind = panel["type"]
    if kind == "stat":
        return numbers.stat(panel, data, width, height)
    if data.is_empty:
        words = panel["fieldConfig"]["defaults"].get("noValue", "No data")
        return f'<div class="empty">{escape(words)}</div>'
    begin_s, end_s = answered.begin_s, answered.end_s
    if kind == "timeseries":
        return lines.draw(panel, data, answered.annotations, begin_s, end_s, width, height)
    if kind == "table":
        return numbers.table(panel, data)
    if kind == "state-timeline":
        return areas.states(panel, data, begin_s, end_s, width, height - lines.LEGEND_ROW)
    if kind == "heatmap":
        return areas.heat(panel, data, begin_s, end_s, width, height)
    if kind == "nodeGraph":
        return node_graph.draw(panel, data, width, height)
    raise ValueError(f"a panel of type {kind} has no drawing here")
