"""The example for Alertmanager in a real one: who is told what, and what is left unsaid."""

from __future__ import annotations

import json
import threading
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.e2e.metrics_server import MetricsServer
from tests.programs import ALERTMANAGER
from tests.waiting import eventually

pytestmark = [pytest.mark.e2e, ALERTMANAGER.needed]

EXAMPLE = Path(__file__).parents[2] / "deploy/alertmanager/alertmanager.yml"
SLO = {"slo": "checkout-availability", "service_name": "checkout"}
FAST = {"alertname": "SLOErrorBudgetBurnFast", "severity": "page", **SLO}
DOWN = {"alertname": "PipelineDown", "severity": "page", "instance": "weir-0:8888"}
REFUSING = {"alertname": "PipelineRefusingData", "severity": "page", "instance": "weir-1:8888"}

Alert = Mapping[str, str]


class Alertmanager(MetricsServer):
    """The example, with everybody who is told something at one address."""

    def __init__(self, folder: Path, told_at: str) -> None:
        super().__init__(folder)
        self._told_at = told_at

    def command(self) -> list[str]:
        configuration = yaml.safe_load(EXAMPLE.read_text())
        configuration["global"] = {"pagerduty_url": f"{self._told_at}/pager"}
        configuration["route"]["group_wait"] = "0s"
        for receiver in configuration["receivers"]:
            for webhook in receiver.get("webhook_configs", ()):
                webhook["url"] = f"{self._told_at}/{receiver['name']}"
            for pager in receiver.get("pagerduty_configs", ()):
                pager["routing_key_file"] = str(self.folder / "key")
        (self.folder / "key").write_text("a key")
        path = self.folder / "alertmanager.yml"
        path.write_text(yaml.safe_dump(configuration))
        return [
            ALERTMANAGER.path,
            f"--config.file={path}",
            f"--storage.path={self.folder / 'data'}",
            f"--web.listen-address={self.url.removeprefix('http://')}",
            "--cluster.listen-address=",
        ]

    def raise_alerts(self, *alerts: Alert) -> None:
        """What Prometheus does when alerts fire."""
        body = json.dumps([{"labels": alert, "annotations": {"summary": alert["alertname"]}} for alert in alerts])
        request = urllib.request.Request(
            f"{self.url}/api/v2/alerts", body.encode(), {"content-type": "application/json"}
        )
        with urllib.request.urlopen(request, timeout=20) as answer:
            assert answer.status == 200

    def inhibited(self) -> dict[str, bool]:
        """Alert by name and SLO or instance → whether another one makes it superfluous."""
        with urllib.request.urlopen(f"{self.url}/api/v2/alerts", timeout=20) as answer:
            found = json.load(answer)
        return {_name(one["labels"]): bool(one["status"]["inhibitedBy"]) for one in found}


def _name(labels: Alert) -> str:
    return f"{labels['alertname']} {labels.get('slo') or labels.get('instance', '')}".strip()


class Told:
    """Receiver → messages."""

    def __init__(self) -> None:
        self.messages: dict[str, list[Any]] = {}
        told = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"]))
                told.messages.setdefault(self.path.strip("/"), []).append(json.loads(body))
                self.send_response(202)
                self.end_headers()

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the name of the base class
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}"

    @contextmanager
    def listening(self) -> Iterator[Told]:
        thread = threading.Thread(target=self._server.serve_forever)
        thread.start()
        try:
            yield self
        finally:
            self._server.shutdown()
            thread.join()
            self._server.server_close()

    def has(self, receiver: str, text: str) -> None:
        assert text in json.dumps(self.messages.get(receiver, [])), self.messages


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Alertmanager, Told]]:
    with (
        Told().listening() as told,
        Alertmanager(tmp_path_factory.mktemp("alertmanager") / "alertmanager", told.url) as alertmanager,
    ):
        yield alertmanager, told


def test_pages_go_to_the_pager_and_make_their_tickets_superfluous(stack: tuple[Alertmanager, Told]) -> None:
    """Only those about the same SLO or the same Weir: other alerts have nothing to do with them."""
    alertmanager, told = stack
    alertmanager.raise_alerts(FAST, DOWN, REFUSING)
    for alert in (FAST, DOWN, REFUSING):
        eventually(lambda alert=alert: told.has("pager", alert["alertname"]))  # type: ignore[misc]
    ticket = {"severity": "ticket"}
    expected = {
        "SLOErrorBudgetBurnSlow checkout-availability": True,
        "SLOErrorBudgetBurnSlow frontend-latency": False,
        "PipelineQueueNearFull weir-0:8888": True,
        "PipelineQueueNearFull weir-1:8888": False,
        "PipelineReloadFailed weir-1:8888": False,
        "ServiceTrafficDrop": True,
    }
    slow = {"alertname": "SLOErrorBudgetBurnSlow", **ticket}
    full = {"alertname": "PipelineQueueNearFull", **ticket}
    alertmanager.raise_alerts(
        slow | SLO,
        slow | {"slo": "frontend-latency", "service_name": "frontend"},
        full | {"instance": "weir-0:8888"},
        full | {"instance": "weir-1:8888"},
        {"alertname": "PipelineReloadFailed", "instance": "weir-1:8888", **ticket},
        {"alertname": "ServiceTrafficDrop", "service_name": "cart", **ticket},
    )

    def decided() -> None:
        found = alertmanager.inhibited()
        assert {name: found.get(name) for name in expected} == expected

    eventually(decided)
    eventually(lambda: told.has("tickets", "frontend-latency"))
    eventually(lambda: told.has("tickets", "PipelineReloadFailed"))
    assert "checkout-availability" not in json.dumps(told.messages["tickets"])


def test_the_watchdog_keeps_the_dead_man_awake_and_anomalies_are_notes(stack: tuple[Alertmanager, Told]) -> None:
    alertmanager, told = stack
    alertmanager.raise_alerts(
        {"alertname": "Watchdog", "severity": "none"},
        {"alertname": "ServiceAnomaly", "severity": "info", "service_name": "cart"},
    )
    eventually(lambda: told.has("dead-man", "Watchdog"))
    eventually(lambda: told.has("notes", "ServiceAnomaly"))
    assert "Watchdog" not in json.dumps({name: said for name, said in told.messages.items() if name != "dead-man"})
