"""Own metrics and the page they are on."""

import pytest
from prometheus_client.parser import text_string_to_metric_families

from pipeline.telemetry import ComponentTelemetry, OwnMetrics
from pipeline.telemetry.config import MetricsConfig, PrometheusReader
from pipeline.telemetry.edges import Traffic
from pipeline.telemetry.exposition import Exposition
from pipeline.telemetry.own_metrics import MAX_CELLS
from pipeline.telemetry.process import observe_process
from pipeline.testing import FakeClock


def page(metrics: OwnMetrics, **config: object) -> dict[str, dict[tuple[tuple[str, str], ...], float]]:
    exposition = Exposition(PrometheusReader.model_validate(config), metrics, {"service.name": "weir"})
    text = exposition.render()[0].decode()
    exposition.stop()
    found: dict[str, dict[tuple[tuple[str, str], ...], float]] = {}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            found.setdefault(sample.name, {})[tuple(sorted(sample.labels.items()))] = sample.value
    return found


def test_components_count_under_their_kind_and_type() -> None:
    telemetry = ComponentTelemetry("processor", "redact/web", FakeClock())
    telemetry.count("masked_keys", 2, reason="token")
    telemetry.count("masked_keys", reason="token")
    telemetry.count("otelcol_processor_special_total")
    assert telemetry.metrics.value("otelcol_processor_redact_masked_keys", processor="redact/web", reason="token") == 3
    assert telemetry.metrics.value("otelcol_processor_special", processor="redact/web") == 1


def test_the_page_has_the_names_that_dashboards_query() -> None:
    metrics, clock = OwnMetrics(), FakeClock()
    telemetry = ComponentTelemetry("processor", "batch", clock, metrics)
    traffic = Traffic(telemetry, "traces")
    traffic.incoming, traffic.outgoing = 5, 4
    traffic.durations.record(20_000)
    observe_process(metrics, clock)
    clock.advance(90)
    samples = page(metrics, without_scope_info=True)
    label = (("otel_signal", "traces"), ("processor", "batch"))
    assert samples["otelcol_processor_incoming_items_total"] == {label: 5}
    assert samples["otelcol_processor_outgoing_items_total"] == {label: 4}
    assert samples["otelcol_processor_internal_duration_seconds_count"] == {label: 1}
    assert samples["otelcol_processor_internal_duration_seconds_sum"][label] == pytest.approx(2e-5)
    assert samples["otelcol_processor_internal_duration_seconds_bucket"][("le", "2.5e-05"), *label] == 1
    assert samples["otelcol_processor_internal_duration_seconds_bucket"][("le", "1e-05"), *label] == 0
    assert samples["otelcol_process_uptime_seconds_total"] == {(): 90}
    assert samples["otelcol_process_memory_rss_bytes"][()] > 1e6
    assert samples["otelcol_process_cpu_seconds_total"][()] > 0
    assert (("service_name", "weir"),) in samples["target_info"]


def test_the_engines_metrics_are_described() -> None:
    metrics = OwnMetrics()
    ComponentTelemetry("connector", "red", FakeClock(), metrics).cell("otelcol_connector_overflowed_items")
    assert metrics.families()[0].description.startswith("Measurements counted in an overflow series")
    Traffic(ComponentTelemetry("connector", "red", FakeClock(), metrics), "traces")
    assert {f.name: f.description for f in metrics.families()}["otelcol_connector_incoming_items"] == (
        "Items given to a connector"
    )


def test_metrics_that_appear_later_are_on_the_next_page() -> None:
    metrics = OwnMetrics()
    exposition = Exposition(PrometheusReader(), metrics, {})
    exposition.render()
    metrics.counter("otelcol_late", reason="x").value += 2
    assert 'otelcol_late_total{otel_scope_name="weir"' in exposition.render()[0].decode()
    exposition.stop()


def test_attribute_sets_are_bounded() -> None:
    metrics = OwnMetrics()
    for number in range(MAX_CELLS + 10):
        metrics.counter("otelcol_x", reason=str(number)).value += 1
    assert metrics.value("otelcol_x", otel_metric_overflow="true") == 10
    assert metrics.value("otelcol_x") == MAX_CELLS + 10


def test_one_name_has_one_kind() -> None:
    metrics = OwnMetrics()
    metrics.counter("otelcol_x")
    with pytest.raises(ValueError, match="is a counter, not a gauge"):
        metrics.observe("otelcol_x", "gauge", lambda: 1)


@pytest.mark.parametrize(
    ("config", "listeners"),
    [
        ({}, [("localhost", 8888)]),
        ({"level": "none"}, []),
        ({"level": "Detailed"}, [("localhost", 8888)]),
        ({"address": "0.0.0.0:9000"}, [("0.0.0.0", 9000)]),
        ({"address": ":9000"}, [("0.0.0.0", 9000)]),
        ({"readers": [{"pull": {"exporter": {"prometheus": {"host": "::1", "port": 1}}}}]}, [("::1", 1)]),
        ({"readers": []}, []),
    ],
)
def test_the_page_is_where_the_collector_would_serve_it(config: object, listeners: list[tuple[str, int]]) -> None:
    found = MetricsConfig.model_validate(config).listeners()
    assert [(reader.host, reader.port) for reader in found] == listeners
