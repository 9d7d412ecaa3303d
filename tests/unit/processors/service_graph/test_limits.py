"""Too much of something: bounded memory, exact totals, every loss with a reason."""

from __future__ import annotations

import numpy as np
import pytest

from pipeline.testing import START_UNIX_NANO, Harness
from processors.service_graph import ServiceGraph, half_reader
from processors.service_graph.pairing import FATES
from tests.unit.processors.service_graph.graphs import TOTAL, call, dropped, harness, names, send, span

OVERFLOW = {"otel.metric.overflow": "true"}
DROPPED = ("evicted", "trace_limit", "duplicate", "filtered", "loop")


def total(run: Harness[ServiceGraph]) -> float:
    return sum(point.value for point in run.metrics() if point.name == TOTAL)


def fates(run: Harness[ServiceGraph]) -> dict[str, int]:
    return dict(zip(FATES, run.processor._store.fates().sum(1).tolist(), strict=True))


def test_one_sided_spans_stay_within_the_store_and_are_all_accounted_for() -> None:
    run = harness(store={"max_items": 100}, virtual_node_peer_attributes=[])
    sent = 0
    for request in range(30):
        kinds = ("client", "server", "producer", "consumer")
        spans = [span(n, 7, kinds[n % 4], trace=1000 * request + n) for n in range(8, 58)]
        send(run, spans)
        sent += len(spans)
        assert run.processor._store.held <= 100
        run.advance(0.3 if request % 3 else 5.0)
    found = fates(run)
    assert found["evicted"] > 0
    assert found["expired"] > 0
    assert sum(found.values()) + run.processor._store.waiting == sent
    assert sum(dropped(run, reason) for reason in DROPPED) == found["evicted"]
    assert total(run) == 0


def test_evicted_spans_make_no_edge_and_are_named_in_the_log(caplog: pytest.LogCaptureFixture) -> None:
    run = harness(store={"max_items": 2})
    send(run, [span(n, 9, trace=n) for n in range(1, 6)])
    assert dropped(run, "evicted") == 3
    assert "store.max_items is too small" in caplog.text
    run.advance(60)
    assert names(run) == {("shop", "unknown", "virtual_node"): 2}


def test_one_trace_has_half_of_the_store_at_most() -> None:
    run = harness(store={"max_items": 100})
    send(run, [span(n, 9) for n in range(10, 510)])
    assert dropped(run, "trace_limit") == 450
    send(run, call(trace=2))
    assert names(run) == {("shop", "cart", ""): 1}


def test_services_without_number_count_in_the_overflow_series() -> None:
    run = harness(max_active_series=10)
    for start in range(0, 1000, 100):
        for n in range(start, start + 100):
            send(run, call(f"shop{n}", trace=n))
    assert total(run) == 1000
    points = [point for point in run.metrics() if point.name == TOTAL]
    assert len(points) == 11
    assert next(point.value for point in points if point.labels == OVERFLOW) == 990
    run.tick()
    assert run.own.value("otelcol_connector_servicegraph_overflowed_edges", connector=run.id) == 990


def test_label_sets_without_number_count_in_the_overflow_series(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(half_reader, "MAX_LABEL_SETS", 5)
    run = harness()
    for n in range(50):
        send(run, call(f"shop{n}", trace=n))
    assert total(run) == 50
    assert run.metric(TOTAL, otel__metric__overflow="true") == 45


def test_label_sets_in_overflow_survive_a_restart(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(half_reader, "MAX_LABEL_SETS", 1)
    run = harness()
    send(run, [span(1, 9, service="a"), span(3, 9, service="b")])
    run.restart()
    send(run, [span(2, 1, "server"), span(4, 3, "server")])
    assert run.metric(TOTAL, client="a") == 1
    assert run.metric(TOTAL, otel__metric__overflow="true") == 1


def test_a_label_set_whose_number_is_given_to_another_never_lends_it_its_labels() -> None:
    run = harness(store={"ttl": "1s"})
    for n in range(40):
        attributes = {"db.name": f"db{n}"} if n % 2 else {}
        send(run, [span(1, 9, service=f"shop{n}", trace=n, attributes=attributes)])
        send(run, [span(2, 1, "server", f"cart{n}", trace=n)])
        run.collect()
        run.advance(400 if n % 3 else 2000)
        found = names(run)
        assert all(client.removeprefix("shop") == server.lstrip("cartdb") for client, server, _ in found)
    assert run.processor._halves.clients.generation > 5


@pytest.mark.parametrize("state", [b"", b"PK\x03\x04 rubbish", b"\x80\x04."])
def test_bytes_that_are_no_snapshot_are_refused(state: bytes) -> None:
    with pytest.raises(ValueError, match="not a snapshot"):
        harness().processor.restore(state)


def test_times_that_cannot_be_right_are_not_observed_but_counted() -> None:
    run = harness()
    start = START_UNIX_NANO
    times = {
        "missing_time": {"start_unix_nano": 0, "end_unix_nano": start},
        "negative_duration": {"start_unix_nano": start, "end_unix_nano": start - 5},
        "duration_range": {"start_unix_nano": start, "end_unix_nano": (1 << 64) - 1},
    }
    for n, wrong in enumerate(times.values(), 1):
        client, server = call(trace=n)
        send(run, [client | wrong, server])
    run.tick()
    assert run.metric(TOTAL, client="shop") == 3
    client_s = run.metric("traces_service_graph_request_client", client="shop")
    assert (client_s["count"], client_s["sum"]) == (1, 0)  # the negative one, as 0
    assert run.metric("traces_service_graph_request_server", client="shop")["count"] == 3
    for reason in times:
        name = "otelcol_connector_servicegraph_sanitized_spans"
        assert run.own.value(name, connector=run.id, reason=reason) == 1


def test_a_batch_of_a_hundred_thousand_children_is_no_problem() -> None:
    run = harness()
    halves = np.zeros((100_000, 8), np.uint64)
    halves[:, 0], halves[:, 2] = 1, 5
    halves[:, 3] = np.arange(100, 100_100)
    halves[:, 6] = (1 << 32) + 1
    run.processor._store.add(halves, 0)
    found = fates(run)
    assert (found["trace_limit"], run.processor._store.waiting) == (99_500, 500)
