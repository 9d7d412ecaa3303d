"""Incidents as alerts of an Alertmanager and annotations of Grafana, to servers that record what they get."""

from __future__ import annotations

import contextlib
import datetime
from collections.abc import Iterator
from typing import Any

import pytest
from pydantic import ValidationError

from pipeline.api import LogBatch, LogRecord, Meter, Settings
from pipeline.codec.otlp_logs import LogsProjection
from pipeline.codec.otlp_logs_encode import encode
from pipeline.exporters.alertmanager import AlertmanagerExporter
from pipeline.exporters.grafana_annotations import GrafanaAnnotationsExporter
from pipeline.exporters.incident_push import IncidentPush
from pipeline.service.clock import SystemClock
from pipeline.telemetry import ComponentTelemetry, OwnMetrics
from pipeline.testing import START_UNIX_NANO, FakeClock, Harness, log_batch
from processors.anomaly import Anomaly
from processors.anomaly.events import incident_event
from processors.anomaly.incidents import Change, Incident
from tests.integration.http_recorder import Recorder, Seen, recorder
from tests.unit.processors.anomaly.shop import play

START_S = START_UNIX_NANO / 1e9
FAST = {"initial_interval": "1ms", "max_interval": "2ms"}


class WallClock(FakeClock):
    """Says what the test wants; intervals pass by themselves."""

    def monotonic_nano(self) -> int:
        return SystemClock().monotonic_nano()


class Exporting:
    """An exporter, started."""

    def __init__(self, cls: type[IncidentPush], **config: Any) -> None:
        self.clock = WallClock()
        self.own = OwnMetrics()
        telemetry = ComponentTelemetry("exporter", "push", self.clock, self.own)
        checked: Any = cls.Config.model_validate({"retry_on_failure": FAST} | config)
        self.exporter: Any = cls(checked, Settings("push", self.clock, Meter("test", self.clock), telemetry))
        self.exporter.start(list)

    def tell(self, *records: LogRecord) -> None:
        batch, _ = LogsProjection(self.exporter.reads).decode(encode(records, "test"))
        assert isinstance(batch, LogBatch)
        self.exporter.export_logs(batch)

    def value(self, name: str, **labels: str) -> float:
        return self.own.value(name, exporter="push", **labels)


@contextlib.contextmanager
def exporting(cls: type[IncidentPush], **config: Any) -> Iterator[Exporting]:
    found = Exporting(cls, **config)
    try:
        yield found
    finally:
        found.exporter.drain(10.0)
        found.exporter.shutdown()


def incident(**more: Any) -> Incident:
    fields: dict[str, Any] = {
        "id": "20260101T000010Z-payment",
        "opened": START_S + 10,
        "updated": START_S + 10,
        "ranking": ["payment", "shop"],
        "scores": [31.5, 4.0],
        "services": ["payment"],
        "score": 31.5,
        "severity": "warning",
        "evidence": ["payment exclusive time 6.1× expected on Charge", "93 % of slow spans have card.type=amex"],
        "differs": [("card.type", "amex", 0.93, 0.21)],
        "exemplars": [("ab" * 16, "cd" * 8)],
        "began": START_S,
    }
    return Incident(**fields | more)


def told(what: str, after_s: float, **more: Any) -> LogRecord:
    return incident_event(Change(what, incident(**more), START_S + 10 + after_s))


def moment(text: str) -> float:
    return datetime.datetime.fromisoformat(text).timestamp() - START_S


# Alertmanager


def test_an_alert_begins_and_ends() -> None:
    with (
        recorder() as server,
        exporting(
            AlertmanagerExporter,
            endpoint=f"{server.url}/am/",
            generator_url="http://weir/{id}",
            labels={"team": "shop"},
            annotations={"runbook_url": "http://runbooks/WeirIncident"},
            headers={"Authorization": "Bearer t"},
        ) as push,
    ):
        push.tell(told("opened", 0), told("resolved", 60))
        begin, end = server.wait_for(2)
    assert (begin.method, begin.path, begin.headers["authorization"]) == ("POST", "/am/api/v2/alerts", "Bearer t")
    assert begin.headers["content-type"] == "application/json"
    [alert] = begin.body
    assert alert["labels"] == {
        "alertname": "WeirIncident",
        "incident": "20260101T000010Z-payment",
        "service_name": "payment",
        "severity": "info",
        "team": "shop",
    }
    assert alert["annotations"] == {
        "summary": "Incident opened: payment is the likeliest cause: payment exclusive time 6.1× expected on Charge; "
        "93 % of slow spans have card.type=amex.",
        "description": "payment exclusive time 6.1× expected on Charge\n93 % of slow spans have card.type=amex",
        "causes": "payment, shop",
        "suspects": "card.type=amex",
        "trace_id": "ab" * 16,
        "runbook_url": "http://runbooks/WeirIncident",
    }
    assert alert["generatorURL"] == "http://weir/20260101T000010Z-payment"
    assert (moment(alert["startsAt"]), moment(alert["endsAt"])) == (10, 240)
    [over] = end.body
    assert (over["labels"], moment(over["endsAt"])) == (alert["labels"], 70)


