"""The frame of a dashboard: variables, annotations, links to its siblings."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from grafana_foundation_sdk.builders import dashboard
from grafana_foundation_sdk.models import dashboard as models

from dashboards.source.columns import ASKS
from dashboards.source.parts import DATASOURCE, MIN_STEPS, uid
from pipeline.promql.flavour import Flavour
from processors.anomaly import names as anomaly
from processors.span_metrics.names import TEMPO_TARGET_INFO

TAG = "weir"
STEP = "1m"
"""Of annotations: only beginnings are marked, or an hour with an alert would be tinted all over."""
QUIET = "10m"
"""What is back after less than this has not begun anew."""
KNOWN = "1h"
"""A version is new where its service was known for up to this long, and is not where Prometheus has just begun."""
OWN_ALERTS = 'alertname=~"Pipeline.+"'


class Board:
    """One dashboard of one edition."""

    def __init__(self, flavour: Flavour, slug: str, title: str, description: str, *, since: str = "now-1h") -> None:
        self.flavour = flavour
        self.slug = slug
        edition = f"{flavour.naming}{', ms' if flavour.unit == 'ms' else ''}, {flavour.histograms}"
        self._board = (
            dashboard.Dashboard(f"Weir / {title} ({edition})").uid(uid(slug, flavour)).description(description)
        )
        self._board.tags([TAG, flavour.naming, flavour.histograms]).readonly().time(since, "now").refresh("30s")
        self._board.tooltip(models.DashboardCursorSync.CROSSHAIR).timezone("browser")
        self._board.link(
            dashboard.DashboardLink("Weir")
            .type(models.DashboardLinkType.DASHBOARDS)
            .tags([TAG, flavour.naming, flavour.histograms])
            .as_dropdown(True)
            .keep_time(True)
        )
        self._panels = 0
        self._board.with_variable(dashboard.DatasourceVariable("datasource").label("Metrics").type("prometheus"))

    def choose(self, name: str, title: str, query: str, *, several: bool = True, every: str = ".+") -> None:
        """A variable with values from Prometheus; ``every``: the regular expression of all."""
        variable = dashboard.QueryVariable(name).label(title).query(query).definition(query).datasource(DATASOURCE)
        variable.refresh(models.VariableRefresh.ON_TIME_RANGE_CHANGED).sort(models.VariableSort.ALPHABETICAL_ASC)
        if several:
            variable.multi(True).include_all(True).all_value(every)
            variable.current(models.VariableOption(selected=True, text="All", value="$__all"))
        self._board.with_variable(variable)

    def choose_service(self, *, several: bool = True) -> None:
        """The variable ``service``."""
        query = f"label_values({self.flavour.calls}, {self.flavour.service})"
        self.choose("service", "Service", query, several=several)

    def choose_traces(self) -> None:
        """The variable ``traces``: where links to traces lead."""
        self._board.with_variable(dashboard.DatasourceVariable("traces").label("Traces").type("tempo"))

    def choose_strangest(self, name: str, title: str, metric: str, label: str) -> None:
        """A variable with values of a label, the first of which is chosen: that with the highest value of a metric in
        the chosen time, where what came last counts most.
        """
        lately, ever = f"max_over_time({metric}[{QUIET}])", f"max_over_time({metric}[$__range])"
        query = f"query_result(sort_desc(max by ({label}) (10 * {lately} + {ever})))"
        variable = dashboard.QueryVariable(name).label(title).query(query).definition(query).datasource(DATASOURCE)
        variable.regex(f'/{label}="([^"]+)"/')
        variable.refresh(models.VariableRefresh.ON_TIME_RANGE_CHANGED).sort(models.VariableSort.DISABLED)
        self._board.with_variable(variable)

    def annotate(self, selected_services: str) -> None:
        """When anomalies, alerts and deployments began; ``selected_services``: a regular expression."""
        service = anomaly.SERVICE_NAME
        active = f'{anomaly.ANOMALY_ACTIVE}{{{service}=~"{selected_services}"}}'
        before = f"max_over_time({active}[{QUIET}] offset {STEP})"
        self._annotate(
            "Anomalies",
            "purple",
            f"max by ({service}) ({active}) == 1 unless max by ({service}) ({before}) == 1",
            f"anomaly: {{{{{service}}}}}",
            "",
        )
        info = TEMPO_TARGET_INFO if self.flavour.tempo else "target_info"
        versions = f'{info}{{service_version!="",job=~"(.+/)?({selected_services})"}}'
        version = "count by (job, service_version)"
        self._annotate(
            "Deployments",
            "blue",
            f"{version} ({versions}) unless {version} (last_over_time({versions}[{QUIET}] offset {STEP})) "
            f"and on (job) last_over_time({versions}[{KNOWN}] offset {STEP})",
            "deployed: {{job}}",
            "{{service_version}}",
        )
        self._annotate_alerts(ASKS)

    def annotate_own(self) -> None:
        """When alerts about Weir itself began."""
        self._annotate_alerts(OWN_ALERTS)

    def _annotate_alerts(self, which: str) -> None:
        labels = "sum by (alertname, service_name, severity)"
        alerts = f'ALERTS{{alertstate="firing",{which}}}'
        self._annotate(
            "Alerts",
            "red",
            f"{labels} ({alerts}) unless {labels} (last_over_time({alerts}[{QUIET}] offset {STEP}))",
            "alert: {{alertname}}",
            "{{service_name}} {{severity}}",
        )

    def row(self, title: str, *, collapsed: Sequence[Any] = ()) -> None:
        """A heading; with panels it is closed at first."""
        row = dashboard.Row(title).id(self._next_id())
        if collapsed:
            row.collapsed(True)
            for panel in collapsed:
                row.with_panel(panel.id(self._next_id()))
        self._board.with_row(row)

    def add(self, *panels: Any) -> None:
        """Panels from left to right, then down."""
        for panel in panels:
            self._board.with_panel(panel.id(self._next_id()))

    def build(self) -> models.Dashboard:
        """The finished dashboard."""
        steps = dashboard.CustomVariable("min_step").label("Min step").values(",".join(MIN_STEPS))
        steps.current(models.VariableOption(selected=True, text=MIN_STEPS[0], value=MIN_STEPS[0]))
        steps.description("Set it to the scrape interval, or above; 2m is safe for scrapes every minute.")
        steps.options(
            [models.VariableOption(selected=step == MIN_STEPS[0], text=step, value=step) for step in MIN_STEPS]
        )
        return self._board.with_variable(steps).build()

    def _next_id(self) -> int:
        """Links to single panels contain it, so it must not be left to Grafana."""
        self._panels += 1
        return self._panels

    def _annotate(self, name: str, color: str, expr: str, title: str, text: str) -> None:
        query = dashboard.AnnotationQuery().name(name).datasource(DATASOURCE).enable(True).icon_color(color).expr(expr)
        self._board.annotation(query.title_format(title).text_format(text).step(STEP))
