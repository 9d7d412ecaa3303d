"""The stack of deploy/compose.yaml with the demo's load: everything is connected, and every dashboard shows data.

Needs a Docker engine, builds the image, and fetches those of others: minutes, the first time.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import urllib.parse
import urllib.request
from collections.abc import Iterator
from typing import Any, NamedTuple

import pytest
from testcontainers.compose import DockerCompose

from dashboards.export import export
from tests.e2e.grafana import Grafana
from tests.e2e.test_dashboards import MAY_BE_EMPTY, VALUES, values_for
from tests.integration.weir_process import free_ports
from tests.unit.dashboards.reading import EDITIONS, SLUGS, panels, substitute
from tests.unit.deploy.tools import DEPLOY
from tests.waiting import eventually

PORTS = (
    "OTLP_GRPC_PORT", "OTLP_HTTP_PORT", "OWN_METRICS_PORT", "METRICS_PORT",
    "PROMETHEUS_PORT", "ALERTMANAGER_PORT", "GRAFANA_PORT",
)  # fmt: skip
"""Variables of the file; each gets a port that is free."""
SHOWN = "otelcol-classic"
"""The edition that the stack provisions."""
FILLED_IN_BY_GRAFANA = {name: name for name in VALUES if name.startswith("$__")}
PATIENCE_S = 300.0
"""Windows of five minutes fill slowly, and images start slowly."""


def engine_answers() -> bool:
    """Whether there is a Docker engine, with Compose."""
    if shutil.which("docker") is None:
        return False
    questions = (["docker", "compose", "version"], ["docker", "info"])
    return all(subprocess.run(one, capture_output=True, check=False, timeout=60).returncode == 0 for one in questions)


pytestmark = [
    pytest.mark.e2e,
    pytest.mark.timeout(1800),
    pytest.mark.skipif(
        not engine_answers(), reason="needs a Docker engine with Compose that answers (docs.docker.com/engine/install)"
    ),
]


class Stack(NamedTuple):
    """Addresses of what runs."""

    prometheus: str
    alertmanager: str
    grafana: Grafana


@pytest.fixture(scope="module")
def stack() -> Iterator[Stack]:
    with pytest.MonkeyPatch.context() as environment:
        ports = dict(zip(PORTS, free_ports(len(PORTS)), strict=True))
        for name, port in ports.items():
            environment.setenv(name, str(port))
        # Another stack of the same file, if one is running, is not this one.
        environment.setenv("COMPOSE_PROJECT_NAME", "weir-test")
        with DockerCompose(DEPLOY, "compose.yaml", build=True, profiles=["demo"]) as compose:
            try:
                yield Stack(
                    f"http://127.0.0.1:{ports['PROMETHEUS_PORT']}",
                    f"http://127.0.0.1:{ports['ALERTMANAGER_PORT']}",
                    Grafana(f"http://127.0.0.1:{ports['GRAFANA_PORT']}"),
                )
            finally:
                print(*compose.get_logs(), sep="\n")


def ask(url: str, **parameters: str) -> Any:
    with urllib.request.urlopen(f"{url}?{urllib.parse.urlencode(parameters)}", timeout=30) as answer:
        return json.load(answer)


def test_prometheus_scrapes_weir_and_knows_its_alertmanager(stack: Stack) -> None:
    def connected() -> None:
        targets = ask(f"{stack.prometheus}/api/v1/targets")["data"]["activeTargets"]
        assert {one["labels"]["job"]: one["health"] for one in targets} == {"weir": "up", "weir-metrics": "up"}
        assert len(ask(f"{stack.prometheus}/api/v1/alertmanagers")["data"]["activeAlertmanagers"]) == 1
        found = ask(f"{stack.prometheus}/api/v1/query", query="count(traces_span_metrics_calls_total > 0)")
        assert float(found["data"]["result"][0]["value"][1]) > 0

    eventually(connected, PATIENCE_S, 1.0)


def test_the_watchdog_reaches_alertmanager(stack: Stack) -> None:
    def barking() -> None:
        alerts = ask(f"{stack.alertmanager}/api/v2/alerts")
        assert "Watchdog" in {alert["labels"]["alertname"] for alert in alerts}

    eventually(barking, PATIENCE_S, 1.0)


def test_grafana_reaches_its_data_sources_and_has_the_dashboards(stack: Stack) -> None:
    eventually(stack.grafana.is_healthy, PATIENCE_S, 1.0)
    for datasource in ("prometheus", "tempo"):
        eventually(lambda uid=datasource: stack.grafana.reaches(uid), PATIENCE_S, 1.0)  # type: ignore[misc]
    # The plug-in for Alertmanager asks from the browser, through Grafana.
    assert "versionInfo" in stack.grafana.through("alertmanager", "/api/v2/status")
    expected = {f"weir-{slug}-{SHOWN}" for slug in SLUGS}

    def provisioned() -> None:
        assert stack.grafana.uids() >= expected

    eventually(provisioned, PATIENCE_S, 1.0)


def test_traces_reach_tempo(stack: Stack) -> None:
    def found() -> None:
        assert stack.grafana.through("tempo", "/api/search?limit=1")["traces"]

    eventually(found, PATIENCE_S, 1.0)


@pytest.mark.parametrize("edition", EDITIONS)
def test_every_dashboard_can_be_imported(edition: str, stack: Stack, tmp_path_factory: pytest.TempPathFactory) -> None:
    """Under other names than the provisioned ones, which nobody may overwrite."""
    eventually(stack.grafana.is_healthy, PATIENCE_S, 1.0)
    for path in export(edition, tmp_path_factory.mktemp(edition), edition="import"):
        dashboard = json.loads(path.read_text())
        dashboard["uid"] = f"i-{dashboard['uid']}"
        dashboard["title"] = f"{dashboard['title']} (imported)"
        stored = stack.grafana.dashboard(stack.grafana.import_dashboard(dashboard, "prometheus"))
        assert "${DS_" not in json.dumps(stored["panels"])
        assert [panel["title"] for panel in panels(stored)] == [panel["title"] for panel in panels(dashboard)]


@pytest.mark.parametrize("slug", SLUGS)
def test_every_panel_has_an_answer(slug: str, stack: Stack) -> None:
    values = values_for(slug) | FILLED_IN_BY_GRAFANA
    dashboard = eventually(lambda: stack.grafana.dashboard(f"weir-{slug}-{SHOWN}"), PATIENCE_S, 1.0)
    pending = [
        (panel["title"], {**target, "expr": substitute(target["expr"], values)})
        for panel in panels(dashboard)
        for target in panel["targets"]
    ]

    def answered() -> None:
        for title, target in list(pending):
            numbers = stack.grafana.values(target, "prometheus")
            if numbers or any(part in target["expr"] for part in MAY_BE_EMPTY):
                pending.remove((title, target))
        assert not pending, pending

    eventually(answered, PATIENCE_S, 5.0)
