"""Panels made of rectangles: state timelines and heat maps."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from html import escape
from itertools import pairwise
from typing import Any

from dashboards.preview.frames import Data, look_of
from dashboards.preview.lines import BOTTOM, TEXT, TOP, Frame, svg, time_axis
from dashboards.preview.units import text_of

LABEL_HEIGHT = 14
LABEL_SHARE = 0.3
LABEL_MOST = 300
ORANGES = ((255, 245, 235), (127, 39, 4))
"""Ends of the scheme; many are dark on white, so on a dark page the light end is the hot one."""
Cell = tuple[float, float, float, float]
"""Time, lower and upper end, how many."""


def states(panel: Mapping[str, Any], data: Data, begin_s: float, end_s: float, width: float, height: float) -> str:
    """A row for each series; neighbours with the same value are one rectangle."""
    left = min(width * LABEL_SHARE, LABEL_MOST)
    inner = Frame(width - left, height, begin_s, end_s, 0.0, 1.0)
    row_height = (height - TOP - BOTTOM) / max(len(data.series), 1)
    parts = [f'<g transform="translate({left:.0f} 0)">{time_axis(inner)}</g>']
    for number, series in enumerate(data.series):
        look = look_of(panel, series.name, series.ref)
        top = TOP + number * row_height
        middle = top + row_height / 2 + 4
        parts.append(
            f'<text x="{left + 50:.0f}" y="{middle:.1f}" text-anchor="end" fill="#ccccdc">{escape(series.name)}</text>'
        )
        stretches: list[tuple[float, float, float]] = []
        for at_s, value in series.points:
            if stretches and stretches[-1][2] == value and at_s - stretches[-1][1] <= 1.5 * data.step_s:
                stretches[-1] = (stretches[-1][0], at_s + data.step_s, value)
            else:
                stretches.append((at_s, at_s + data.step_s, value))
        for first, last, value in stretches:
            x1, x2 = inner.x(max(first, begin_s)) + left, inner.x(min(last, end_s)) + left
            parts.append(
                f'<rect x="{x1:.1f}" y="{top + row_height * 0.1:.1f}" width="{max(x2 - x1, 0):.1f}" '
                f'height="{row_height * 0.8:.1f}" fill="{look.color(value)}" opacity="0.75"/>'
            )
    mapped = [one for mapping in look_of(panel).of("mappings", []) for one in mapping["options"].values()]
    words = "".join(
        f'<span><i style="background:{look_of(panel).color(float(index))}"></i>{escape(one["text"])}</span>'
        for index, one in enumerate(mapped)
    )
    return svg(Frame(width, height, begin_s, end_s, 0, 1), parts) + f'<div class="legend">{words}</div>'


def heat(panel: Mapping[str, Any], data: Data, begin_s: float, end_s: float, width: float, height: float) -> str:
    """Buckets over time. Given buckets are all equally high; those of native histograms are as high as they are wide on
    a logarithmic axis, since their bounds change with the resolution.
    """
    native = any(series.buckets for series in data.series)
    cells = [cell for cell in (_native(data) if native else _classic(data)) if cell[3] > 0]
    if not cells:
        return ""
    scale = _logarithmic(cells) if native else _equal(cells)
    unit = panel["options"].get("yAxis", {}).get("unit", "short")
    most = max(cell[3] for cell in cells)
    frame = Frame(width, height, begin_s, end_s, scale.low, scale.high)
    parts = [time_axis(frame)]
    for at_s, low, high, count in cells:
        x1, x2 = frame.x(max(at_s - data.step_s, begin_s)), frame.x(at_s)
        y1, y2 = frame.y(scale.top(high)), frame.y(scale.bottom(low, high))
        wide, tall = max(x2 - x1 - 0.5, 0.5), max(y2 - y1 - 0.5, 0.5)
        parts.append(
            f'<rect x="{x1:.1f}" y="{y1:.1f}" width="{wide:.1f}" height="{tall:.1f}" fill="{_orange(count / most)}"/>'
        )
    for bound in _sparse(scale.marks, (height - TOP - BOTTOM) / LABEL_HEIGHT):
        y = frame.y(scale.top(bound)) + 8
        parts.append(f'<text x="56" y="{y:.1f}" text-anchor="end" fill="{TEXT}">{escape(text_of(bound, unit))}</text>')
    for at_s, value in data.exemplars:
        if begin_s <= at_s <= end_s and (place := scale.place(value)) is not None:
            x, y = frame.x(at_s), frame.y(place)
            parts.append(
                f'<rect class="exemplar" x="{x - 2.5:.1f}" y="{y - 2.5:.1f}" width="5" height="5" '
                f'transform="rotate(45 {x:.1f} {y:.1f})"/>'
            )
    return svg(frame, parts)


@dataclass(frozen=True)
class _Scale:
    """Where bounds are on the axis of a heat map.

    Attributes:
        marks: Values that get a text.
        top, bottom: Place of the ends of a bucket.
        place: Of a single value; None where there is no bucket for it.
    """

    low: float
    high: float
    marks: Sequence[float]
    top: Callable[[float], float]
    bottom: Callable[[float, float], float]
    place: Callable[[float], float | None]


def _equal(cells: Sequence[Cell]) -> _Scale:
    bounds = sorted({cell[2] for cell in cells})
    row = {bound: float(number) for number, bound in enumerate(bounds)}

    def place(value: float) -> float | None:
        return next((row[bound] + 0.5 for bound in bounds if value <= bound), None)

    return _Scale(0.0, float(len(bounds)), bounds, lambda high: row[high] + 1, lambda _, high: row[high], place)


def _logarithmic(cells: Sequence[Cell]) -> _Scale:
    low, high = min(cell[1] for cell in cells if cell[1] > 0), max(cell[2] for cell in cells)
    ends = math.log2(low), math.log2(high)
    marks = [2.0**power for power in range(math.ceil(ends[0]), math.floor(ends[1]) + 1)]

    def place(value: float) -> float:
        return math.log2(max(value, low))

    return _Scale(*ends, marks, place, lambda bottom, _: place(bottom), place)


def _sparse(values: Sequence[float], room: float) -> Sequence[float]:
    """As many as there is room for."""
    return values[:: max(1, math.ceil(len(values) / room))]


def _classic(data: Data) -> list[Cell]:
    """Of cumulative buckets the differences."""
    by_bound = sorted((float(series.labels["le"]), dict(series.points)) for series in data.series)
    cells = [(at_s, 0.0, by_bound[0][0], count) for at_s, count in by_bound[0][1].items()] if by_bound else []
    for (lower, below), (upper, points) in pairwise(by_bound):
        cells += [(at_s, lower, upper, count - below.get(at_s, 0.0)) for at_s, count in points.items()]
    return cells


def _native(data: Data) -> list[Cell]:
    return [
        (at_s, low, high, count)
        for series in data.series
        for at_s, buckets in series.buckets
        for low, high, count in buckets
    ]


def _orange(share: float) -> str:
    light, dark = ORANGES
    mixed = (round(dark[i] + (light[i] - dark[i]) * math.sqrt(share)) for i in range(3))
    return "rgb({},{},{})".format(*mixed)
