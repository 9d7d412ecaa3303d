"""Incidents in a real Alertmanager: an alert that fires, goes on and is resolved."""

from __future__ import annotations

import json
import urllib.request
from pathlib import Path
from typing import Any

import pytest

from pipeline.exporters.alertmanager import AlertmanagerExporter
from pipeline.service.clock import SystemClock
from tests.e2e.test_alertmanager import Alertmanager
from tests.integration.test_incident_push import START_S, Exporting, exporting, told
from tests.programs import ALERTMANAGER
from tests.waiting import eventually

pytestmark = [pytest.mark.e2e, ALERTMANAGER.needed]


def alerts(server: Alertmanager) -> dict[str, Any]:
    """Alerts that are firing, by incident."""
    with urllib.request.urlopen(f"{server.url}/api/v2/alerts", timeout=20) as answer:
        return {alert["labels"]["incident"]: alert for alert in json.load(answer)}


def test_alerts_of_incidents_fire_and_are_resolved(tmp_path: Path) -> None:
    def firing(*incidents: str) -> dict[str, Any]:
        found = alerts(server)
        assert set(found) == set(incidents)
        return found

    with (
        Alertmanager(tmp_path / "alertmanager", "http://127.0.0.1:9") as server,
        exporting(AlertmanagerExporter, endpoint=server.url, generator_url="http://weir.example/{id}") as push,
    ):
        now_s = SystemClock().unix_nano() / 1e9
        in_time(push, now_s)
        begun, since_s = {"opened": now_s - 30, "began": now_s - 60}, now_s - START_S - 10
        push.tell(
            told("opened", since_s, id="one", **begun),
            told("opened", since_s, id="two", **begun | {"severity": "critical"}),
        )
        found = eventually(lambda: firing("one", "two"))
        assert found["one"]["labels"]["service_name"] == "payment"
        assert (found["one"]["labels"]["severity"], found["two"]["labels"]["severity"]) == ("info", "ticket")
        assert "6.1× expected on Charge" in found["one"]["annotations"]["description"]
        assert found["one"]["generatorURL"] == "http://weir.example/one"
        push.exporter.resend()
        push.tell(told("resolved", since_s, id="one", **begun))
        eventually(lambda: firing("two"))
        push.exporter.drain(10)
        assert push.value("otelcol_exporter_sent_log_records") == 3
        assert "level=error" not in server.log


def in_time(push: Exporting, now_s: float) -> None:
    """The exporter's wall clock shows the time that Alertmanager's shows."""
    push.clock.jump(now_s - push.clock.unix_nano() / 1e9)
