"""``weir incidents`` against a running engine, over HTTP."""

from __future__ import annotations

import json
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from prometheus_client.openmetrics.parser import text_string_to_metric_families
from typer.testing import CliRunner

from pipeline.admin_client import say
from pipeline.cli import app
from pipeline.service.engine import Engine
from pipeline.testing import FakeClock, span_batch
from tests.integration.destinations import http_destination
from tests.unit.processors.anomaly.shop import calls
from tests.unit.service.parts import checked

CONFIGURATION = """
receivers: {feed: }
connectors: {anomaly: {differs_by: [span.card.type]}}
exporters: {metrics: , debug: }
extensions: {admin: {endpoint: "127.0.0.1:0"}}
service:
  extensions: [admin]
  pipelines:
    traces: {receivers: [feed], exporters: [anomaly]}
    metrics: {receivers: [anomaly], exporters: [metrics]}
    logs: {receivers: [anomaly], exporters: [debug]}
"""


@pytest.fixture(scope="module")
def endpoint() -> Iterator[str]:
    """A shop whose payments by one card are slow."""
    clock = FakeClock()
    engine = Engine(checked(CONFIGURATION), clock)
    engine.start()
    consume = engine.graph.consumers["feed", "traces"]
    for tick in range(62):
        consume(span_batch(spans=calls(tick, fault={"payment:amex": 8.0} if tick >= 50 else None)))
        clock.advance(10)
    admin: Any = engine.graph.extensions["admin"]
    yield "http://{}:{}".format(*admin.address)
    engine.stop(1.0)


def test_incidents_reach_files_and_other_destinations(tmp_path: Path) -> None:
    """The records in a file and at an OTLP destination are those that were emitted."""
    path = tmp_path / "incidents.json"
    text = CONFIGURATION.replace("debug: }", f"file: {{path: {path}}}, otlphttp: {{endpoint: URL}}}}")
    text = text.replace("[debug]", "[file, otlphttp]").replace("extensions: [admin]", "extensions: []")
    with http_destination() as (url, ledger):
        clock = FakeClock()
        engine = Engine(checked(text.replace("URL", url)), clock)
        engine.start()
        consume = engine.graph.consumers["feed", "traces"]
        for tick in range(80):
            fault = {"payment:amex": 8.0} if 50 <= tick < 65 else None
            consume(span_batch(spans=calls(tick, fault=fault)))
            clock.advance(10)
        engine.stop(10.0)
        sent = [ExportLogsServiceRequest.FromString(request["payload"]) for request in ledger.requests]
    assert [request["path"] for request in ledger.requests] == ["/v1/logs"] * len(sent)
    names = [
        record["eventName"]
        for line in path.read_text().splitlines()
        for resource in json.loads(line)["resourceLogs"]
        for scope in resource["scopeLogs"]
        for record in scope["logRecords"]
    ]
    found = [r.event_name for one in sent for res in one.resource_logs for s in res.scope_logs for r in s.log_records]
    assert names == found
    incidents = [name for name in names if name.startswith("weir.incident.")]
    assert (incidents[0], incidents[-1]) == ("weir.incident.opened", "weir.incident.resolved")


def weir(endpoint: str, *arguments: str) -> str:
    result = CliRunner().invoke(app, ["incidents", *arguments, "--endpoint", endpoint])
    assert result.exit_code == 0, result.output
    return result.output


def test_list_show_mute_unmute(endpoint: str) -> None:
    [line] = weir(endpoint, "list").splitlines()
    name, state, severity, root, *evidence = line.split()
    assert (state, severity, root) == ("open", "warning", "payment")
    assert evidence[:2] == ["payment", "exclusive"]
    story = weir(endpoint, "show", name)
    assert "% of slow spans have card.type=amex against" in story
    assert f"{name}: open, warning" in story
    shown = json.loads(weir(endpoint, "show", name, "--json"))
    assert shown["causes"][0]["service"] == "payment"
    assert shown["exemplars"][0]["trace_id"] in story

    assert weir(endpoint, "mute", name, "--for", "2h", "--reason", "known") == f"{name} is muted for 2h\n"
    assert weir(endpoint, "list").split()[1] == "muted"
    mutes = weir(endpoint, "list", "--mutes")
    assert name in mutes
    assert "known" in mutes
    weir(endpoint, "unmute", name)
    assert weir(endpoint, "list", "--mutes") == "no mutes\n"


@pytest.mark.parametrize(
    ("arguments", "status", "said"),
    [
        (["show", "nobody"], 1, "no such incident is known"),
        (["mute", "nobody"], 1, "no such incident is known"),
        (["unmute", "a/b"], 1, "there is no such mute"),
        (["mute", "nobody", "--for", "soon"], 2, "soon"),
    ],
)
def test_what_cannot_be_done_is_explained(endpoint: str, arguments: list[str], status: int, said: str) -> None:
    result = CliRunner().invoke(app, ["incidents", *arguments, "--endpoint", endpoint])
    assert result.exit_code == status
    assert said in result.output


def test_names_cannot_play_with_the_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    say("evil\x1b[2Jservice\r\u202e →  fine")
    assert capsys.readouterr().out == "evil\ufffd[2Jservice\ufffd\ufffd →  fine\n"


def test_exemplars_are_on_the_metrics_page() -> None:
    """The ids on the page are those of the event."""
    text = CONFIGURATION.replace(
        "metrics: , debug: }", 'prometheus: {endpoint: "127.0.0.1:0", enable_open_metrics: true}}'
    )
    text = text.replace("[metrics]", "[prometheus]").replace("extensions: [admin]", "extensions: []")
    text = "\n".join(line for line in text.splitlines() if "logs:" not in line)
    clock = FakeClock()
    engine = Engine(checked(text), clock)
    engine.start()
    consume = engine.graph.consumers["feed", "traces"]
    for tick in range(62):
        consume(span_batch(spans=calls(tick, fault={"payment:amex": 8.0} if tick >= 50 else None)))
        clock.advance(10)
    exporter: Any = engine.graph.exporters["prometheus"]
    request = urllib.request.Request(
        "http://{}:{}/metrics".format(*exporter.address), headers={"accept": "application/openmetrics-text"}
    )
    with urllib.request.urlopen(request, timeout=20) as answer:
        page = answer.read().decode()
    anomaly: Any = engine.graph.processors["connectors", "anomaly"]
    [incident] = anomaly.list_incidents()
    engine.stop(1.0)
    families = {family.name: family for family in text_string_to_metric_families(page)}
    found = [
        sample.exemplar.labels
        for name in ("weir_incident_time_to_detect_seconds", "weir_anomaly_onsets")
        for sample in families[name].samples
        if sample.exemplar
    ]
    assert found[0] in incident["exemplars"]
    assert len(found) > 1


def test_nobody_at_home() -> None:
    result = CliRunner().invoke(app, ["incidents", "list", "--endpoint", "http://127.0.0.1:1"])
    assert result.exit_code == 1
    assert "is the extension `admin` configured?" in result.output
