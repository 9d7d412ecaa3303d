"""Answers to probes."""

import json
from typing import Any, cast

import pytest
from pydantic import ValidationError

from pipeline.api import Meter, Settings
from pipeline.extensions.health_check import HealthCheck, HealthCheckConfig
from pipeline.http_server import Request, Response
from pipeline.telemetry import ComponentTelemetry
from pipeline.testing import START_UNIX_NANO, FakeClock


class Host:
    def __init__(self, **status: Any) -> None:
        self._status = status

    def status(self) -> Any:
        return {"ready": True, "live": True, "started_unix_nano": START_UNIX_NANO - 62_000_000_000} | self._status


def ask(target: str = "/", method: str = "GET", host: Host | None = None, **config: Any) -> Response:
    clock = FakeClock()
    telemetry = ComponentTelemetry("extension", "health_check", clock)
    settings = Settings("health_check", clock, Meter("health_check", clock), telemetry)
    check = HealthCheck(HealthCheckConfig.model_validate(config), settings)
    check._host = cast(Any, host or Host())
    return check.answer(Request(method, target, "", {}, b"", "127.0.0.1:1"))


def test_a_healthy_weir_answers_as_the_collector_does() -> None:
    response = ask()
    assert (response.status, response.content_type) == (200, "application/json")
    assert json.loads(response.body) == {
        "status": "Server available",
        "upSince": "2025-12-31T23:58:58Z",
        "uptime": "1m2s",
    }


def test_an_unhealthy_weir_answers_503() -> None:
    response = ask(host=Host(ready=False))
    assert response.status == 503
    assert json.loads(response.body) == {
        "status": "Server not available",
        "upSince": "0001-01-01T00:00:00Z",
        "uptime": "",
    }


def test_readiness_and_liveness_are_different_questions() -> None:
    starting, stuck = Host(ready=False), Host(live=False)
    assert [ask(path, host=starting).status for path in ("/ready", "/live")] == [503, 200]
    assert [ask(path, host=stuck).status for path in ("/ready", "/live")] == [200, 503]


def test_the_body_can_be_fixed() -> None:
    body = {"healthy": "fine", "unhealthy": "ill"}
    assert ask(response_body=body).body == b"fine"
    assert ask(response_body=body, host=Host(ready=False)).body == b"ill"
    assert ask(response_body={"healthy": "fine"}, host=Host(ready=False)).content_type == "application/json"


@pytest.mark.parametrize(
    ("path", "method", "status"),
    [("/nope", "GET", 404), ("//", "GET", 404), ("/health", "POST", 405), ("/health", "HEAD", 200), ("/", "GET", 404)],
)
def test_other_paths_and_methods_are_refused(path: str, method: str, status: int) -> None:
    assert ask(path, method, path="/health").status == status


def test_the_path_must_be_absolute() -> None:
    with pytest.raises(ValidationError, match="must begin with /"):
        HealthCheckConfig(path="health")