def test_an_open_alert_is_repeated_before_it_expires_and_not_after_its_end() -> None:
    with recorder() as server, exporting(AlertmanagerExporter, endpoint=server.url, resend_interval="1h") as push:
        push.tell(told("opened", 0))
        push.clock.advance(3600)
        push.exporter.resend()
        first, again = server.wait_for(2)
        assert moment(first.body[0]["endsAt"]) == 4 * 3600 > 3600
        assert moment(again.body[0]["endsAt"]) == 5 * 3600
        assert again.body[0]["labels"] == first.body[0]["labels"]
        push.tell(told("resolved", 3700))
        push.exporter.resend()
        push.tell(told("opened", 4000, id="another"))
        assert len(server.wait_for(4)) == 4


def test_it_repeats_by_itself() -> None:
    with recorder() as server, exporting(AlertmanagerExporter, endpoint=server.url, resend_interval="10ms") as push:
        push.tell(told("opened", 0))
        assert all(seen.body[0]["labels"]["service_name"] == "payment" for seen in server.wait_for(4))


def test_a_rising_severity_ends_the_old_alert_in_the_same_message() -> None:
    with recorder() as server, exporting(AlertmanagerExporter, endpoint=server.url) as push:
        push.tell(
            told("opened", 0), told("updated", 30, severity="critical"), told("resolved", 60, severity="critical")
        )
        _, risen, over = server.wait_for(3)
    old, new = risen.body
    assert (old["labels"]["severity"], moment(old["endsAt"])) == ("info", 40)
    assert (new["labels"]["severity"], moment(new["endsAt"])) == ("ticket", 240)
    assert [alert["labels"]["severity"] for alert in over.body] == ["ticket"]


def test_a_muted_incident_ends_its_alert() -> None:
    with recorder() as server, exporting(AlertmanagerExporter, endpoint=server.url) as push:
        push.tell(told("opened", 0), told("muted", 20))
        _, muted = server.wait_for(2)
    assert moment(muted.body[0]["endsAt"]) == 30


def test_what_may_pass_is_tried_again_in_order_and_what_may_not_is_counted() -> None:
    busy: Any = (429, {"retry-after": "0"}, {})
    broken: Any = (500, {}, {})
    wrong: Any = (400, {}, {"message": "bad label"})
    with (
        recorder(busy, broken, (200, {}, {}), wrong) as server,
        exporting(AlertmanagerExporter, endpoint=server.url) as push,
    ):
        push.tell(told("opened", 0), told("updated", 5), told("resolved", 10))
        seen = server.wait_for(5)
        assert [moment(one.body[0]["endsAt"]) for one in seen] == [240, 240, 240, 240, 20]
        push.exporter.drain(10)
        assert push.value("weir_exporter_retries", reason="http_429") == 1
        assert push.value("weir_exporter_retries", reason="http_500") == 1
        assert push.value("otelcol_exporter_send_failed_log_records", reason="http_400") == 1
        assert push.value("otelcol_exporter_sent_log_records") == 2


def test_records_that_are_no_incident_are_left_out_and_counted() -> None:
    foreign = LogRecord("hello")
    odd = LogRecord("x", event_name="weir.incident.opened", attributes={"weir.incident.id": 5})
    with recorder() as server, exporting(AlertmanagerExporter, endpoint=server.url) as push:
        push.tell(foreign, odd, LogRecord("y", event_name="weir.incident.exploded"), told("opened", 0))
        assert len(server.wait_for(1)) == 1
        push.exporter.drain(10)
        assert push.value("weir_exporter_ignored_log_records", reason="no_incident") == 2
        assert push.value("weir_exporter_ignored_log_records", reason="malformed") == 1
        assert len(server.seen) == 1
        push.exporter.export_logs(log_batch(3))


