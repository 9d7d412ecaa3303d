"""What people get to see of an incident: events, exemplars, sentences."""

from __future__ import annotations

import json
import math
import re
from typing import Any

import pytest

from pipeline.api import LogRecord
from pipeline.model.snapshot import HistogramValues, NumberValues
from pipeline.testing import START_UNIX_NANO, Harness, metric_batch
from processors.anomaly import Anomaly, names
from processors.anomaly.findings import Finding, from_json, merged
from processors.anomaly.series_bank import Series
from tests.unit.processors.anomaly.shop import calls, play, send

START_S = START_UNIX_NANO / 1e9
DIFFERS = {"differs_by": ["span.card.type"]}


def fault(tick: int) -> dict[str, float] | None:
    return {"payment:amex": 8.0} if 50 <= tick < 65 else None


@pytest.fixture(scope="module")
def incident() -> tuple[Harness[Anomaly], list[LogRecord]]:
    """A shop in which payments by one card are slow for a while."""
    run = Harness(Anomaly, **DIFFERS)
    play(run, range(80), fault)
    return run, run.logs()


def of(records: list[LogRecord], name: str) -> list[LogRecord]:
    return [record for record in records if record.event_name == name]


def test_an_incident_is_told_in_events(incident: tuple[Harness[Anomaly], list[LogRecord]]) -> None:
    _, records = incident
    told = [record for record in records if record.event_name.startswith(names.INCIDENT_EVENT)]
    assert [record.event_name for record in told] == [
        "weir.incident.opened",
        *["weir.incident.updated"] * (len(told) - 2),
        "weir.incident.resolved",
    ]
    opened, resolved = told[0], told[-1]
    assert (opened.severity, resolved.severity) == ("warn", "info")
    assert opened.resource == {"service.name": "payment"}
    assert opened.attributes[names.EVENT_ROOT] == "payment"
    assert opened.attributes[names.EVENT_ID] == resolved.attributes[names.EVENT_ID]
    assert START_S + 510 <= opened.time_unix_nano / 1e9 <= START_S + 600
    assert 0 <= opened.attributes[names.EVENT_TIME_TO_DETECT] <= 100
    took = resolved.attributes[names.EVENT_TIME_TO_RESOLVE]
    assert took == pytest.approx((resolved.time_unix_nano - opened.time_unix_nano) / 1e9)
    assert resolved.attributes[names.EVENT_OUTCOME] == "resolved"


def test_causes_are_ranked_with_their_scores(incident: tuple[Harness[Anomaly], list[LogRecord]]) -> None:
    [opened] = of(incident[1], "weir.incident.opened")
    causes = opened.attributes[names.EVENT_CAUSES]
    assert causes[0]["service"] == "payment"
    scores = [cause["score"] for cause in causes]
    assert scores == sorted(scores, reverse=True)
    assert scores[0] >= 20.0


def test_the_evidence_is_spelled_out(incident: tuple[Harness[Anomaly], list[LogRecord]]) -> None:
    last = of(incident[1], "weir.incident.updated")[-1]
    assert re.fullmatch(
        r"Incident updated: payment is the likeliest cause: payment exclusive time [\d.]+× expected on Charge; .*"
        r"\d+ % of slow spans have card\.type=amex against \d+ % before\.",
        last.body,
    )
    [suspect] = last.attributes[names.EVENT_SUSPECTS]
    assert (suspect["attribute"], suspect["value"]) == ("card.type", "amex")
    assert suspect["share"] > 0.6 > suspect["share_before"]


def test_examples_are_the_slowest_spans_of_the_root_in_their_tick(
    incident: tuple[Harness[Anomaly], list[LogRecord]],
) -> None:
    """The oracle sorts the spans that were sent."""
    for opened in of(incident[1], "weir.incident.opened"):
        tick = round(opened.time_unix_nano / 1e9 - START_S) // 10 - 1
        charges = [span for span in calls(tick, fault=fault(tick)) if span["service"] == "payment"]
        slowest = sorted(charges, key=lambda span: -span["duration_nano"])
        wanted = [{"trace_id": span["trace_id"].hex(), "span_id": span["span_id"].hex()} for span in slowest]
        assert opened.attributes[names.EVENT_EXEMPLARS] == wanted[:5]
        assert (opened.trace_id.hex(), opened.span_id.hex()) == tuple(wanted[0].values())


