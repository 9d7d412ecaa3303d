"""The files of the compose stack in real servers without containers: only addresses and folders are exchanged."""

from __future__ import annotations

import json
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
import yaml

from tests.e2e.metrics_server import MetricsServer
from tests.e2e.test_alertmanager import Alertmanager
from tests.integration.weir_process import free_ports, running
from tests.programs import ALERTMANAGER, PROMETHEUS3
from tests.unit.deploy.tools import DEPLOY
from tests.waiting import eventually

pytestmark = [pytest.mark.e2e, PROMETHEUS3.needed, ALERTMANAGER.needed, pytest.mark.timeout(240)]

COMPOSE = yaml.safe_load((DEPLOY / "compose.yaml").read_text())["services"]


class StackPrometheus(MetricsServer):
    """Prometheus with the arguments and the configuration of the stack.

    Args:
        folder: For its data.
        addresses: Name and port in the stack → address here.
    """

    def __init__(self, folder: Path, addresses: dict[str, str]) -> None:
        super().__init__(folder)
        self._addresses = addresses

    def command(self) -> list[str]:
        text = (DEPLOY / "prometheus/prometheus.yml").read_text()
        for name, address in self._addresses.items():
            assert name in text
            text = text.replace(name, address)
        (self.folder / "prometheus.yml").write_text(text)
        (self.folder / "rules").symlink_to(DEPLOY / "prometheus/rules")
        places = {"/etc/prometheus": str(self.folder), "=/prometheus": f"={self.folder / 'data'}"}
        arguments = COMPOSE["prometheus"]["command"]
        for there, here in places.items():
            arguments = [one.replace(there, here) for one in arguments]
        return [PROMETHEUS3.path, *arguments, f"--web.listen-address={self.url.removeprefix('http://')}"]


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[StackPrometheus, Alertmanager]]:
    folder = tmp_path_factory.mktemp("stack")
    ports = dict(zip((4317, 4318, 8888, 8889, 13133), free_ports(5), strict=True))
    text = (DEPLOY / "config/slo.yaml").read_text()
    for port, free in ports.items():
        text = text.replace(f":{port}", f":{free}")
    (folder / "slo.yaml").write_text(text)
    environment = {"WEIR_HOST": "127.0.0.1", "STATE_DIRECTORY": str(folder / "state")}
    with ExitStack() as servers:
        servers.enter_context(running("run", "--config", str(folder / "slo.yaml"), env=environment))
        # Nobody listens to what Alertmanager has to say; whom it tells is another test's business.
        alertmanager = servers.enter_context(Alertmanager(folder / "alertmanager", "http://127.0.0.1:1"))
        addresses = {
            "weir:8889": f"127.0.0.1:{ports[8889]}",
            "weir:8888": f"127.0.0.1:{ports[8888]}",
            "alertmanager:9093": alertmanager.url.removeprefix("http://"),
        }
        yield servers.enter_context(StackPrometheus(folder / "prometheus", addresses)), alertmanager


def test_both_pages_of_weir_are_scraped(stack: tuple[StackPrometheus, Alertmanager]) -> None:
    def up() -> None:
        targets = stack[0].ask("targets")["activeTargets"]
        assert {one["labels"]["job"]: one["health"] for one in targets} == {"weir": "up", "weir-metrics": "up"}

    eventually(up)


def test_every_rule_is_evaluated_and_healthy(stack: tuple[StackPrometheus, Alertmanager]) -> None:
    def evaluated() -> None:
        groups = stack[0].ask("rules")["groups"]
        assert groups
        assert {(rule["health"], rule.get("lastError")) for group in groups for rule in group["rules"]} == {
            ("ok", None)
        }

    eventually(evaluated, 90)


def test_the_watchdog_reaches_alertmanager(stack: tuple[StackPrometheus, Alertmanager]) -> None:
    def barking() -> None:
        assert "Watchdog" in stack[1].inhibited()

    eventually(barking, 90)


def test_it_takes_otlp_and_remote_write(stack: tuple[StackPrometheus, Alertmanager]) -> None:
    """An empty request is answered; without the option there would be a 404."""
    body, headers = json.dumps({"resourceMetrics": []}).encode(), {"content-type": "application/json"}
    request = urllib.request.Request(f"{stack[0].url}/api/v1/otlp/v1/metrics", body, headers)
    with urllib.request.urlopen(request, timeout=20) as answer:
        assert answer.status == 200
    flags = stack[0].ask("status/flags")
    assert flags["web.enable-remote-write-receiver"] == "true"
    assert "exemplar-storage" in flags["enable-feature"]
