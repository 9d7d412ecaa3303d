"""The vocabulary of the dashboards: panels with everything a reader needs, and nothing to forget.

A panel cannot be made without title, description, unit and queries. The minimum step of all panels is the variable
``min_step``: with 2m, rates have data at scrape intervals of up to a minute even where the data source is not told the
interval (Grafana takes $__rate_interval = max(step + interval, 4 × interval), and assumes 15 s).
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from grafana_foundation_sdk.builders import (
    common as common_builders,
)
from grafana_foundation_sdk.builders import (
    dashboard,
    heatmap,
    nodegraph,
    prometheus,
    stat,
    statetimeline,
    table,
    timeseries,
)
from grafana_foundation_sdk.models import common
from grafana_foundation_sdk.models import dashboard as models
from grafana_foundation_sdk.models import prometheus as prometheus_models

from pipeline.promql.flavour import Flavour

DATASOURCE = common.DataSourceRef(type_val="prometheus", uid="${datasource}")
TRACES_UID = "${traces}"
MIN_STEPS = ("2m", "5s", "10s", "15s", "30s", "1m", "5m")
"""The first is the default."""
RATE = "$__rate_interval"
FULL_WIDTH = 24

GREEN, ORANGE, RED, BLUE, NEUTRAL = "green", "orange", "red", "blue", "text"
RATIO, RATE_UNIT, COUNT = "percentunit", "reqps", "short"
Steps = tuple[tuple[float, str], ...]
ERROR_STEPS: Steps = ((0.01, ORANGE), (0.05, RED))
BUDGET_STEPS: Steps = ((0.0, ORANGE), (0.25, GREEN))
BURN_STEPS: Steps = ((1.0, ORANGE), (6.0, RED))
APDEX_STEPS: Steps = ((0.7, ORANGE), (0.85, GREEN))
"""Apdex Technical Specification 1.1: below 0.70 poor, from 0.85 good."""
NO_STEPS: Steps = ()
ROOM = 1.05
BAND_COLOR, BAND_OPACITY = "super-light-blue", 14


@dataclass(frozen=True)
class Query:
    """One expression.

    Attributes:
        expr: PromQL.
        legend: Name of a series; of a column in a table.
        exemplar: Ask for exemplars.
    """

    expr: str
    legend: str = ""
    exemplar: bool = False


@dataclass(frozen=True)
class Column:
    """A column of a table: a query, its heading, unit and thresholds. Without a heading, it only makes rows."""

    query: str
    title: str
    unit: str = COUNT
    steps: Steps = NO_STEPS
    decimals: int | None = None


@dataclass(frozen=True)
class Link:
    """Where a value or a cell leads."""

    title: str
    url: str


def uid(slug: str, flavour: Flavour) -> str:
    """Stable identity of a dashboard: links contain it."""
    return f"weir-{slug}-{flavour.id}"


def link_to(slug: str, flavour: Flavour, title: str, **variables: str) -> Link:
    """A link to another dashboard of the same edition, which keeps time and data source."""
    pairs = "".join(f"&var-{name}={value}" for name, value in variables.items())
    return Link(
        title,
        f"/d/{uid(slug, flavour)}?${{__url_time_range}}&var-datasource=${{datasource}}&${{min_step:queryparam}}{pairs}",
    )


def explore_traces(title: str, query: str) -> Link:
    """A link to Explore with a TraceQL query on the trace data source."""
    pane = {
        "weir": {
            "datasource": TRACES_UID,
            "queries": [
                {
                    "refId": "A",
                    "queryType": "traceql",
                    "query": query,
                    "datasource": {"type": "tempo", "uid": TRACES_UID},
                }
            ],
            "range": {"from": "${__from}", "to": "${__to}"},
        }
    }
    text = quote(json.dumps(pane, separators=(",", ":")), safe="${}_:.")
    return Link(title, f"/explore?schemaVersion=1&orgId=1&panes={text}")


def present(expr: str) -> str:
    """``expr`` without NaN, which Prometheus gives for a quantile of nothing: a gap in a table, as in a graph."""
    return f"({expr}) >= 0"


def series(
    title: str,
    description: str,
    unit: str,
    queries: Sequence[Query],
    *,
    width: int = 8,
    height: int = 8,
    steps: Steps = NO_STEPS,
    links: Sequence[Link] = (),
    stacked: bool = False,
    minimum: float | None = 0,
    maximum: float | None = None,
    band: bool = False,
    many: bool = False,
    colors: Mapping[str, str] | None = None,
    no_value: str = "",
) -> timeseries.Panel:
    """Lines over time.

    Args:
        band: Fill between the first two queries, which are lower and upper.
        many: The legend is a table at the right, the highest first.
        colors: Legend of a query → its colour, in place of one by position.
        no_value: What is said where there is nothing.
    """
    panel = timeseries.Panel().fill_opacity(20 if stacked else 6).line_width(1).show_points(common.VisibilityMode.AUTO)
    panel.legend(_legend(many=many)).tooltip(_tooltip()).span_nulls(False)
    if no_value:
        panel.no_value(no_value)
    if stacked:
        panel.stacking(common_builders.StackingConfig().mode(common.StackingMode.NORMAL))
    if steps:
        panel.thresholds_style(
            common_builders.GraphThresholdsStyleConfig().mode(common.GraphThresholdsStyleMode.DASHED)
        )
    if steps and steps[-1][0] > 0:  # so that how far it is to the threshold can be seen
        panel.axis_soft_max(ROOM * steps[-1][0])
    if minimum is not None:
        panel.min(minimum)
    if maximum is not None:
        panel.max(maximum)
    _describe(panel, title, description, unit, width, height, steps, links)
    for ref, query in _refs(queries):
        panel.with_target(_target(ref, query))
    for legend, color in (colors or {}).items():
        panel.override_by_name(legend, [_fixed(color)])
    if band:
        for ref, more in (("A", _UNNAMED), ("B", {"custom.fillBelowTo": queries[0].legend})):
            values = {"custom.lineWidth": 0, "custom.fillOpacity": BAND_OPACITY if ref == "B" else 0, **more}
            panel.override_by_query(
                ref, [_fixed(BAND_COLOR), *(models.DynamicConfigValue(key, value) for key, value in values.items())]
            )
    return panel


def number(
    title: str,
    description: str,
    unit: str,
    query: Query,
    *,
    width: int = 4,
    steps: Steps = NO_STEPS,
    links: Sequence[Link] = (),
    no_value: str = "no traffic",
    low: str = "",
    decimals: int | None = None,
) -> stat.Panel:
    """One figure with its course behind it; ``low``: its colour below all steps, neutral where there are none."""
    low = low or (GREEN if steps else NEUTRAL)
    panel = stat.Panel().graph_mode(common.BigValueGraphMode.AREA).color_mode(common.BigValueColorMode.VALUE)
    panel.reduce_options(common_builders.ReduceDataOptions().calcs(["lastNotNull"])).no_value(no_value)
    if decimals is not None:
        panel.decimals(decimals)
    _describe(panel, title, description, unit, width, 4, steps, links, low)
    return panel.with_target(_target("A", query))


def records(
    title: str,
    description: str,
    columns: Sequence[Column],
    keys: Sequence[tuple[str, str]],
    *,
    width: int = FULL_WIDTH,
    height: int = 9,
    links: Sequence[Link] = (),
    sort: str = "",
    no_value: str = "",
) -> table.Panel:
    """A table: instant queries joined on the labels ``keys`` (label, heading)."""
    panel = table.Panel().cell_height(common.TableCellHeight.SM).filterable(True)
    if no_value:
        panel.no_value(no_value)
    _describe(panel, title, description, COUNT, width, height, NO_STEPS, ())
    names: dict[str, str] = dict(keys)
    order = {label: index for index, (label, _) in enumerate(keys)}
    hidden = dict.fromkeys(("Time", "__name__"), True)
    for index, (ref, column) in enumerate(zip("ABCDEFGHIJ", columns, strict=False)):
        panel.with_target(_target(ref, Query(column.query), instant=True))
        value = f"Value #{ref}" if len(columns) > 1 else "Value"
        if not column.title:
            hidden[value] = True
            continue
        names[value] = column.title
        order[value] = len(keys) + index
        panel.override_by_name(column.title, _column(column))
    for label, heading in keys[:1]:
        if links:
            values = [{"title": link.title, "url": link.url} for link in links]
            panel.override_by_name(heading or label, [models.DynamicConfigValue("links", values)])
    if len(columns) > 1:
        panel.with_transformation(models.DataTransformerConfig("merge", options={}))
    panel.with_transformation(
        models.DataTransformerConfig(
            "organize", options={"excludeByName": hidden, "indexByName": order, "renameByName": names}
        )
    )
    if sort:
        panel.sort_by([common_builders.TableSortByFieldState().display_name(sort).desc(True)])
    return panel


def states(
    title: str,
    description: str,
    query: Query,
    *,
    width: int = FULL_WIDTH,
    height: int = 8,
    words: tuple[str, str],
    no_value: str = "",
) -> statetimeline.Panel:
    """0 and 1 over time, as two colours with words."""
    panel = statetimeline.Panel().merge_values(True).show_value(common.VisibilityMode.NEVER).row_height(0.8)
    if no_value:
        panel.no_value(no_value)
    options = {
        "0": models.ValueMappingResult(text=words[0], color=GREEN, index=0),
        "1": models.ValueMappingResult(text=words[1], color=RED, index=1),
    }
    panel.mappings([models.ValueMap(options=options)])
    _describe(panel, title, description, COUNT, width, height, ((1.0, RED),), ())
    return panel.with_target(_target("A", query))


def distribution(
    title: str, description: str, unit: str, query: str, *, native: bool, width: int = FULL_WIDTH
) -> heatmap.Panel:
    """A heat map of a histogram."""
    panel = heatmap.Panel().calculate(False)
    panel.y_axis(heatmap.YAxisConfig().unit(unit))
    panel.color(heatmap.HeatmapColorOptions().scheme("Oranges").steps(32))
    _describe(panel, title, description, unit, width, 9, NO_STEPS, ())
    target = _target("A", Query(query, "" if native else "{{le}}", exemplar=True))
    target.format(
        prometheus_models.PromQueryFormat.TIME_SERIES if native else prometheus_models.PromQueryFormat.HEATMAP
    )
    return panel.with_target(target)


def graph(
    title: str, description: str, nodes: str, edges: str, *, links: Sequence[Link] = (), height: int = 16
) -> nodegraph.Panel:
    """A node graph; the queries name their frames ``nodes`` and ``edges``."""
    panel = nodegraph.Panel()
    _describe(panel, title, description, RATE_UNIT, FULL_WIDTH, height, NO_STEPS, links)
    return panel.with_target(_target("nodes", Query(nodes), instant=True)).with_target(
        _target("edges", Query(edges), instant=True)
    )


def _describe(
    panel: Any,
    title: str,
    description: str,
    unit: str,
    width: int,
    height: int,
    steps: Steps,
    links: Sequence[Link],
    low: str = GREEN,
) -> None:
    panel.title(title).description(description).unit(unit).span(width).height(height)
    panel.datasource(DATASOURCE).interval("$min_step")
    levels = [models.Threshold(value=None, color=_base(steps, low))]
    levels += [models.Threshold(value=value, color=color) for value, color in steps]
    panel.thresholds(dashboard.ThresholdsConfig().mode(models.ThresholdsMode.ABSOLUTE).steps(levels))
    if links:
        panel.data_links([dashboard.DashboardLink(link.title).url(link.url) for link in links])


def _base(steps: Steps, low: str) -> str:
    """The colour below all steps: where they end in green, more is better."""
    return RED if steps and steps[-1][1] == GREEN else low


def _column(column: Column) -> list[models.DynamicConfigValue]:
    values = [models.DynamicConfigValue("unit", column.unit)]
    if column.decimals is not None:
        values.append(models.DynamicConfigValue("decimals", column.decimals))
    if column.steps:
        first = _base(column.steps, GREEN)
        steps: list[dict[str, Any]] = [{"value": None, "color": first}]
        steps += [{"value": value, "color": color} for value, color in column.steps]
        values.append(models.DynamicConfigValue("thresholds", {"mode": "absolute", "steps": steps}))
        values.append(models.DynamicConfigValue("custom.cellOptions", {"type": "color-text"}))
    return values


_UNNAMED = {"custom.hideFrom": {"legend": True, "tooltip": False, "viz": False}}


def _fixed(color: str) -> models.DynamicConfigValue:
    return models.DynamicConfigValue("color", {"mode": "fixed", "fixedColor": color})


def _target(ref: str, query: Query, *, instant: bool = False) -> prometheus.Dataquery:
    target = prometheus.Dataquery().expr(query.expr).ref_id(ref).editor_mode(prometheus_models.QueryEditorMode.CODE)
    if instant:
        return target.instant().format(prometheus_models.PromQueryFormat.TABLE)
    target.range().legend_format(query.legend or "__auto")
    return target.exemplar(True) if query.exemplar else target


def _refs(queries: Sequence[Query]) -> list[tuple[str, Query]]:
    return list(zip("ABCDEFGH", queries, strict=False))


def _legend(*, many: bool) -> common_builders.VizLegendOptions:
    legend = common_builders.VizLegendOptions().show_legend(True)
    if many:
        legend.display_mode(common.LegendDisplayMode.TABLE).placement(common.LegendPlacement.RIGHT)
        return legend.calcs(["lastNotNull", "max"]).sort_by("Max").sort_desc(True)
    return legend.display_mode(common.LegendDisplayMode.LIST).placement(common.LegendPlacement.BOTTOM)


def _tooltip() -> common_builders.VizTooltipOptions:
    return common_builders.VizTooltipOptions().mode(common.TooltipDisplayMode.MULTI).sort(common.SortOrder.DESCENDING)
