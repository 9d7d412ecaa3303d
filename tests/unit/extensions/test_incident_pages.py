"""Incidents over HTTP: what is shown, and who may change something."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
import yaml
from jsonschema import Draft202012Validator

from pipeline.api import IncidentKeeper, Meter, MetricSnapshot, Settings
from pipeline.extensions.admin import Admin, AdminConfig
from pipeline.http_server import Request, Response
from pipeline.telemetry import ComponentTelemetry
from pipeline.testing import FakeClock, Harness
from processors.anomaly import Anomaly
from tests.unit.processors.anomaly.shop import play

OPENAPI = yaml.safe_load((Path(__file__).parents[3] / "docs/api/openapi.yaml").read_text())
JSON = {"content-type": "application/json"}


class Weir:
    """An engine with one anomaly connector, as extensions see it."""

    def __init__(self, run: Harness[Anomaly], **config: Any) -> None:
        self.run = run
        clock = FakeClock()
        telemetry = ComponentTelemetry("extension", "admin", clock)
        settings = Settings("admin", clock, Meter("admin", clock), telemetry)
        self.admin = Admin(AdminConfig.model_validate(config), settings)
        self.admin._host = self

    def status(self) -> Any:
        return {}

    def snapshots(self) -> Sequence[MetricSnapshot]:
        return []

    def ask(self, role: type[Any], question: Callable[[Any], Any]) -> dict[str, Any]:
        processor = self.run.processor
        return {"anomaly": question(processor)} if isinstance(processor, role) else {}

    def request(
        self, path: str, method: str = "GET", body: bytes = b"", headers: dict[str, str] | None = None
    ) -> Response:
        return self.admin.answer(Request(method, path, "", headers or {}, body, "127.0.0.1:1"))

    def json(self, path: str) -> Any:
        answer = self.request(path)
        assert answer.status == 200
        return json.loads(answer.body)

    def post(self, path: str, body: Any = None, **headers: str) -> Response:
        return self.request(path, "POST", json.dumps(body or {}).encode(), JSON | headers)


@pytest.fixture(scope="module")
def shop() -> Harness[Anomaly]:
    """A connector with one incident, which is open."""
    run = Harness(Anomaly, differs_by=["span.card.type"])
    play(run, range(62), lambda tick: {"payment:amex": 8.0} if tick >= 50 else None)
    return run


@pytest.fixture
def weir(shop: Harness[Anomaly]) -> Iterator[Weir]:
    yield Weir(shop)
    for mute in shop.processor.list_mutes():
        shop.processor.unmute_incident(mute["id"])


def problems(answer: Response, schema: str) -> list[str]:
    validator = Draft202012Validator({"$ref": f"#/components/schemas/{schema}", "components": OPENAPI["components"]})
    return [error.message for error in validator.iter_errors(json.loads(answer.body))]


def test_an_incident_is_shown_as_the_schema_says(weir: Weir) -> None:
    assert problems(weir.request("/api/v1/incidents"), "IncidentList") == []
    [one] = weir.json("/api/v1/incidents")["incidents"]
    assert (one["root_service"], one["state"], one["component"]) == ("payment", "open", "anomaly")
    assert one["suspects"][0]["value"] == "amex"
    assert weir.json(f"/api/v1/incidents/{one['id']}") == one
    assert problems(weir.request(f"/api/v1/incidents/{one['id']}"), "Incident") == []


def test_muting_and_unmuting(weir: Weir) -> None:
    [one] = weir.json("/api/v1/incidents")["incidents"]
    path = f"/api/v1/incidents/{one['id']}"
    answer = weir.post(f"{path}/mute", {"duration_seconds": 3600, "reason": "known"})
    assert answer.status == 200
    assert problems(answer, "Muted") == []
    assert weir.json(path)["state"] == "muted"
    assert problems(weir.request("/api/v1/mutes"), "MuteList") == []
    [mute] = weir.json("/api/v1/mutes")["mutes"]
    assert (mute["id"], mute["reason"], mute["until"] - mute["made"]) == (one["id"], "known", 3600)
    assert weir.post(f"{path}/unmute").status == 200
    assert weir.json("/api/v1/mutes") == {"mutes": []}
    assert weir.post(f"{path}/unmute").status == 404


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 415),
        ({"content-type": "text/plain"}, 415),
        ({"content-type": "application/x-www-form-urlencoded"}, 415),
        (JSON | {"origin": "http://127.0.0.1:8890"}, 403),
        (JSON | {"origin": "null"}, 403),
    ],
)
def test_web_pages_change_nothing(weir: Weir, headers: dict[str, str], status: int) -> None:
    [one] = weir.json("/api/v1/incidents")["incidents"]
    answer = weir.request(f"/api/v1/incidents/{one['id']}/mute", "POST", b"{}", headers)
    assert (answer.status, problems(answer, "Error")) == (status, [])
    assert weir.json("/api/v1/mutes") == {"mutes": []}
    assert not any(name.startswith("access-control") for name in answer.headers)


def test_from_elsewhere_a_change_needs_the_token(weir: Weir) -> None:
    [one] = weir.json("/api/v1/incidents")["incidents"]
    path = f"/api/v1/incidents/{one['id']}/mute"
    assert Weir(weir.run, endpoint="0.0.0.0:8890").post(path).status == 403
    fenced = Weir(weir.run, endpoint="0.0.0.0:8890", token="s3cret")  # noqa: S106 - of this test
    for given in ("", "Bearer wrong", "Bearer ", "s3cret", "Bearer ß"):
        answer = fenced.post(path, None, **({"authorization": given} if given else {}))
        assert (answer.status, answer.headers["www-authenticate"]) == (401, "Bearer")
        assert b"s3cret" not in answer.body
    assert fenced.request("/api/v1/incidents").status == 200
    assert weir.json("/api/v1/mutes") == {"mutes": []}
    assert fenced.post(path, None, authorization="Bearer s3cret").status == 200


@pytest.mark.parametrize(
    "body",
    [
        b"{",
        b"[]",
        b"[" * 100_000,
        b'"x"',
        b'{"duration": 5}',
        b'{"duration_seconds": 0}',
        b'{"duration_seconds": -1}',
        b'{"duration_seconds": 1e999}',
        b'{"duration_seconds": NaN}',
        b'{"duration_seconds": true}',
        b'{"duration_seconds": "1h"}',
        b'{"reason": 5}',
        b'{"reason": "' + b"x" * 501 + b'"}',
        b"\xff\xfe",
    ],
)
def test_what_is_no_mute_is_refused(weir: Weir, body: bytes) -> None:
    [one] = weir.json("/api/v1/incidents")["incidents"]
    answer = weir.request(f"/api/v1/incidents/{one['id']}/mute", "POST", body, JSON)
    assert (answer.status, problems(answer, "Error")) == (400, [])


@pytest.mark.parametrize(
    ("path", "method", "status"),
    [
        ("/api/v1/incidents", "POST", 405),
        ("/api/v1/incidents/x", "GET", 404),
        ("/api/v1/incidents/x/mute", "GET", 405),
        ("/api/v1/incidents/x/mute", "POST", 404),
        ("/api/v1/incidents/x/delete", "POST", 404),
        ("/api/v1/incidents/", "GET", 404),
        ("/api/v1/mutes", "DELETE", 405),
        ("/api/v1/mutes/x", "GET", 404),
    ],
)
def test_what_is_not_there_is_refused_in_json(weir: Weir, path: str, method: str, status: int) -> None:
    answer = weir.request(path, method, b"{}", JSON)
    assert (answer.status, answer.content_type, problems(answer, "Error")) == (status, "application/json", [])


def test_the_anomaly_connector_keeps_incidents() -> None:
    assert issubclass(Anomaly, IncidentKeeper)