@pytest.mark.parametrize(
    "config",
    [
        {},
        {"endpoint": "alertmanager:9093"},
        {"endpoint": "http://am", "api_version": "v1"},
        {"endpoint": "http://am", "sending_queue": {"num_consumers": 2}},
        {"endpoint": "http://am", "resend_interval": "0s"},
        {"endpoint": "http://am", "severities": {"fatal": "page"}},
        {"endpoint": "http://user:password@am"},
    ],
)
def test_a_configuration_that_cannot_work_is_refused(config: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        AlertmanagerExporter.Config.model_validate(config)


def test_a_queue_may_be_made_smaller() -> None:
    config: Any = AlertmanagerExporter.Config.model_validate(
        {"endpoint": "http://am:9093", "sending_queue": {"queue_size": 10}}
    )
    assert (config.sending_queue.queue_size, config.sending_queue.num_consumers) == (10, 1)


# Grafana


class Grafana:
    """Keeps annotations as Grafana does."""

    def __init__(self, server: Recorder) -> None:
        self.annotations: dict[int, dict[str, Any]] = {}
        server.script = [self.answer] * 100

    def answer(self, request: Seen) -> tuple[int, dict[str, str], Any]:
        if request.method == "POST":
            number = len(self.annotations) + 7
            self.annotations[number] = dict(request.body)
            return 200, {}, {"message": "Annotation added", "id": number}
        if request.method == "PATCH":
            number = int(request.path.rpartition("/")[2])
            if number not in self.annotations:
                return 404, {}, {"message": "not found"}
            self.annotations[number].update(request.body)
            return 200, {}, {"message": "Annotation patched"}
        wanted = request.path.partition("tags=")[2].partition("&")[0].replace("%3A", ":")
        found = [{"id": n} for n, one in self.annotations.items() if wanted in one["tags"]]
        return 200, {}, found[:1]


@contextlib.contextmanager
def grafana(**config: Any) -> Iterator[tuple[Grafana, Recorder, Exporting]]:
    with recorder() as server:
        kept = Grafana(server)
        with exporting(GrafanaAnnotationsExporter, endpoint=server.url, **config) as push:
            yield kept, server, push


def test_an_incident_becomes_a_region() -> None:
    with grafana(dashboard_uid="shop", panel_id=4, headers={"authorization": "Bearer g"}) as (kept, server, push):
        push.tell(told("opened", 0), told("updated", 20, evidence=["<b>worse</b>", "and worse"]), told("resolved", 60))
        seen = server.wait_for(3)
        push.exporter.drain(10)
    assert [one.method for one in seen] == ["POST", "PATCH", "PATCH"]
    assert {one.headers["authorization"] for one in seen} == {"Bearer g"}
    [annotation] = kept.annotations.values()
    assert (annotation["dashboardUID"], annotation["panelId"]) == ("shop", 4)
    assert annotation["time"] == (START_S + 10) * 1000
    assert annotation["timeEnd"] == (START_S + 70) * 1000
    assert annotation["tags"] == ["weir", "incident", "service:payment", "incident:20260101T000010Z-payment"]
    assert "&lt;b&gt;worse" in seen[1].body["text"]
    assert annotation["text"].startswith("Incident resolved: payment is the likeliest cause")


def test_after_a_restart_the_annotation_is_found_by_its_tag() -> None:
    with grafana() as (kept, server, push):
        push.tell(told("opened", 0))
        server.wait_for(1)
        with exporting(GrafanaAnnotationsExporter, endpoint=server.url) as later:
            later.tell(told("resolved", 60))
            later.exporter.drain(10)
    assert [one.method for one in server.seen] == ["POST", "GET", "PATCH"]
    [annotation] = kept.annotations.values()
    assert annotation["timeEnd"] - annotation["time"] == 60_000


def test_an_end_without_a_begin_brings_the_whole_region() -> None:
    with grafana() as (kept, server, push):
        push.tell(told("resolved", 60))
        push.exporter.drain(10)
    assert [one.method for one in server.seen] == ["GET", "POST"]
    [annotation] = kept.annotations.values()
    assert annotation["timeEnd"] - annotation["time"] == 60_000


def test_a_begin_that_is_refused_is_made_up_for_at_the_end() -> None:
    with recorder() as server:
        kept = Grafana(server)
        server.script.insert(0, (403, {}, {"message": "no permission"}))
        with exporting(GrafanaAnnotationsExporter, endpoint=server.url) as push:
            push.tell(told("opened", 0), told("resolved", 60))
            push.exporter.drain(10)
            assert push.value("otelcol_exporter_send_failed_log_records", reason="http_403") == 1
    assert len(kept.annotations) == 1


def test_the_events_of_the_connector_are_understood() -> None:
    """From spans to alerts and annotations."""
    run = Harness(Anomaly, differs_by=["span.card.type"])
    play(run, range(80), lambda tick: {"payment:amex": 8.0} if 50 <= tick < 65 else None)
    with recorder() as am, exporting(AlertmanagerExporter, endpoint=am.url) as alerts, grafana() as (kept, _, notes):
        for push in (alerts, notes):
            push.tell(*run.logs())
            push.exporter.drain(10)
        last = am.seen[-1].body[0]
        assert alerts.value("weir_exporter_ignored_log_records", reason="malformed") == 0
    assert last["labels"]["service_name"] == "payment"
    assert "card.type=amex" in last["annotations"]["suspects"]
    assert moment(last["endsAt"]) > moment(last["startsAt"]) > 500
    [annotation] = kept.annotations.values()
    assert annotation["timeEnd"] > annotation["time"]
