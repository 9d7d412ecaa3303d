"""What ``resourcedetection`` knows, and whose word counts."""

from __future__ import annotations

import socket
import sys
from typing import Any

import pytest
from pydantic import ValidationError

from pipeline.model.attribute_text import plain_value
from pipeline.testing import Harness, log_batch, metric_batch, span_batch
from processors.resourcedetection import ResourceDetection

BUILDERS: dict[str, Any] = {"traces": span_batch, "metrics": metric_batch, "logs": log_batch}


def detected(before: dict[str, Any], signal: str = "traces", **config: Any) -> dict[str, Any]:
    harness = Harness(ResourceDetection, **config)
    batch = BUILDERS[signal](service=None, resource=before)
    out = harness.process(batch)
    assert next(iter(out.iter())) == next(iter(batch.iter()))
    return {pair.key: plain_value(pair.value) for pair in out.resource(0).attributes}


@pytest.mark.parametrize("signal", BUILDERS)
def test_env_names_attributes_of_all_signals(signal: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OTEL_RESOURCE_ATTRIBUTES", "team=shop, note=a%2Cb%3D%C3%A4 ,empty=,")
    assert detected({"k": 1}, signal) == {"k": 1, "team": "shop", "note": "a,b=ä"}


def test_the_older_variable_is_read_where_the_newer_one_is_empty(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OTEL_RESOURCE", "a=1")
    monkeypatch.delenv("OTEL_RESOURCE_ATTRIBUTES", raising=False)
    assert detected({}) == {"a": "1"}
    monkeypatch.setenv("OTEL_RESOURCE_ATTRIBUTES", "b=2")
    assert detected({}) == {"b": "2"}


def test_system_knows_the_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    config: dict[str, Any] = {"detectors": ["system"], "system": {"hostname_sources": ["os"]}}
    assert detected({}, **config) == {"host.name": socket.gethostname(), "os.type": sys.platform}
    config["system"]["resource_attributes"] = {"os.type": {"enabled": False}, "host.arch": {"enabled": True}}
    assert detected({}, **config).keys() == {"host.name", "host.arch"}
    monkeypatch.setattr(socket, "getfqdn", lambda: "one.example.com")
    assert detected({}, detectors=["system"])["host.name"] == "one.example.com"
    monkeypatch.setattr(socket, "getfqdn", lambda: "localhost")
    assert detected({}, detectors=["system"])["host.name"] == socket.gethostname()


@pytest.mark.parametrize(("override", "expected"), [(True, "env"), (False, "sender")])
def test_override_says_whose_word_counts(override: bool, expected: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OTEL_RESOURCE_ATTRIBUTES", "host.name=env,more=1")
    found = detected({"host.name": "sender"}, detectors=["env", "system"], override=override)
    assert found["host.name"] == expected
    assert found["more"] == "1"


def test_the_first_detector_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OTEL_RESOURCE_ATTRIBUTES", "host.name=env")
    assert detected({}, detectors=["env", "system"])["host.name"] == "env"
    assert detected({}, detectors=["system", "env"])["host.name"] != "env"


def test_detectors_that_ask_somebody_are_named_in_the_log(caplog: pytest.LogCaptureFixture) -> None:
    assert detected({"k": 1}, detectors=["gcp", "docker"]) == {"k": 1}
    assert [record.getMessage() for record in caplog.records].count("a detector knows nothing here") == 2


@pytest.mark.parametrize(
    ("config", "what"),
    [
        ({"detectors": ["evn"]}, 'there is no detector "evn"; here there are env and system'),
        ({"system": {"resource_attributes": {"host.id": {"enabled": True}}}}, "host.id is not detected"),
    ],
)
def test_what_is_not_known_is_refused(config: dict[str, Any], what: str) -> None:
    with pytest.raises(ValidationError, match=what):
        ResourceDetection.Config.model_validate(config)


def test_a_variable_that_is_no_list_of_pairs_stops_the_start(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OTEL_RESOURCE_ATTRIBUTES", "team shop")
    with pytest.raises(ValueError, match="key=value"):
        Harness(ResourceDetection)