def test_exemplars_of_the_metrics_lead_to_the_same_spans(incident: tuple[Harness[Anomaly], list[LogRecord]]) -> None:
    run, records = incident
    [opened] = of(records, "weir.incident.opened")
    metrics = {metric.name: metric for metric in run.collect().metrics}
    values = metrics["weir_incident_time_to_detect"].values
    assert isinstance(values, HistogramValues)
    assert values.exemplars is not None
    assert values.exemplars.trace_id[0].tobytes() == opened.trace_id
    assert values.exemplars.span_id[0].tobytes() == opened.span_id
    onsets = metrics["weir_anomaly_onsets"].values
    assert isinstance(onsets, NumberValues)
    assert onsets.exemplars is not None
    told = {record.trace_id for record in of(records, names.ANOMALY_OPENED)}
    assert {one.tobytes() for one in onsets.exemplars.trace_id} <= told


def test_each_anomaly_is_told_when_it_begins_and_when_it_ends(
    incident: tuple[Harness[Anomaly], list[LogRecord]],
) -> None:
    run, records = incident
    opened, resolved = of(records, names.ANOMALY_OPENED), of(records, names.ANOMALY_RESOLVED)
    charge = [one for one in opened if one.attributes.get(names.EVENT_SIGNAL) == "duration"]
    assert charge[0].resource == {"service.name": "payment"}
    assert charge[0].attributes[names.EVENT_OBSERVED] > charge[0].attributes[names.EVENT_UPPER] > 0
    assert charge[0].body.startswith("Anomaly opened: payment exclusive time ")
    assert len(charge[0].trace_id) == 16
    assert len(opened) == len(resolved) > 0
    counted = sum(point.value for point in run.metrics() if point.name == "weir_anomaly_onsets")
    assert counted == len(opened)


def test_the_evidence_is_that_of_the_worst_tick_also_when_told_later(
    incident: tuple[Harness[Anomaly], list[LogRecord]],
) -> None:
    """The suspects may be found in a tick that happens to be usual."""
    told = [one for one in incident[1] if one.event_name.startswith(names.INCIDENT_EVENT)]
    found = [re.findall(r"exclusive time ([\d.]+)× expected on Charge", one.body) for one in told]
    factors = [float(one) for several in found for one in several]
    assert len(factors) == len(told)
    assert factors == sorted(factors)
    assert factors[0] > 1.5


def test_findings_are_kept_at_their_farthest() -> None:
    duration, errors = Series("duration", "pay", "Charge"), Series("errors", "pay")
    known = merged([], [Finding(duration, 9.0, 2.0, 1.0), Finding(errors, 4.0, math.nan, 0.0)])
    later = merged(known, [Finding(duration, 3.0, 1.1, 1.0), Finding(errors, 12.0, 0.5, 0.0)])
    assert later == [Finding(errors, 12.0, 0.5, 0.0), Finding(duration, 9.0, 2.0, 1.0)]
    assert from_json(json.loads(json.dumps(later))) == later


def test_failures_are_called_failures() -> None:
    run = Harness(Anomaly, **DIFFERS)
    play(run, range(60), lambda tick: {"payment!": 0.7, "payment": 0.3} if tick >= 50 else None)
    [opened] = of(run.logs(), "weir.incident.opened")
    assert any(re.fullmatch(r"payment \d+ % of calls failed", one) for one in opened.attributes[names.EVENT_EVIDENCE])


def test_a_restart_in_the_middle_gives_the_same_records_and_tells_again_what_is_open() -> None:
    def story(stop: int | None) -> tuple[list[Any], list[LogRecord]]:
        run = Harness(Anomaly, **DIFFERS)
        again: list[LogRecord] = []
        for tick in range(75):
            if tick == stop:
                before = len(run.logs())
                run.restart()
                again = run.logs()[before:]
            send(run, calls(tick, fault=fault(tick)))
        told = [one for one in run.logs() if one not in again]
        return [(one.event_name, one.body, one.attributes, one.trace_id) for one in told], again

    told, _ = story(None)
    for stop, still_open in ((52, 0), (62, 1)):
        same, again = story(stop)
        assert same == told
        assert [one.event_name for one in again] == ["weir.incident.updated"] * still_open
    assert len(told) > 4


def test_watched_metrics_are_told_too() -> None:
    run = Harness(Anomaly, metrics=["queue.*"])
    for second in range(400):
        value = 10.0 + second % 3 if second < 390 else 500.0
        stamp = START_UNIX_NANO + second * 10**9
        point = {"name": "queue.length", "value": value, "service": "cart", "time_unix_nano": stamp}
        run.process(metric_batch(points=[point]), then_advance_s=1)
    told = of(run.logs(), names.ANOMALY_OPENED)
    assert told
    assert told[0].attributes[names.EVENT_OBSERVED] == 500.0
    assert told[0].resource == {"service.name": "cart"}
