"""The frame of a dashboard: variables, annotations, links to its siblings."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from grafana_foundation_sdk.builders import dashboard
from grafana_foundation_sdk.models import dashboard as models

from dashboards.source.parts import DATASOURCE, MIN_STEPS, uid
from pipeline.promql.flavour import Flavour
from processors.anomaly import names as anomaly
from processors.span_metrics.names import TEMPO_TARGET_INFO

TAG = "weir"
NEW_VERSION_AFTER = "10m"
"""A version that was not there this long ago is a deployment."""


class Board:
    """One dashboard of one edition."""

    def __init__(self, flavour: Flavour, slug: str, title: str, description: str) -> None:
        self.flavour = flavour
        self.slug = slug
        edition = f"{flavour.naming}{', ms' if flavour.unit == 'ms' else ''}, {flavour.histograms}"
        self._board = (
            dashboard.Dashboard(f"Weir / {title} ({edition})").uid(uid(slug, flavour)).description(description)
        )
        self._board.tags([TAG, flavour.naming, flavour.histograms]).readonly().time("now-1h", "now").refresh("30s")
        self._board.tooltip(models.DashboardCursorSync.CROSSHAIR).timezone("browser")
        self._board.link(
            dashboard.DashboardLink("Weir")
            .type(models.DashboardLinkType.DASHBOARDS)
            .tags([TAG, flavour.naming, flavour.histograms])
            .as_dropdown(True)
            .keep_time(True)
        )
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

    def annotate(self, selected_services: str) -> None:
        """Anomalies, deployments and firing alerts; ``selected_services``: a regular expression."""
        info = TEMPO_TARGET_INFO if self.flavour.tempo else "target_info"
        versions = f'count by (job, service_version) ({info}{{service_version!="",job=~"(.+/)?({selected_services})"}}'
        active = f'{anomaly.ANOMALY_ACTIVE}{{{anomaly.SERVICE_NAME}=~"{selected_services}"}}'
        by = f"{anomaly.SERVICE_NAME}, {anomaly.SIGNAL}"
        self._annotate(
            "Anomalies",
            "purple",
            f"max by ({by}) ({active}) == 1",
            f"anomaly: {{{{{anomaly.SERVICE_NAME}}}}}",
            f"{{{{{anomaly.SIGNAL}}}}}",
        )
        self._annotate(
            "Deployments",
            "blue",
            f"{versions}) unless {versions} offset {NEW_VERSION_AFTER})",
            "deployed: {{job}}",
            "{{service_version}}",
        )
        self._annotate(
            "Alerts",
            "red",
            'sum by (alertname, service_name, severity) (ALERTS{alertstate="firing",severity!="none"})',
            "alert: {{alertname}}",
            "{{service_name}} {{severity}}",
        )

    def row(self, title: str, *, collapsed: Sequence[Any] = ()) -> None:
        """A heading; with panels it is closed at first."""
        row = dashboard.Row(title)
        if collapsed:
            row.collapsed(True)
            for panel in collapsed:
                row.with_panel(panel)
        self._board.with_row(row)

    def add(self, *panels: Any) -> None:
        """Panels from left to right, then down."""
        for panel in panels:
            self._board.with_panel(panel)

    def build(self) -> models.Dashboard:
        """The finished dashboard."""
        steps = dashboard.CustomVariable("min_step").label("Min step").values(",".join(MIN_STEPS))
        steps.current(models.VariableOption(selected=True, text=MIN_STEPS[0], value=MIN_STEPS[0]))
        steps.description("Set it to the scrape interval, or above; 2m is safe for scrapes every minute.")
        steps.options(
            [models.VariableOption(selected=step == MIN_STEPS[0], text=step, value=step) for step in MIN_STEPS]
        )
        return self._board.with_variable(steps).build()

    def _annotate(self, name: str, color: str, expr: str, title: str, text: str) -> None:
        query = dashboard.AnnotationQuery().name(name).datasource(DATASOURCE).enable(True).icon_color(color).expr(expr)
        self._board.annotation(query.title_format(title).text_format(text).step("60s"))
