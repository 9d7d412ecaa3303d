"""What Grafana would ask Prometheus for a dashboard: variables, intervals, queries, annotations."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from dashboards.preview.frames import Data, Row, Series
from dashboards.preview.prometheus import QueryFailedError

SCRAPE_S = 15
"""What the data source says about the scrape interval."""
PIXELS_PER_COLUMN = 70
"""Of 24 columns; a panel asks for no more points than it has pixels."""
_DURATION = {"s": 1, "m": 60, "h": 3600, "d": 86400}
_NICE_S = (1, 2, 5, 10, 15, 20, 30, 60, 120, 300, 600, 900, 1200, 1800, 3600, 7200, 10800, 21600, 43200, 86400)
_LABEL_VALUES = re.compile(r"label_values\((.+), (\w+)\)", re.DOTALL)
_QUERY_RESULT = re.compile(r"query_result\((.+)\)", re.DOTALL)
MAX_EXEMPLARS = 60


class DataSource(Protocol):
    """What is asked of a Prometheus; ``prometheus.Prometheus`` says what each returns."""

    def instant(self, query: str, time_s: float) -> list[dict[str, Any]]: ...
    def range(self, query: str, begin_s: float, end_s: float, step_s: float) -> list[dict[str, Any]]: ...
    def label_values(self, label: str, selector: str, begin_s: float, end_s: float) -> list[str]: ...
    def exemplars(self, query: str, begin_s: float, end_s: float) -> list[dict[str, Any]]: ...


@dataclass(frozen=True)
class Annotation:
    """A moment, or a stretch of time, with a title."""

    name: str
    color: str
    begin_s: float
    end_s: float
    title: str


@dataclass(frozen=True)
class Answered:
    """A dashboard with all its answers.

    Attributes:
        chosen: Title of a variable → what was chosen, for the reader.
        values: Variable → what stands for it in expressions.
        data: Panel id → answers.
    """

    dashboard: Mapping[str, Any]
    begin_s: float
    end_s: float
    chosen: Mapping[str, str]
    values: Mapping[str, str]
    annotations: tuple[Annotation, ...]
    data: Mapping[int, Data]


def panels(dashboard: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """All panels but rows, those in closed rows too, from top to bottom."""
    for panel in dashboard["panels"]:
        yield from panel.get("panels", ()) if panel["type"] == "row" else (panel,)


def seconds(duration: str) -> float:
    """``2m`` → 120."""
    return float(duration[:-1]) * _DURATION[duration[-1]]


class Asker:
    """Answers dashboards.

    Args:
        prometheus: What is asked.
        end_s: What "now" is, Unix seconds.
        chosen: Variable → value, in place of what is chosen at first.
    """

    def __init__(self, prometheus: DataSource, end_s: float, chosen: Mapping[str, str]) -> None:
        self._prometheus = prometheus
        self._end_s = end_s
        self._chosen = chosen

    def answer(self, dashboard: Mapping[str, Any]) -> Answered:
        """Ask for all of a dashboard."""
        begin_s = self._end_s - seconds(dashboard["time"]["from"].removeprefix("now-"))
        shown, values = self._variables(dashboard, begin_s)
        data = {}
        for panel in panels(dashboard):
            data[panel["id"]] = self._panel(panel, begin_s, values)
        annotations = tuple(self._annotations(dashboard, begin_s, values))
        return Answered(dashboard, begin_s, self._end_s, shown, values, annotations, data)

    def _variables(self, dashboard: Mapping[str, Any], begin_s: float) -> tuple[dict[str, str], dict[str, str]]:
        shown: dict[str, str] = {}
        values: dict[str, str] = {}
        for variable in dashboard["templating"]["list"]:
            name, kind = variable["name"], variable["type"]
            if kind == "datasource":
                continue
            current = variable.get("current", {}).get("value", "")
            if name in self._chosen:
                value = text = self._chosen[name]
            elif current == "$__all":
                value, text = variable["allValue"], "All"
            elif kind == "query":
                value = text = next(iter(self._options(variable, begin_s, values)), "")
            else:
                value = text = current
            shown[variable.get("label", name)], values[name] = text, value
        return shown, values

    def _options(self, variable: Mapping[str, Any], begin_s: float, values: Mapping[str, str]) -> Sequence[str]:
        """What can be chosen; the first is chosen at first."""
        known = {**values, "__range": f"{self._end_s - begin_s:.0f}s"}
        query = variable["query"]
        if match := _LABEL_VALUES.fullmatch(query):
            return self._prometheus.label_values(match[2], interpolated(match[1], known), begin_s, self._end_s)
        if match := _QUERY_RESULT.fullmatch(query):
            rows = self._prometheus.instant(interpolated(match[1], known), self._end_s)
            texts = [legend("__auto", row["metric"], "") for row in rows]
            return [found[1] for text in texts if (found := re.search(variable["regex"].strip("/"), text))]
        raise ValueError(f"not understood: {query}")

    def _panel(self, panel: Mapping[str, Any], begin_s: float, values: Mapping[str, str]) -> Data:
        span_s = self._end_s - begin_s
        least_s = seconds(interpolated(panel.get("interval", "15s"), values))
        step_s = max(nice_step_s(span_s / (panel["gridPos"]["w"] * PIXELS_PER_COLUMN)), least_s)
        known = {
            **values,
            "__rate_interval": f"{max(step_s + SCRAPE_S, 4 * SCRAPE_S):.0f}s",
            "__interval": f"{step_s:.0f}s",
            "__range": f"{span_s:.0f}s",
        }
        series: list[Series] = []
        rows: list[Row] = []
        errors: list[str] = []
        exemplars: list[tuple[float, float]] = []
        for target in panel["targets"]:
            expr = interpolated(target["expr"], known)
            try:
                if target.get("instant"):
                    rows += self._rows(target["refId"], expr)
                else:
                    series += self._series(target, expr, begin_s, step_s)
                    if target.get("exemplar"):
                        exemplars += self._exemplars(expr, begin_s)
            except QueryFailedError as error:
                errors.append(f"{target['refId']}: {error}")
        return Data(tuple(series), tuple(rows), tuple(errors), tuple(exemplars), step_s)

    def _rows(self, ref: str, expr: str) -> Iterator[Row]:
        for one in self._prometheus.instant(expr, self._end_s):
            yield Row(ref, one["metric"], float(one["value"][1]))

    def _series(self, target: Mapping[str, Any], expr: str, begin_s: float, step_s: float) -> Iterator[Series]:
        first, last = math.floor(begin_s / step_s) * step_s, math.floor(self._end_s / step_s) * step_s
        for one in self._prometheus.range(expr, first, last, step_s):
            points = tuple((float(at_s), float(value)) for at_s, value in one.get("values", ()))
            buckets = tuple(
                (
                    float(at_s),
                    tuple((float(low), float(high), float(n)) for _, low, high, n in value.get("buckets", ())),
                )
                for at_s, value in one.get("histograms", ())
            )
            name = legend(target.get("legendFormat", "__auto"), one["metric"], target["expr"])
            yield Series(name, target["refId"], one["metric"], points, buckets)

    def _exemplars(self, expr: str, begin_s: float) -> list[tuple[float, float]]:
        found = self._prometheus.exemplars(expr, begin_s, self._end_s)
        points = sorted({(one["timestamp"], float(one["value"])) for several in found for one in several["exemplars"]})
        return points[:: max(1, len(points) // MAX_EXEMPLARS)]

    def _annotations(
        self, dashboard: Mapping[str, Any], begin_s: float, values: Mapping[str, str]
    ) -> Iterator[Annotation]:
        for query in dashboard["annotations"]["list"]:
            step_s = seconds(query.get("step", "60s"))
            expr = interpolated(query["expr"], values)
            for one in self._prometheus.range(expr, begin_s, self._end_s, step_s):
                times = [float(at_s) for at_s, value in one["values"] if float(value)]
                title = legend(query["titleFormat"], one["metric"], "")
                text = legend(query.get("textFormat", ""), one["metric"], "")
                for first, last in _stretches(times, step_s):
                    yield Annotation(query["name"], query["iconColor"], first, last, f"{title} {text}".strip())


def _stretches(times: Sequence[float], step_s: float) -> Iterator[tuple[float, float]]:
    """First and last of neighbouring times."""
    begin = before = None
    for at_s in times:
        if begin is None or before is None or at_s - before > step_s:
            if begin is not None and before is not None:
                yield begin, before
            begin = at_s
        before = at_s
    if begin is not None and before is not None:
        yield begin, before


def nice_step_s(wanted_s: float) -> float:
    """The next round duration."""
    return next((float(step) for step in _NICE_S if step >= wanted_s), float(_NICE_S[-1]))


def interpolated(text: str, values: Mapping[str, str]) -> str:
    """``$name`` and ``${name}`` replaced; ``$1`` of label_replace is no variable."""
    for name in sorted(values, key=len, reverse=True):
        text = text.replace(f"${{{name}}}", values[name]).replace(f"${name}", values[name])
    return text


def legend(template: str, labels: Mapping[str, str], expr: str) -> str:
    """The name of a series."""
    if template == "__auto":
        inner = ", ".join(f'{name}="{value}"' for name, value in sorted(labels.items()) if name != "__name__")
        return labels.get("__name__", "") + (f"{{{inner}}}" if inner else "") or expr
    return re.sub(r"\{\{\s*(\w+)\s*\}\}", lambda match: labels.get(match[1], ""), template).strip()
