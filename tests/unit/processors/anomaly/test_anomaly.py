"""The anomaly processor from spans to incidents, in a shop with faults."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from pipeline.testing import Harness, span_batch
from processors.anomaly import Anomaly
from processors.anomaly.incidents import Change
from tests.unit.processors.anomaly.shop import Fault, calls, play, send, told


def during(first: int, last: int, fault: Fault):  # type: ignore[no-untyped-def]
    return lambda tick: fault if first <= tick < last else None


def test_quiet_traffic_raises_nothing() -> None:
    assert play(Harness(Anomaly), range(120)) == []


@pytest.mark.parametrize(
    ("fault", "root"),
    [({"payment": 4.0}, "payment"), ({"cart": 3.0}, "cart"), ({"payment>": 20.0}, "payment")],
    ids=["slow service", "slow leaf", "slow network"],
)
def test_the_slow_service_is_the_root_and_not_its_callers(fault: Fault, root: str) -> None:
    changes = play(Harness(Anomaly), range(80), during(50, 65, fault))
    assert [change.what for change in changes if change.what != "updated"] == ["opened", "resolved"]
    assert changes[0].incident.root == root
    opened = (changes[0].second - 1_767_225_600) / 10
    assert 51 <= opened <= 55


def test_failing_calls_are_an_incident_although_they_are_fast() -> None:
    changes = play(Harness(Anomaly), range(80), during(50, 65, {"payment!": 0.7, "payment": 0.3}))
    assert changes[0].what == "opened"
    assert changes[0].incident.root == "payment"


def test_the_evidence_says_what_is_how_much_slower() -> None:
    changes = play(Harness(Anomaly), range(60), during(50, 60, {"payment": 4.0}))
    assert any(
        sentence.startswith("payment exclusive time ") and sentence.endswith("expected on Charge")
        for sentence in changes[0].incident.evidence
    )


def test_the_guilty_attribute_value_is_named() -> None:
    run = Harness(Anomaly, differs_by=["span.card.type"])
    changes = play(run, range(65), during(50, 65, {"payment:amex": 8.0}))
    assert changes[0].incident.root == "payment"
    attribute, value, share, before = changes[-1].incident.differs[0]
    assert (attribute, value) == ("card.type", "amex")
    assert share > 0.6 > 0.4 > before
    suspects = [point for point in run.metrics() if point.name == "weir_incident_suspect_share" and point.value > 0.2]
    assert [point.labels["value"] for point in suspects] == ["amex"]


def test_nothing_differs_where_all_spans_are_slow() -> None:
    run = Harness(Anomaly, differs_by=["span.card.type"])
    changes = play(run, range(65), during(50, 65, {"payment": 5.0}))
    assert changes[-1].incident.differs == []


def test_a_service_that_falls_silent_is_noticed() -> None:
    run = Harness(Anomaly)
    changes: list[Change] = []
    for tick in range(70):
        spans = calls(tick, traces=25)
        send(run, [span for span in spans if tick < 50 or span["service"] != "cart"])
        changes += run.processor.take_changes()
    assert changes[0].incident.root == "cart"
    assert "cart has fallen silent" in changes[0].incident.evidence


def test_an_outage_of_all_telemetry_is_missing_not_zero() -> None:
    run = Harness(Anomaly)
    changes = play(run, range(50))
    run.advance(300)
    changes += play(run, range(80, 120))
    assert changes == []


def test_a_restart_in_the_middle_gives_the_same_events() -> None:
    fault = during(50, 65, {"payment": 4.0})
    running = told(play(Harness(Anomaly), range(80), fault))
    for stop in (30, 51, 55):
        run = Harness(Anomaly)
        changes = play(run, range(stop), fault)
        run.restart()
        changes += play(run, range(stop, 80), fault)
        assert told(changes) == running


def test_splitting_and_reordering_within_a_tick_give_the_same_events() -> None:
    fault = during(40, 50, {"payment": 4.0})
    whole, shuffled = Harness(Anomaly), Harness(Anomaly)
    changes: list[list[Any]] = []
    for tick in range(60):
        spans = calls(tick, fault=fault(tick))
        send(whole, spans)
        order = np.random.default_rng(tick).permutation(len(spans))
        for part in np.array_split(order, 3):
            shuffled.traces(span_batch(spans=[spans[i] for i in part.tolist()]))
        shuffled.advance(10)
        changes.append(
            [
                [(change.what, change.incident.to_json()) for change in run.processor.take_changes()]
                for run in (whole, shuffled)
            ]
        )
    assert all(one == other for one, other in changes)
    assert any(one for one, _ in changes)
    assert np.array_equal(np.sort(whole.processor.evidence.total), np.sort(shuffled.processor.evidence.total))


def test_a_lasting_change_becomes_the_new_normal() -> None:
    changes = play(Harness(Anomaly, lasting_ticks=20), range(160), during(50, 160, {"cart": 1.6}))
    assert [change.what for change in changes if change.what != "updated"] == ["opened", "lasting"]


def test_a_damaged_snapshot_is_a_cold_start_that_is_counted() -> None:
    run = Harness(Anomaly)
    play(run, range(15))
    state = run.processor.snapshot()
    for damaged in (b"", b"PK\x03\x04", state[: len(state) // 2], state.replace(b'"version": 9', b'"version": 8')):
        fresh = Harness(Anomaly)
        fresh.processor.restore(damaged)
        assert fresh.own.value("weir_anomaly_cold_starts") == 1
        assert play(fresh, range(15)) == []


def test_late_and_future_spans_are_counted_and_left_out() -> None:
    run = Harness(Anomaly)
    play(run, range(5))
    send(run, calls(0))
    send(run, calls(500))
    run.tick()
    assert run.own.value("weir_anomaly_spans", outcome="late") == 84
    assert run.own.value("weir_anomaly_spans", outcome="future") == 84


def test_late_spans_can_be_taken_into_the_current_tick() -> None:
    run = Harness(Anomaly, late_spans="current")
    play(run, range(5))
    send(run, calls(0))
    run.advance(20)
    assert run.own.value("weir_anomaly_spans", outcome="late") == 84
    assert run.own.value("weir_anomaly_spans", outcome="joined") == 6 * 84


def test_a_span_that_is_sent_twice_counts_once() -> None:
    run = Harness(Anomaly)
    spans = calls(0)
    run.traces(span_batch(spans=spans))
    send(run, spans)
    run.advance(20)
    assert run.own.value("weir_anomaly_spans", outcome="duplicate") == len(spans)
    assert run.own.value("weir_anomaly_spans", outcome="joined") == len(spans)


def test_too_many_spans_are_thinned_by_trace_and_all_are_accounted_for() -> None:
    run = Harness(Anomaly, max_spans=200)
    sent = 0
    for tick in range(6):
        spans = calls(tick, traces=100)
        sent += len(spans)
        send(run, spans)
    run.advance(20)
    outcomes = [run.own.value("weir_anomaly_spans", outcome=fate) for fate in ("joined", "thinned")]
    assert sum(outcomes) == sent
    assert 0 < outcomes[0] < sent / 2


def test_series_and_operations_stay_within_their_limits() -> None:
    run = Harness(Anomaly, max_series=50, max_operations=80, max_exported_series=10)
    spans = [{"name": f"op {i}", "number": i, "service": f"s{i % 200}"} for i in range(1000)]
    run.traces(span_batch(spans=spans), then_advance_s=30)
    run.tick()
    assert run.processor.bank.live == 50
    assert run.own.value("weir_anomaly_series_refused") > 0
    assert run.own.value("weir_anomaly_spans", outcome="joined") == 1000
    assert len([point for point in run.metrics() if point.name == "weir_anomaly_score"]) <= 10
