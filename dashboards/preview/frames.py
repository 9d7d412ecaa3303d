"""What a panel has got: series and rows, and how the panel wants its fields to look."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from dashboards.preview.units import text_of

Point = tuple[float, float]
"""Unix seconds and value."""

COLORS = {
    "green": "#73BF69",
    "orange": "#FF9830",
    "red": "#F2495C",
    "blue": "#5794F2",
    "purple": "#B877D9",
    "yellow": "#FADE2A",
    "text": "#CCCCDC",
    "transparent": "transparent",
    "super-light-blue": "#C0D8FF",
    "semi-dark-red": "#E02F44",
}
"""Grafana's names for colours of which the dashboards make use."""


@dataclass(frozen=True)
class Series:
    """A line: of a query (``ref``), under the name that its legend gives it."""

    name: str
    ref: str
    labels: Mapping[str, str]
    points: tuple[Point, ...]
    buckets: tuple[tuple[float, tuple[tuple[float, float, float], ...]], ...] = ()
    """Of a native histogram: time → (lower, upper, count)."""


@dataclass(frozen=True)
class Row:
    """One series of an instant query."""

    ref: str
    labels: Mapping[str, str]
    value: float


@dataclass(frozen=True)
class Data:
    """Answers to all queries of a panel.

    Attributes:
        errors: What Prometheus refused, with its words.
        exemplars: Times and values of exemplars.
        step_s: Distance of points; a longer one is a gap.
    """

    series: tuple[Series, ...] = ()
    rows: tuple[Row, ...] = ()
    errors: tuple[str, ...] = ()
    exemplars: tuple[Point, ...] = ()
    step_s: float = 60.0

    @property
    def is_empty(self) -> bool:
        """Grafana would say "No data"."""
        return not self.series and not self.rows


@dataclass(frozen=True)
class Look:
    """The options of one field, overrides applied."""

    options: Mapping[str, Any] = field(default_factory=dict)

    def of(self, path: str, default: Any = None) -> Any:
        """An option such as ``unit`` or ``custom.lineWidth``."""
        return self.options.get(path, default)

    def text(self, value: float) -> str:
        """The value with the unit, or the words that a mapping has for it."""
        mapped = self._mapped(value)
        if mapped is not None:
            return str(mapped["text"])
        return text_of(value, self.of("unit", "short"), self.of("decimals"))

    def color(self, value: float) -> str:
        """The colour of a value: of its mapping, else of the threshold that it has reached."""
        mapped = self._mapped(value)
        if mapped is not None and "color" in mapped:
            return color_of(mapped["color"])
        chosen = "text"
        for step in self.steps:
            if step["value"] is None or value >= step["value"]:
                chosen = step["color"]
        return color_of(chosen)

    @property
    def steps(self) -> list[dict[str, Any]]:
        """Thresholds, ascending; the first is the base."""
        found: list[dict[str, Any]] = self.of("thresholds", {}).get("steps", [])
        return found

    def _mapped(self, value: float) -> dict[str, Any] | None:
        for mapping in self.of("mappings", []):
            if mapping["type"] == "value":
                found: dict[str, Any] | None = mapping["options"].get(f"{value:g}")
                if found is not None:
                    return found
        return None


def look_of(panel: Mapping[str, Any], name: str = "", ref: str = "") -> Look:
    """How a field is to look, by its name and the query that it comes from."""
    config = panel["fieldConfig"]
    options = {key: value for key, value in config["defaults"].items() if key != "custom"}
    options |= {f"custom.{key}": value for key, value in config["defaults"].get("custom", {}).items()}
    for override in config.get("overrides", []):
        matcher = override["matcher"]
        if (matcher["id"], matcher["options"]) in {("byName", name), ("byFrameRefID", ref)}:
            options |= {one["id"]: one["value"] for one in override["properties"]}
    return Look(options)


def color_of(name: str) -> str:
    """A colour as HTML knows it."""
    return COLORS.get(name, name)
