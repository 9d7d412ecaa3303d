"""The Collector's and Tempo's configuration files are understood; what they refuse is refused."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from processors.span_metrics.config import Config


def load(**keys: Any) -> Config:
    return Config.model_validate(keys)


def test_defaults_are_the_collectors() -> None:
    config = load()
    assert config.naming == "otelcol"
    assert config.namespace == "traces.span.metrics"
    assert config.histogram.unit == "ms"
    assert config.metrics_flush_interval == 60
    assert config.resource_metrics_cache_size == 1000
    assert (config.metrics_expiration, config.aggregation_cardinality_limit) == (0, 0)
    assert not config.exemplars.enabled
    assert not config.events.enabled


def test_a_full_collector_configuration_loads() -> None:
    config = load(
        histogram={"unit": "s", "explicit": {"buckets": ["100us", "1ms", "1s"]}, "dimensions": [{"name": "a"}]},
        dimensions=[{"name": "http.method", "default": "GET"}, {"name": "http.status_code"}, {"glob": "k8s.*"}],
        calls_dimensions=[{"name": "http.url"}],
        exemplars={"enabled": True, "max_per_data_point": 3},
        exclude_dimensions=["status.code", "collector.instance.id", "nobody.knows"],
        dimensions_cache_size=1000,
        aggregation_temporality="AGGREGATION_TEMPORALITY_DELTA",
        metrics_flush_interval="15s",
        metrics_expiration="5m",
        series_expiration="10m",
        events={"enabled": True, "dimensions": [{"name": "exception.type"}]},
        resource_metrics_key_attributes=["service.name", "telemetry.sdk.language"],
        resource_metrics_cache_size=500,
        metric_timestamp_cache_size=100,
        include_instrumentation_scope=["express"],
        aggregation_cardinality_limit=1000,
        add_resource_attributes=True,
        enable_metrics_sampling_method=True,
    )
    assert config.histogram.explicit is not None
    assert config.histogram.explicit.buckets == pytest.approx((0.0001, 0.001, 1.0))
    assert config.metrics_expiration == 300


def test_a_full_tempo_configuration_loads() -> None:
    config = load(
        naming="tempo",
        histogram_buckets=[0.1, 1, 10],
        dimensions=["http.method", "service.namespace"],
        dimension_mappings=[{"name": "where", "source_labels": ["cloud.region", "k8s.pod.name"], "join": "/"}],
        intrinsic_dimensions={"status_message": True, "span_kind": False},
        filter_policies=[
            {"exclude": {"match_type": "strict", "attributes": [{"key": "kind", "value": "SPAN_KIND_INTERNAL"}]}}
        ],
        enable_target_info=True,
        target_info_excluded_dimensions=["telemetry.sdk.version"],
        enable_instance_label=False,
        span_multiplier_key="X-SampleRatio",
        enable_tracestate_span_multiplier=True,
        subprocessors=["span-metrics-count", "latency"],
        ingestion_time_range_slack="1m",
        generate_native_histograms="native",
        max_active_series=1000,
        max_cardinality_per_label=100,
    )
    assert [dimension.name for dimension in config.dimensions] == ["http.method", "service.namespace"]
    assert config.subprocessors == ("count", "latency")
    assert config.intrinsic_dimensions.service


def test_an_empty_section_asks_for_its_defaults() -> None:
    assert load(histogram={"exponential": None}).histogram.exponential is not None
    explicit = load(histogram={"explicit": {}}).histogram.explicit
    assert explicit is not None
    assert len(explicit.buckets) == 16


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ({"dimensions": [{"name": "service.name"}]}, "duplicate dimension name service.name"),
        ({"dimensions": [{"name": "a"}, {"name": "a"}]}, "duplicate dimension name a"),
        ({"dimensions": [{"name": "a"}], "calls_dimensions": [{"name": "a"}]}, "duplicate dimension name a"),
        ({"dimensions": [{"name": "a"}], "histogram": {"dimensions": [{"name": "a"}]}}, "duplicate dimension name a"),
        ({"events": {"enabled": True, "dimensions": [{"name": "span.kind"}]}}, "duplicate dimension name span.kind"),
        ({"dimensions": [{}]}, "exactly one of `name` and `glob`"),
        ({"dimensions": [{"name": "a", "glob": "b"}]}, "exactly one of `name` and `glob`"),
        ({"dimensions": [{"glob": "b", "default": "c"}]}, "`default` can only be used with `name`"),
        ({"histogram": {"explicit": {}, "exponential": {}}}, "use either `explicit` or `exponential`"),
        ({"histogram": {"unit": "h"}}, "'ms' or 's'"),
        ({"histogram": {"explicit": {"buckets": ["2ms", "1ms"]}}}, "ascending order"),
        ({"events": {"enabled": True}}, "no dimensions configured for events"),
        ({"metrics_flush_interval": "-1s"}, "greater than or equal to 0"),
        ({"metrics_flush_interval": "0s"}, "greater than 0"),
        ({"dimensions": ["otel.metric.overflow"]}, "duplicate dimension name otel.metric.overflow"),
        ({"naming": "tempo", "generate_native_histograms": "both"}, "'classic' or 'native'"),
        ({"naming": "prometheus"}, "'otelcol', 'tempo' or 'both'"),
        ({"metrics_expiration": "-1s"}, "greater than or equal to 0"),
        ({"series_expiration": "-1s"}, "greater than or equal to 0"),
        ({"aggregation_cardinality_limit": -1}, "greater than or equal to 0"),
        (
            {"aggregation_temporality": "AGGREGATION_TEMPORALITY_DELTA", "metric_timestamp_cache_size": 0},
            "invalid delta timestamp cache size: 0",
        ),
        ({"dimension": []}, "Extra inputs"),
        ({"intrinsic_dimensions": {}}, "intrinsic_dimensions: only with `naming: tempo`"),
        ({"naming": "tempo", "namespace": "x"}, "namespace: only with `naming: otelcol`"),
        ({"naming": "tempo", "dimensions": ["a.b", "a_b"]}, "duplicate dimension name a_b"),
        ({"naming": "tempo", "histogram_buckets": [1, 1]}, "ascending order"),
    ],
)  # fmt: skip
def test_a_mistake_is_named(keys: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        load(**keys)


def test_both_flavours_take_the_keys_of_both() -> None:
    config = load(naming="both", namespace="x", intrinsic_dimensions={"service": False})
    assert config.otelcol
    assert config.tempo


def test_dimensions_named_like_tempos_labels_get_a_prefix_instead_of_being_refused() -> None:
    assert load(naming="tempo", dimensions=["service", "span.kind"]).dimensions[1].name == "span.kind"
