"""Lines over time as SVG: axes, thresholds, bands, exemplars, annotations, and a legend below."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from html import escape
from typing import Any

from dashboards.preview.asking import Annotation
from dashboards.preview.frames import Data, Look, Point, Series, color_of, look_of
from dashboards.preview.units import text_of, ticks

PALETTE = (
    "#73BF69",
    "#F2CC0C",
    "#8AB8FF",
    "#FF780A",
    "#F2495C",
    "#5794F2",
    "#B877D9",
    "#705DA0",
    "#37872D",
    "#FADE2A",
    "#447EBC",
    "#C15C17",
)
"""By position of the series, as "palette-classic" does."""
GRID, TEXT = "#2c2f36", "#9fa7b3"
LEFT, RIGHT, TOP, BOTTOM = 62, 10, 8, 20
LEGEND_ROW, LEGEND_ROWS = 17, 4
CHARACTER = 6.4
"""Width of a letter of the legend, in pixels, on average."""
HALF_TIME = 16
"""Half the width of the text of a time."""
BESIDE = 0.42
"""Share of the width for a legend at the right."""
ROOM_ABOVE = 1.05
GAP_STEPS = 1.5


@dataclass(frozen=True)
class Frame:
    """Where times and values are on the paper."""

    width: float
    height: float
    begin_s: float
    end_s: float
    low: float
    high: float

    def x(self, at_s: float) -> float:
        """Pixels from the left."""
        return LEFT + (at_s - self.begin_s) / (self.end_s - self.begin_s) * (self.width - LEFT - RIGHT)

    def y(self, value: float) -> float:
        """Pixels from the top; what is outside stays at the edge."""
        share = (min(max(value, self.low), self.high) - self.low) / ((self.high - self.low) or 1.0)
        return self.height - BOTTOM - share * (self.height - TOP - BOTTOM)


@dataclass(frozen=True)
class Line:
    """A series with its look and colour, stacked where the panel stacks."""

    series: Series
    look: Look
    color: str
    points: tuple[Point, ...]


def draw(
    panel: Mapping[str, Any],
    data: Data,
    annotations: Sequence[Annotation],
    begin_s: float,
    end_s: float,
    width: float,
    height: float,
) -> str:
    """The body of a time series panel."""
    lines = lines_of(panel, data)
    options = panel["options"].get("legend", {})
    beside = options.get("placement") == "right"
    legend_height = LEGEND_ROW * min(legend_rows(lines, width), LEGEND_ROWS) + 4
    defaults = look_of(panel)
    low, high = limits(defaults, lines)
    if beside:
        frame = Frame(width * (1 - BESIDE), height, begin_s, end_s, low, high)
    else:
        frame = Frame(width, height - legend_height, begin_s, end_s, low, high)
    unit, decimals = defaults.of("unit", "short"), defaults.of("decimals")
    parts = [value_axis(frame, unit, decimals), time_axis(frame)]
    parts += [_annotation(frame, one) for one in annotations]
    parts += _thresholds(frame, defaults)
    parts += _bands(frame, lines)
    parts += [_path(frame, line, data.step_s) for line in lines]
    for at_s, value in data.exemplars:
        if value <= high and begin_s <= at_s <= end_s:
            parts.append(
                f'<rect class="exemplar" x="{frame.x(at_s) - 2.5:.1f}" y="{frame.y(value) - 2.5:.1f}" width="5" '
                f'height="5" transform="rotate(45 {frame.x(at_s):.1f} {frame.y(value):.1f})"/>'
            )
    if beside:
        return f'<div class="beside">{svg(frame, parts)}{legend_table(lines, options)}</div>'
    return f"{svg(frame, parts)}{legend(lines)}"


def svg(frame: Frame, parts: Sequence[str]) -> str:
    """The paper around what was drawn."""
    size = f'width="{frame.width:.0f}" height="{frame.height:.0f}"'
    return f'<svg {size} viewBox="0 0 {frame.width:.0f} {frame.height:.0f}">{"".join(parts)}</svg>'


def lines_of(panel: Mapping[str, Any], data: Data) -> list[Line]:
    """Series in the order of their queries, with colours; stacked on each other if the panel says so."""
    stacked = look_of(panel).of("custom.stacking", {}).get("mode", "none") == "normal"
    below: dict[float, float] = {}
    lines = []
    for index, series in enumerate(data.series):
        look = look_of(panel, series.name, series.ref)
        fixed = look.of("color", {}).get("fixedColor")
        points = tuple((at_s, value) for at_s, value in series.points if not math.isnan(value))
        if stacked:
            points = tuple((at_s, below.get(at_s, 0.0) + value) for at_s, value in points)
            below |= dict(points)
        lines.append(Line(series, look, color_of(fixed) if fixed else PALETTE[index % len(PALETTE)], points))
    return lines


def limits(look: Look, lines: Sequence[Line]) -> tuple[float, float]:
    """The ends of the axis of values: of the data, widened to what the panel demands."""
    values = [value for line in lines for _, value in line.points if math.isfinite(value)]
    low = min(values, default=0.0)
    high = max(values, default=1.0)
    if look.of("min") is not None:
        low = look.of("min")
    if look.of("custom.axisSoftMax") is not None:
        high = max(high, look.of("custom.axisSoftMax"))
    high = low + (high - low) * ROOM_ABOVE if high > low else low + (abs(low) or 1.0)
    if look.of("max") is not None:
        high = look.of("max")
    return float(low), float(high)


def value_axis(frame: Frame, unit: str, decimals: int | None) -> str:
    """Lines and texts at round values."""
    parts = []
    scale = 1.0 if unit != "percentunit" else 100.0
    for value in ticks(frame.low * scale, frame.high * scale, unit, max(2, round(frame.height / 45))):
        y = frame.y(value / scale)
        parts.append(f'<line x1="{LEFT}" x2="{frame.width - RIGHT}" y1="{y:.1f}" y2="{y:.1f}" stroke="{GRID}"/>')
        text = escape(text_of(value / scale, unit, decimals))
        parts.append(f'<text x="{LEFT - 6}" y="{y + 4:.1f}" text-anchor="end" fill="{TEXT}">{text}</text>')
    return "".join(parts)


def time_axis(frame: Frame) -> str:
    """Lines and texts at round times, UTC."""
    wanted = max(2, round((frame.width - LEFT) / 90))
    span_s = frame.end_s - frame.begin_s
    step_s = next((step for step in (300, 600, 900, 1800, 3600, 7200, 14400, 86400) if span_s / step <= wanted), 604800)
    parts = []
    at_s = math.ceil(frame.begin_s / step_s) * step_s
    while at_s <= frame.end_s:
        x = frame.x(at_s)
        text = datetime.fromtimestamp(at_s, UTC).strftime("%m/%d" if step_s >= 86400 else "%H:%M")
        text = text if LEFT <= x < frame.width - HALF_TIME else ""
        parts.append(
            f'<line x1="{x:.1f}" x2="{x:.1f}" y1="{TOP}" y2="{frame.height - BOTTOM}" stroke="{GRID}"/>'
            f'<text x="{x:.1f}" y="{frame.height - 5:.1f}" text-anchor="middle" fill="{TEXT}">{text}</text>'
        )
        at_s += step_s
    return "".join(parts)


def legend(lines: Sequence[Line]) -> str:
    """Names with their colours; bands have none."""
    entries = [
        f'<span><i style="background:{line.color}"></i>{escape(line.series.name)}</span>'
        for line in lines
        if not line.look.of("custom.hideFrom", {}).get("legend")
    ]
    return f'<div class="legend">{"".join(entries)}</div>'


REDUCERS: Mapping[str, tuple[str, Callable[[Sequence[float]], float]]] = {
    "lastNotNull": ("Last *", lambda values: values[-1]),
    "max": ("Max", max),
    "mean": ("Mean", lambda values: sum(values) / len(values)),
}


def legend_table(lines: Sequence[Line], options: Mapping[str, Any]) -> str:
    """A row for each line, with figures, in the order that the panel asks for."""
    columns = [REDUCERS[name] for name in options.get("calcs", [])]
    rows = [
        (line, [reduce([value for _, value in line.points]) for _, reduce in columns]) for line in lines if line.points
    ]
    sort = next((index for index, (title, _) in enumerate(columns) if title == options.get("sortBy")), None)
    if sort is not None:
        rows.sort(key=lambda row: row[1][sort], reverse=options.get("sortDesc", False))
    head = "".join(f'<th class="number">{title}</th>' for title, _ in columns)
    body = "".join(
        f'<tr><td><i style="background:{line.color}"></i>{escape(line.series.name)}</td>'
        + "".join(f'<td class="number">{escape(line.look.text(value))}</td>' for value in values)
        + "</tr>"
        for line, values in rows
    )
    return f"<div><table><tr><th>Name</th>{head}</tr>{body}</table></div>"


def legend_rows(lines: Sequence[Line], width: float) -> int:
    """How many rows the legend needs."""
    rows, used = 1, 0.0
    for line in lines:
        if line.look.of("custom.hideFrom", {}).get("legend"):
            continue
        needed = CHARACTER * len(line.series.name) + 30
        if used + needed > width and used:
            rows, used = rows + 1, 0.0
        used += needed
    return rows


def _path(frame: Frame, line: Line, step_s: float) -> str:
    line_width = line.look.of("custom.lineWidth", 1)
    dash = line.look.of("custom.lineStyle", {}).get("dash")
    dashed = f' stroke-dasharray="{" ".join(map(str, dash))}"' if dash else ""
    parts = []
    for run in runs(line.points, step_s):
        spots = " ".join(f"{frame.x(at_s):.1f},{frame.y(value):.1f}" for at_s, value in run)
        if len(run) == 1 and line_width:
            x, y = spots.split(",")
            parts.append(f'<circle cx="{x}" cy="{y}" r="2" fill="{line.color}"/>')
        opacity = line.look.of("custom.fillOpacity", 0)
        if opacity and len(run) > 1 and not line.look.of("custom.fillBelowTo"):
            foot = f"{frame.x(run[-1][0]):.1f},{frame.y(0):.1f} {frame.x(run[0][0]):.1f},{frame.y(0):.1f}"
            parts.append(f'<polygon points="{spots} {foot}" fill="{line.color}" opacity="{opacity / 100}"/>')
        if line_width:
            parts.append(
                f'<polyline points="{spots}" fill="none" stroke="{line.color}" stroke-width="{line_width}"{dashed}/>'
            )
    return "".join(parts)


def runs(points: Sequence[Point], step_s: float) -> list[list[Point]]:
    """Points without gaps between them."""
    found: list[list[Point]] = []
    for point in points:
        if not found or point[0] - found[-1][-1][0] > GAP_STEPS * step_s:
            found.append([])
        found[-1].append(point)
    return found


def _bands(frame: Frame, lines: Sequence[Line]) -> list[str]:
    """Fills between a line and the one that it names as lower."""
    named = {line.series.name: line for line in lines}
    parts = []
    for upper in lines:
        lower = named.get(upper.look.of("custom.fillBelowTo", ""))
        if lower is None:
            continue
        floor = dict(lower.points)
        spots = [(at_s, value, floor[at_s]) for at_s, value in upper.points if at_s in floor]
        there = " ".join(f"{frame.x(at_s):.1f},{frame.y(value):.1f}" for at_s, value, _ in spots)
        back = " ".join(f"{frame.x(at_s):.1f},{frame.y(value):.1f}" for at_s, _, value in reversed(spots))
        opacity = max(upper.look.of("custom.fillOpacity", 10), 1) / 100
        parts.append(f'<polygon points="{there} {back}" fill="{upper.color}" opacity="{opacity}"/>')
    return parts


def _thresholds(frame: Frame, look: Look) -> list[str]:
    if look.of("custom.thresholdsStyle", {}).get("mode", "off") == "off":
        return []
    return [
        f'<line class="threshold" x1="{LEFT}" x2="{frame.width - RIGHT}" y1="{frame.y(step["value"]):.1f}" '
        f'y2="{frame.y(step["value"]):.1f}" stroke="{color_of(step["color"])}" stroke-dasharray="8 6"/>'
        for step in look.steps
        if step["value"] is not None and frame.low <= step["value"] <= frame.high
    ]


def _annotation(frame: Frame, one: Annotation) -> str:
    left, right = frame.x(max(one.begin_s, frame.begin_s)), frame.x(min(one.end_s, frame.end_s))
    color, bottom = color_of(one.color), frame.height - BOTTOM
    parts = [
        f"<g><title>{escape(one.title)}</title>",
        f'<line x1="{left:.1f}" x2="{left:.1f}" y1="{TOP}" y2="{bottom}" stroke="{color}" stroke-dasharray="3 3"/>',
        f'<path d="M{left - 4:.1f} {bottom + 5} h8 l-4 -5 z" fill="{color}"/>',
    ]
    if right - left > 1:
        parts.append(
            f'<rect x="{left:.1f}" y="{TOP}" width="{right - left:.1f}" height="{bottom - TOP}" fill="{color}" '
            f'opacity="0.06"/><rect x="{left:.1f}" y="{bottom + 1}" width="{right - left:.1f}" height="3" '
            f'fill="{color}"/>'
        )
    return "".join([*parts, "</g>"])
