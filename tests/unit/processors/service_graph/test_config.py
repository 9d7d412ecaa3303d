"""Keys of both originals, and their defaults."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from processors.service_graph.config import OTELCOL_BUCKETS_S, TEMPO_BUCKETS_S, Config


def config(**keys: Any) -> Config:
    return Config.model_validate(keys)


def test_defaults_are_those_of_the_original() -> None:
    otelcol, tempo = config(), config(naming="tempo")
    assert (otelcol.ttl_s, otelcol.item_limit, otelcol.buckets_s) == (2.0, 1000, OTELCOL_BUCKETS_S)
    assert (tempo.ttl_s, tempo.item_limit, tempo.buckets_s) == (10.0, 10_000, TEMPO_BUCKETS_S)
    assert otelcol.peers == ("peer.service", "db.name", "db.system")
    assert tempo.peers == ("peer.service", "db.name", "db.system", "db.system.name")
    assert otelcol.database_names == ("db.name",)
    assert tempo.database_names == ("db.namespace", "db.name", "db.system", "db.system.name")
    assert (otelcol.prefixed_dimensions, otelcol.tracestate, otelcol.links) == (True, True, True)
    assert (tempo.prefixed_dimensions, tempo.tracestate, tempo.links) == (False, False, False)


def test_the_configuration_of_the_collector_is_understood() -> None:
    given = config(
        latency_histogram_buckets=["1ms", "1s"],
        dimensions=["a", "b"],
        store={"ttl": "1s", "max_items": 10},
        cache_loop="2m",
        store_expiration_loop="10s",
        virtual_node_peer_attributes=["db.name", "rpc.service"],
        virtual_node_extra_label=True,
        database_name_attributes=["db.name", "db.system"],
        metrics_flush_interval="30s",
        metrics_timestamp_offset="1s",
    )
    assert given.buckets_s == (0.001, 1.0)
    assert (given.ttl_s, given.item_limit, given.trace_limit) == (1.0, 10, 5)
    assert given.peers == ("db.name", "rpc.service")
    assert given.database_names == ("db.name", "db.system")
    assert given.virtual_node_label


def test_the_configuration_of_tempo_is_understood() -> None:
    given = config(
        naming="tempo",
        wait="20s",
        max_items=5,
        workers=10,
        histogram_buckets=[0.1, 0.2],
        dimensions=["a"],
        enable_client_server_prefix=True,
        enable_messaging_system_latency_histogram=True,
        peer_attributes=["x"],
        database_name_attributes=["y"],
        span_multiplier_key="ratio",
        enable_tracestate_span_multiplier=True,
        enable_virtual_node_label=True,
        filter_policies=[{"include": {"match_type": "regex", "attributes": [{"key": "name", "value": "^GET"}]}}],
        generate_native_histograms="classic",
        subprocessors=["service-graphs-request", "service-graphs-latency", "service-graphs-connection-info"],
    )
    assert (given.ttl_s, given.item_limit, given.buckets_s, given.peers) == (20.0, 5, (0.1, 0.2), ("x",))
    assert given.virtual_node_label
    assert given.prefixed_dimensions
    assert given.tracestate
    assert given.subprocessors == ("request", "latency", "connection-info")


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ({"store": {"ttl": "1s"}, "wait": "1s"}, "either `store.ttl` or `wait`"),
        ({"store": {"max_items": 1}, "max_items": 1}, "either `store.max_items` or `max_items`"),
        ({"peer_attributes": [], "virtual_node_peer_attributes": []}, "they mean the same"),
        ({"database_name_attribute": "a", "database_name_attributes": ["a"]}, "they mean the same"),
        (
            {"latency_histogram_buckets": ["1s"], "exponential_histogram_max_size": 160},
            "use either `latency_histogram_buckets` or `exponential_histogram_max_size`",
        ),
        ({"histogram_buckets": [1], "generate_native_histograms": "native"}, "use either `histogram_buckets` or"),
        ({"exponential_histogram_max_size": -1}, "greater than or equal to 0"),
        ({"latency_histogram_buckets": ["2s", "1s"]}, "ascending"),
        ({"dimensions": ["a", "a"]}, "named more than once: a"),
        ({"dimensions": ["server"], "enable_client_server_prefix": False}, "already a label: server"),
        ({"store": {"max_items": 0}}, "greater than or equal to 1"),
        ({"store": {"ttl": 5}}, "has no unit"),
        ({"subprocessors": ["service-graphs"]}, "connection-info"),
        ({"metrics_exporter": "x"}, "Extra inputs"),
    ],
)
def test_mistakes_are_named(keys: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        config(**keys)


def test_native_histograms_have_the_size_that_sdks_give_them() -> None:
    assert config(generate_native_histograms="native").exponential_size == 160
    assert config(exponential_histogram_max_size=20).exponential_size == 20
    assert config().exponential_size == 0


def test_no_database_attributes_means_the_default_ones() -> None:
    assert config(database_name_attributes=[]).database_names == ("db.name",)
    assert config(database_name_attribute="db.system").database_names == ("db.system",)
