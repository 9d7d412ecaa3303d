"""What the tests of the stack ask of Grafana, asked of a stand-in: its answers have the shapes of Grafana's own.

The stand-in is stricter than Grafana where a mistake would go unseen there, and runs where no Docker does.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from dashboards.export import export
from tests.e2e.grafana import Grafana

TIME, VALUE = {"name": "Time", "type": "time"}, {"name": "Value", "type": "number"}


def frame(*values: float | None) -> dict[str, Any]:
    return {"schema": {"fields": [TIME, VALUE]}, "data": {"values": [list(range(len(values))), list(values)]}}


RESULTS: dict[str, Any] = {
    "one": {"status": 200, "frames": [frame(1.0)]},
    "gaps": {"status": 200, "frames": [frame(1.0, None), frame(2.0, 3.0)]},
    "none": {"status": 200, "frames": [{"schema": {"fields": []}, "data": {"values": []}}]},
}
"""Expression → what the data source answers."""


class StandIn(BaseHTTPRequestHandler):
    """Grafana's paths. Dashboards are stored in the class that a fixture makes for itself."""

    stored: dict[str, Any]

    def do_GET(self) -> None:
        path = self.path
        if path == "/api/health":
            self._answer(200, {"database": "ok", "version": "12.2.0"})
        elif path.startswith("/api/search?"):
            self._answer(200, [{"uid": uid, "type": "dash-db"} for uid in self.stored])
        elif path.startswith("/api/dashboards/uid/") and path.rpartition("/")[2] in self.stored:
            self._answer(200, {"dashboard": self.stored[path.rpartition("/")[2]], "meta": {}})
        elif path == "/api/datasources/uid/prometheus/health":
            self._answer(200, {"status": "OK", "message": "Successfully queried the Prometheus API."})
        elif path == "/api/datasources/proxy/uid/tempo/api/search":
            self._answer(200, {"traces": []})
        else:
            self._answer(404, {"message": "Not found"})

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["content-length"])))
        if self.headers["authorization"] != "Basic YWRtaW46YWRtaW4=":
            self._answer(401, {"message": "Unauthorized"})
        elif self.path == "/api/dashboards/import":
            self._import(body)
        else:
            (query,) = body["queries"]
            assert query["datasource"] == {"type": "prometheus", "uid": "prometheus"}
            assert ("instant" in query) != ("range" in query)
            error = {"status": 400, "error": "parse error"}
            result = RESULTS.get(query["expr"], error)
            self._answer(result["status"], {"results": {query["refId"]: result}})

    def _import(self, body: Any) -> None:
        """Inputs take the place of their names, as in the dashboard importer; without them it refuses."""
        text = json.dumps(body["dashboard"])
        for wanted in body["dashboard"].pop("__inputs"):
            value = next((one["value"] for one in body["inputs"] if one["name"] == wanted["name"]), None)
            if value is None:
                self._answer(400, {"message": f"Dashboard input missing: {wanted['name']}"})
                return
            text = text.replace(f"${{{wanted['name']}}}", value)
        dashboard = json.loads(text)
        self.stored[dashboard["uid"]] = dashboard
        self._answer(200, {"uid": dashboard["uid"], "imported": True})

    def _answer(self, status: int, body: Any) -> None:
        self.send_response(status)
        self.end_headers()
        self.wfile.write(json.dumps(body).encode())

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the name of the base class
        pass


@pytest.fixture
def url() -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("Mine", (StandIn,), {"stored": {}}))
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def test_an_imported_dashboard_asks_the_chosen_data_source(url: str, tmp_path: Path) -> None:
    grafana = Grafana(url)
    for path in export("otelcol-classic", tmp_path, edition="import"):
        uid = grafana.import_dashboard(json.loads(path.read_text()), "prometheus")
        stored = grafana.dashboard(uid)
        assert "${DS_" not in json.dumps(stored["panels"])
        assert {panel["datasource"]["uid"] for panel in stored["panels"] if "targets" in panel} == {"prometheus"}
    assert len(grafana.uids()) == 6


@pytest.mark.parametrize(("expression", "numbers"), [("one", 1), ("gaps", 3), ("none", 0)])
@pytest.mark.parametrize("instant", [True, False])
def test_numbers_of_an_answer_are_counted_without_gaps(expression: str, numbers: int, instant: bool, url: str) -> None:
    assert Grafana(url).values({"expr": expression, "instant": instant}, "prometheus") == numbers


def test_a_query_that_fails_says_why(url: str) -> None:
    with pytest.raises(AssertionError, match="parse error"):
        Grafana(url).values({"expr": "rate("}, "prometheus")


def test_what_is_missing_or_forbidden_fails(url: str) -> None:
    grafana = Grafana(url)
    grafana.is_healthy()
    grafana.reaches("prometheus")
    assert grafana.through("tempo", "/api/search") == {"traces": []}
    with pytest.raises(AssertionError, match="HTTP 404"):
        grafana.reaches("loki")
    with pytest.raises(AssertionError, match="HTTP 401"):
        Grafana(url, "viewer:viewer").values({"expr": "one"}, "prometheus")
    with pytest.raises(AssertionError, match="refused"):
        Grafana("http://127.0.0.1:1").is_healthy()
