"""Stat panels and tables."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

from dashboards.preview.frames import Data, Look, Row, Series, look_of

HIDDEN = ("Time", "__name__")


def stat(panel: Mapping[str, Any], data: Data, width: float, height: float) -> str:
    """The last value of each series, large, with its course behind it."""
    lasts = [(series, last) for series in data.series if (last := _last(series)) is not None]
    if not lasts:
        words = panel["fieldConfig"]["defaults"].get("noValue", "No data")
        return f'<div class="stat nothing" style="font-size:{height * 0.22:.0f}px">{escape(words)}</div>'
    parts = []
    for series, last in lasts:
        look = look_of(panel, series.name, series.ref)
        color = look.color(last)
        size = min(height * 0.42, width / max(len(look.text(last)), 4) * 1.5)
        text = f'<b style="color:{color};font-size:{size:.0f}px">{escape(look.text(last))}</b>'
        parts.append(f'<div class="stat">{_spark(series, color, width, height)}{text}</div>')
    return "".join(parts)


def _last(series: Series) -> float | None:
    return next((value for _, value in reversed(series.points) if not math.isnan(value)), None)


def _spark(series: Series, color: str, width: float, height: float) -> str:
    points = [(at_s, value) for at_s, value in series.points if math.isfinite(value)]
    if len(points) < 2:
        return ""
    low, high = min(0.0, *(value for _, value in points)), max(value for _, value in points)
    begin, end = points[0][0], points[-1][0]
    across, up = width / (end - begin), height * 0.5 / ((high - low) or 1)
    spots = " ".join(f"{(at_s - begin) * across:.1f},{height - (value - low) * up:.1f}" for at_s, value in points)
    return (
        f'<svg width="{width:.0f}" height="{height:.0f}"><polygon points="{spots} {width:.0f},{height:.0f} '
        f'0,{height:.0f}" fill="{color}" opacity="0.18"/>'
        f'<polyline points="{spots}" fill="none" stroke="{color}" opacity="0.7"/></svg>'
    )


Cells = dict[str, str | float]


def merged(rows: Sequence[Row], several: bool) -> list[Cells]:
    """Rows as the transformation ``merge`` leaves them: one for all queries with equal labels."""
    found: dict[tuple[tuple[str, str], ...], Cells] = {}
    for row in rows:
        labels = {name: value for name, value in row.labels.items() if name not in HIDDEN}
        cells = found.setdefault(tuple(sorted(labels.items())), dict(labels))
        cells[f"Value #{row.ref}" if several else "Value"] = row.value
    return list(found.values())


def organized(panel: Mapping[str, Any], rows: Sequence[Cells]) -> tuple[list[str], list[Cells]]:
    """Columns and rows as the transformation ``organize`` and the sorting of the panel leave them."""
    options: Mapping[str, Any] = next(
        (one["options"] for one in panel.get("transformations", []) if one["id"] == "organize"), {}
    )
    names, order = options.get("renameByName", {}), options.get("indexByName", {})
    hidden = {name for name, is_hidden in options.get("excludeByName", {}).items() if is_hidden}
    present = {name for row in rows for name in row} - hidden
    columns = sorted(present, key=lambda name: (order.get(name, len(order)), name))
    renamed = [{names.get(name, name): value for name, value in row.items() if name not in hidden} for row in rows]
    for sort in panel["options"].get("sortBy", []):
        renamed.sort(key=lambda row: _rank(row.get(sort["displayName"])), reverse=sort.get("desc", False))
    return [names.get(name, name) for name in columns], renamed


def _rank(value: str | float | None) -> tuple[float, str]:
    if isinstance(value, float):
        return (-math.inf if math.isnan(value) else value), ""
    return -math.inf, value or ""


def table(panel: Mapping[str, Any], data: Data) -> str:
    """Rows and columns, with units, colours and links."""
    columns, rows = organized(panel, merged(data.rows, len(panel["targets"]) > 1))
    looks = {name: look_of(panel, name) for name in columns}
    head = "".join(f"<th{_align(rows, name)}>{escape(name)}</th>" for name in columns)
    body = "".join(
        "<tr>" + "".join(_cell(looks[name], row.get(name), _align(rows, name)) for name in columns) + "</tr>"
        for row in rows
    )
    return f'<div class="table"><table><tr>{head}</tr>{body}</table></div>'


def _align(rows: Sequence[Cells], name: str) -> str:
    return ' class="number"' if any(isinstance(row.get(name), float) for row in rows) else ""


def _cell(look: Look, value: str | float | None, align: str) -> str:
    if value is None:
        return f"<td{align}></td>"
    text = escape(look.text(value) if isinstance(value, float) else value)
    cell = look.of("custom.cellOptions", {}).get("type", "auto")
    if isinstance(value, float) and cell == "color-text":
        text = f'<span style="color:{look.color(value)}">{text}</span>'
    elif isinstance(value, float) and cell == "color-background":
        text = f'<span class="chip" style="background:{look.color(value)}">{text}</span>'
    elif isinstance(value, float) and cell == "gauge":
        share = min(max(value / (look.of("max") or 1.0), 0.0), 1.0)
        text = f'<span class="bar" style="width:{share * 90:.0f}px;background:{look.color(value)}"></span>{text}'
    return f"<td{align}>{f'<a>{text}</a>' if look.of('links') else text}</td>"
