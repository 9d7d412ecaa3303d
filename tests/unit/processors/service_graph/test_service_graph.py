"""Edges and their numbers, against the oracle and by hand."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.testing import START_UNIX_NANO, export_request, span_batch
from processors.service_graph import ServiceGraph
from tests.oracles.service_graph import service_graph
from tests.unit.processors.service_graph.graphs import (
    CLIENT_S,
    FAILED,
    MESSAGING_S,
    SERVER_S,
    TOTAL,
    call,
    dropped,
    edges_of,
    harness,
    names,
    random_spans,
    send,
    span,
    span_id,
    trace_id,
)

LATE = 60.0
"""Seconds after which everything has expired under any naming."""


@given(spans=random_spans(), tempo=st.booleans(), dimensions=st.sampled_from([(), ("tier",)]), links=st.booleans())
@settings(max_examples=250, deadline=None)
def test_edges_equal_those_of_the_oracle(spans: Any, tempo: bool, dimensions: Any, links: bool) -> None:
    naming = "tempo" if tempo else "otelcol"
    run = harness(naming=naming, dimensions=dimensions, consumer_links=links, exemplars={"enabled": True})
    send(run, spans)
    run.advance(LATE)
    request = export_request(spans)
    assert edges_of(run) == service_graph([request], tempo=tempo, dimensions=dimensions, links=links)


@given(spans=random_spans(), order=st.randoms(use_true_random=False), tempo=st.booleans())
@settings(max_examples=150, deadline=None)
def test_splitting_and_reordering_requests_changes_nothing(spans: Any, order: Any, tempo: bool) -> None:
    whole, parts = harness(naming="tempo" if tempo else "otelcol"), harness(naming="tempo" if tempo else "otelcol")
    send(whole, spans)
    shuffled = order.sample(spans, len(spans))
    while shuffled:
        size = order.randint(1, len(shuffled))
        send(parts, shuffled[:size])
        shuffled = shuffled[size:]
        parts.advance(0.01)
    whole.advance(LATE)
    parts.advance(LATE)
    assert edges_of(parts) == edges_of(whole)


@given(spans=random_spans(), cut=st.integers(0, 12))
@settings(max_examples=60, deadline=None)
def test_a_restart_between_two_requests_changes_nothing(spans: Any, cut: int) -> None:
    whole, restarted = harness(dimensions=["tier"]), harness(dimensions=["tier"])
    for run in (whole, restarted):
        send(run, spans[:cut])
        run.advance(1.0)
        if run is restarted:
            run.restart()
        send(run, spans[cut:])
        run.advance(LATE)
    assert edges_of(restarted) == edges_of(whole)


def test_batches_pass_through_untouched() -> None:
    run = harness()
    batch = span_batch(spans=call())
    assert run.traces(batch).to_otlp() == batch.to_otlp()


@pytest.mark.parametrize("backwards", [False, True], ids=["client_first", "server_first"])
@pytest.mark.parametrize("requests", [1, 2])
def test_client_and_server_meet_in_any_order(backwards: bool, requests: int) -> None:
    run = harness()
    spans = call()[:: -1 if backwards else 1]
    for part in [spans] if requests == 1 else [spans[:1], spans[1:]]:
        send(run, part)
        run.advance(0.001)
    assert names(run) == {("shop", "cart", ""): 1}


def test_a_client_that_comes_after_the_ttl_makes_no_edge_with_its_server() -> None:
    run = harness(store={"ttl": "2s"})
    client, server = call()
    send(run, [server])
    run.clock.advance(2.0)  # no tick in between: the ttl is kept nevertheless
    send(run, [client])
    assert names(run) == {}
    run.advance(LATE)
    assert names(run) == {("shop", "unknown", "virtual_node"): 1}
    assert run.own.value(
        "otelcol_connector_servicegraph_expired_edges",
        connector=run.id,
        unmatched_span_kind="server",
        outcome="lost",
    ) == 1  # fmt: skip


def test_an_edge_failed_if_either_side_did() -> None:
    for side in (0, 1):
        run = harness()
        spans = call()
        spans[side]["status"] = "error"
        send(run, spans)
        assert run.metric(FAILED, "shop", "cart", "", "true") == 1
        assert run.metric(TOTAL, "shop", "cart", "", "true") == 1


def test_failures_are_shown_at_zero_beside_the_requests() -> None:
    run = harness()
    send(run, call())
    assert run.metric(FAILED, "shop", "cart", "", "false") == 0


def test_tempo_has_no_label_failed_and_no_empty_labels() -> None:
    run = harness(naming="tempo")
    send(run, [*call(), span(5, 9, status="error", attributes={"peer.service": "x"}), span(6, 5, "server", "cart")])
    assert run.metric(TOTAL, "shop", "cart") == 2
    assert run.metric(FAILED, "shop", "cart") == 1


def test_both_namings_at_once_are_one_set_of_metrics() -> None:
    run = harness(naming="both")
    send(run, call())
    assert run.metric(TOTAL, "shop", "cart", "", "false") == 1


def test_durations_are_exact() -> None:
    run = harness()
    client, server = call()
    for n in range(1, 1001):
        send(run, [client | {"duration_nano": n}, server | {"duration_nano": 7 * n + 1}])
        run.advance(3)
    assert edges_of(run)[run_key()].client.sum_ns == 1000 * 1001 // 2
    assert edges_of(run)[run_key()].server.sum_ns == 7 * 1000 * 1001 // 2 + 1000


def run_key() -> tuple[tuple[str, str], ...]:
    return (("client", "shop"), ("connection_type", ""), ("failed", "false"), ("server", "cart"))


def test_every_consumer_of_a_message_is_an_edge() -> None:
    run = harness()
    send(run, [span(1, 9, "producer", "shop"), *(span(n, 1, "consumer", f"c{n}") for n in (2, 3, 4))])
    assert names(run) == {("shop", f"c{n}", "messaging_system"): 1 for n in (2, 3, 4)}


def test_a_link_leads_to_the_producer_across_traces() -> None:
    producers = [span(1, 9, "producer", "shop"), span(2, 9, "producer", "till", trace=2)]
    links = [{"trace_id": trace_id(1), "span_id": span_id(1)}, {"trace_id": trace_id(2), "span_id": span_id(2)}]
    consumer = span(3, 0, "consumer", "mail", trace=3, links=links)
    for requests in ([[*producers, consumer]], [[consumer], producers], [producers, [consumer]]):
        run = harness()
        for request in requests:
            send(run, request)
        run.advance(LATE)
        assert names(run) == {("shop", "mail", "messaging_system"): 1, ("till", "mail", "messaging_system"): 1}


def test_links_are_not_followed_where_they_are_switched_off() -> None:
    run = harness(consumer_links=False)
    links = [{"trace_id": trace_id(1), "span_id": span_id(1)}]
    send(run, [span(1, 9, "producer", "shop"), span(3, 0, "consumer", "mail", trace=3, links=links)])
    run.advance(LATE)
    assert ("shop", "mail", "messaging_system") not in names(run)


def test_no_more_links_are_followed_than_sdks_send() -> None:
    run = harness()
    links = [{"trace_id": trace_id(7), "span_id": span_id(n)} for n in range(10, 1010)]
    send(run, [span(3, 0, "consumer", "mail", links=links)])
    run.tick()
    assert run.own.value("otelcol_connector_servicegraph_pending_spans", connector=run.id) == 128
    assert run.own.value("otelcol_connector_servicegraph_sanitized_spans", connector=run.id, reason="link_limit") == 872


def test_spans_that_are_their_own_or_each_others_parents_make_no_edge() -> None:
    run = harness()
    send(run, [span(1, 1, "client"), span(2, 2, "server"), span(3, 4, "client"), span(4, 3, "server")])
    run.advance(LATE)
    assert names(run) == {}
    assert dropped(run, "loop") == 4


def test_a_virtual_edge_records_nothing_as_zero_on_the_missing_side() -> None:
    run = harness()
    send(run, [span(1, 0, "server", "cart", duration_ms=30)])
    assert run.metric(SERVER_S, client="user")["sum"] == 0.03
    assert run.metric(CLIENT_S, client="user") | {"bounds": 0, "counts": 0} == {
        "count": 1, "sum": 0, "bounds": 0, "counts": 0,
    }  # fmt: skip


def test_a_database_takes_as_long_as_its_client_waits() -> None:
    run = harness()
    send(run, [span(1, 9, attributes={"db.name": "orders"}, duration_ms=4)])
    assert run.metric(SERVER_S, server="orders")["sum"] == run.metric(CLIENT_S, server="orders")["sum"] == 0.004


def test_no_peer_attributes_means_no_virtual_nodes() -> None:
    run = harness(virtual_node_peer_attributes=[])
    send(run, [span(1, 0, "server", "cart"), span(2, 9, attributes={"peer.service": "x"})])
    run.advance(LATE)
    assert names(run) == {}


def test_virtual_nodes_are_labelled_on_request() -> None:
    run = harness(virtual_node_extra_label=True)
    send(run, [span(1, 0, "server", "cart"), span(2, 9), *call()])
    run.advance(LATE)
    labels = {point.labels["client"]: point.labels["virtual_node"] for point in run.metrics() if point.name == TOTAL}
    found = {(p.labels["server"], p.labels["virtual_node"]) for p in run.metrics() if p.name == TOTAL}
    assert labels["user"] == "client"
    assert found == {("cart", "client"), ("unknown", "server"), ("cart", "")}


def test_dimensions_come_from_the_resource_before_the_span() -> None:
    run = harness(dimensions=["tier"])
    client, server = call()
    client |= {"attributes": {"tier": "span"}, "resource": {"tier": "gold"}}
    server |= {"attributes": {"tier": 3}}
    send(run, [client, server])
    assert run.metric(TOTAL, client_tier="gold", server_tier="3") == 1


def test_tempo_has_one_label_per_dimension_unless_a_prefix_is_asked_for() -> None:
    for config, expected in (
        ({}, {"tier": "a"}),
        ({"enable_client_server_prefix": True}, {"client_tier": "a"}),
    ):
        run = harness(naming="tempo", dimensions=["tier"], **config)
        client, server = call()
        send(run, [client | {"attributes": {"tier": "a"}}, server])
        assert run.metric(TOTAL, **expected) == 1


def test_messaging_latency_is_the_time_between_producer_and_consumer() -> None:
    run = harness(naming="tempo", enable_messaging_system_latency_histogram=True)
    producer = span(1, 9, "producer", "shop", start_unix_nano=START_UNIX_NANO, duration_ms=5)
    for at_ms in (105, 5, 2):
        consumer = span(at_ms, 1, "consumer", "mail", start_unix_nano=START_UNIX_NANO + at_ms * 1_000_000)
        send(run, [producer, consumer])
    send(run, call(trace=2))
    observed = run.metric(MESSAGING_S, client="shop")
    assert (observed["count"], observed["sum"]) == (1, 0.1)
    run.tick()
    name, reason = "otelcol_connector_servicegraph_sanitized_spans", "negative_messaging_latency"
    assert run.own.value(name, connector=run.id, reason=reason) == 2


def test_a_sampled_edge_counts_for_what_it_stands_for() -> None:
    run = harness(exponential_histogram_max_size=20)
    client, server = call()
    send(run, [client | {"trace_state": "ot=th:8"}, server | {"trace_state": "ot=th:c", "status": "error"}])
    assert run.metric(TOTAL, "shop", "cart", "", "true") == 4
    assert run.metric(FAILED, "shop", "cart", "", "true") == 4
    assert run.metric(SERVER_S, client="shop")["count"] == 4


def test_tempo_takes_the_ratio_from_an_attribute() -> None:
    run = harness(naming="tempo", span_multiplier_key="ratio")
    send(run, [one | {"attributes": {"ratio": 0.1}} for one in call()])
    assert run.metric(TOTAL, "shop", "cart") == 10


@pytest.mark.parametrize("backwards", [False, True])
def test_the_partner_of_a_filtered_span_is_no_virtual_edge(backwards: bool) -> None:
    policy = {"exclude": {"match_type": "strict", "attributes": [{"key": "kind", "value": "SPAN_KIND_SERVER"}]}}
    run = harness(filter_policies=[policy])
    for one in call()[:: -1 if backwards else 1]:
        send(run, [one])
    run.advance(LATE)
    assert names(run) == {}
    assert dropped(run, "filtered") == 2


def test_spans_without_a_service_name_count_as_unknown_service_or_not_at_all() -> None:
    for skip, expected in ((False, {("unknown_service", "cart", ""): 1}), (True, {})):
        run = harness(skip_resources_without_service_name=skip)
        send(run, call(None))  # type: ignore[arg-type]
        assert names(run) == expected


def test_series_that_are_idle_for_fifteen_minutes_are_removed() -> None:
    run = harness()
    send(run, call())
    run.advance(899)
    assert names(run) == {("shop", "cart", ""): 1}
    run.advance(10)
    assert names(run) == {}
    send(run, call())
    assert names(run) == {("shop", "cart", ""): 1}


def test_metrics_can_be_dated_back() -> None:
    run = harness(metrics_timestamp_offset="10s")
    send(run, call())
    assert run.collect().time_unix_nano == run.clock.unix_nano() - 10_000_000_000


def test_subprocessors_choose_the_metrics() -> None:
    run = harness(subprocessors=["connection-info"])
    send(run, call())
    assert [(p.name, p.value) for p in run.metrics()] == [("traces_service_graph_connection_info", 1)]


def test_exemplars_lead_to_the_client_span() -> None:
    run = harness(naming="tempo")
    send(run, [*call(), span(7, 0, "server", "shop", trace=2)])
    exemplars = {m.name: m.values.exemplars for m in run.collect().metrics}[SERVER_S]
    assert exemplars is not None
    found = {(e[0].tobytes(), e[1].tobytes()) for e in zip(exemplars.trace_id, exemplars.span_id, strict=True)}
    assert found == {(trace_id(1), span_id(1)), (trace_id(2), span_id(7))}


def test_an_instance_keeps_the_collectors_names() -> None:
    assert ServiceGraph.scope_name == "traces_service_graph"
    assert {point.name for point in run_with_a_call().metrics()} == {TOTAL, FAILED, SERVER_S, CLIENT_S}


def run_with_a_call() -> Any:
    run = harness()
    send(run, call())
    return run
