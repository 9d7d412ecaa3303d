"""The metrics page from request to answer, without a socket."""

from __future__ import annotations

import gzip
import logging
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from pipeline.api import Meter, Settings
from pipeline.exporters.exposition import Exposition
from pipeline.exporters.prometheus import PrometheusConfig, PrometheusExporter
from pipeline.http_message import Request, Response
from pipeline.model.snapshot import MetricSnapshot
from pipeline.telemetry import ComponentTelemetry
from pipeline.testing import START_UNIX_NANO, FakeClock
from tests.unit.codec.metric_batches import batch, exponential, gauge, histogram, number, resource
from tests.unit.codec.pages import OPENMETRICS, lines, promtool_complaint, samples

PROTOBUF = "application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=delimited"
PROMETHEUS = {"user-agent": "Prometheus/3.1.0"}
NAME = "otelcol_exporter_prometheus_"


class Page:
    """An exposition over batches that the test changes."""

    def __init__(self, *batches: MetricSnapshot, **config: Any) -> None:
        self.batches: Sequence[MetricSnapshot] = batches
        self.collected = 0
        self.clock = FakeClock()
        self.telemetry = ComponentTelemetry("exporter", "prometheus", self.clock)
        options = PrometheusConfig.model_validate({"endpoint": "localhost:0", **config}).options()
        self.exposition = Exposition(options, self._collect, self.clock, self.telemetry)

    def _collect(self) -> Sequence[MetricSnapshot]:
        self.collected += 1
        return self.batches

    def ask(self, path: str = "/metrics", method: str = "GET", peer: str = "10.0.0.1:5", **headers: str) -> Response:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return self.exposition.respond(Request(method, path, "", named, b"", peer))

    def lines(self, **headers: str) -> list[str]:
        return lines(self.ask(**headers).body)

    def counted(self, name: str, **labels: str) -> float:
        return self.telemetry.metrics.value(NAME + name, **labels)


def test_a_plain_request_gets_the_text_format() -> None:
    response = Page(batch(number("calls", [({"a": "1"}, 3)]))).ask()
    assert (response.status, response.content_type) == (200, "text/plain; version=0.0.4; charset=utf-8")
    assert response.headers == {}
    assert lines(response.body) == ['calls_total{otel_scope_name="test",a="1"} 3']


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "OPTIONS", "get", "TRACE", ""])
def test_other_methods_are_refused(method: str) -> None:
    page = Page()
    response = page.ask(method=method)
    assert (response.status, response.headers["allow"]) == (405, "GET, HEAD")
    assert page.collected == 0


@pytest.mark.parametrize("path", ["/", "/metrics/", "//metrics", "/Metrics", "/metrics%00", "/../metrics", "*", ""])
def test_other_paths_are_not_found(path: str) -> None:
    page = Page()
    assert page.ask(path).status == 404
    assert page.collected == 0


def test_openmetrics_must_be_enabled() -> None:
    metrics = batch(number("calls", [({}, 3)]))
    accept = "application/openmetrics-text;version=1.0.0,text/plain;q=0.5"
    assert Page(metrics).ask(accept=accept).content_type.startswith("text/plain")
    response = Page(metrics, enable_open_metrics=True).ask(accept=accept)
    assert response.content_type == "application/openmetrics-text; version=1.0.0; charset=utf-8"
    assert samples(response.body, OPENMETRICS)


def test_exponential_histograms_are_shown_over_protobuf_only() -> None:
    page = Page(batch(exponential("e", [({}, 0, 1.0, 0, [1.0], 1.0)]), gauge("g", [({}, 1)])), without_scope_info=True)
    assert page.lines() == ["g 1"]
    assert page.counted("dropped_series", reason="native_histogram") == 1
    response = page.ask(accept=PROTOBUF)
    assert response.content_type.startswith("application/vnd.google.protobuf")
    assert b"\x0a\x01e\x18\x04" in response.body
    assert page.counted("dropped_series", reason="native_histogram") == 1


def test_gzip_is_used_where_it_is_accepted() -> None:
    page = Page(batch(number("calls", [({"a": str(i)}, 3) for i in range(100)])))
    plain, packed = page.ask(), page.ask(accept_encoding="gzip, deflate")
    assert packed.headers == {"content-encoding": "gzip"}
    assert gzip.decompress(packed.body) == plain.body
    assert len(packed.body) < len(plain.body)


def test_gzip_works_without_isal(monkeypatch: pytest.MonkeyPatch) -> None:
    page = Page(batch(number("calls", [({"a": str(i)}, 3) for i in range(100)])))
    packed = page.ask(accept_encoding="gzip")
    monkeypatch.setitem(__import__("sys").modules, "isal", None)
    assert gzip.decompress(page.ask(accept_encoding="gzip").body) == gzip.decompress(packed.body)


def test_a_hundred_parallel_scrapes_share_renders_and_all_get_the_page() -> None:
    page = Page(batch(number("calls", [({"a": str(i)}, 3) for i in range(500)])))
    with ThreadPoolExecutor(100) as threads:
        answers = list(threads.map(lambda _: page.ask(), range(100)))
    assert {answer.status for answer in answers} == {200}
    assert len({answer.body for answer in answers}) == 1
    assert page.counted("scrapes") == 100
    assert page.counted("rendered_pages") == page.collected <= 100


def test_a_conflict_is_counted_and_logged_once(caplog: pytest.LogCaptureFixture) -> None:
    page = Page(batch(gauge("x", [({}, 1)]), histogram("x", [({}, [1, 0, 0], 1.0)])))
    with caplog.at_level(logging.WARNING, "weir"):
        logging.getLogger("weir").propagate = True
        for _ in range(3):
            page.ask()
    assert page.counted("dropped_series", reason="type_conflict") == 3
    (record,) = caplog.records
    assert record.getMessage() == "a metric of the same name and another type exists; the later one is left out"


def test_utf8_names_are_kept_for_those_who_can_read_them() -> None:
    page = Page(
        batch(gauge("http.x", [({"a.b": "1"}, 1)])), translation_strategy="NoTranslation", without_scope_info=True
    )
    assert page.lines(accept="text/plain;version=1.0.0;escaping=allow-utf-8") == ['{"http.x","a.b"="1"} 1']
    assert page.lines() == ['http_x{a_b="1"} 1']
    assert page.lines(accept="text/plain;escaping=dots") == ['http_dot_x{a_dot_b="1"} 1']


def test_names_that_need_no_escaping_are_left_alone() -> None:
    page = Page(batch(gauge("http.x", [({}, 1)])), without_scope_info=True)
    assert page.lines(accept="text/plain;escaping=dots") == ["http_x 1"]
    assert page.lines(accept="text/plain;escaping=values") == ["http_x 1"]


# -- configuration ----------------------------------------------------------------------------------------------------

CART = resource(service__name="cart", service__instance__id="i", region="eu")


@pytest.mark.parametrize(
    ("config", "expected"),
    [
        ({}, 'calls_seconds_total{instance="i",job="cart",otel_scope_name="test",a_b="1"} 3'),
        ({"without_scope_info": True}, 'calls_seconds_total{instance="i",job="cart",a_b="1"} 3'),
        ({"namespace": "my-ns"}, 'my_ns_calls_seconds_total{instance="i",job="cart",otel_scope_name="test",a_b="1"} 3'),
        ({"add_metric_suffixes": False}, 'calls{instance="i",job="cart",otel_scope_name="test",a_b="1"} 3'),
        (
            {"add_metric_suffixes": False, "translation_strategy": "UnderscoreEscapingWithSuffixes"},
            'calls_seconds_total{instance="i",job="cart",otel_scope_name="test",a_b="1"} 3',
        ),
        (
            {"const_labels": {"env": "prod", "shard": 3}},
            'calls_seconds_total{env="prod",instance="i",job="cart",otel_scope_name="test",shard="3",a_b="1"} 3',
        ),
        (
            {"resource_to_telemetry_conversion": {"enabled": True, "exclude_service_attributes": True}},
            'calls_seconds_total{instance="i",job="cart",otel_scope_name="test",region="eu",a_b="1"} 3',
        ),
        (
            {"send_timestamps": True},
            'calls_seconds_total{instance="i",job="cart",otel_scope_name="test",a_b="1"} 3 1700000000000',
        ),
    ],
)
def test_the_keys_of_the_collector(config: dict[str, Any], expected: str) -> None:
    metrics = batch(number("calls", [({"a.b": "1"}, 3)], unit="s", resources=[0]), resources=[CART])
    assert Page(metrics, **config).lines()[-1] == expected


@pytest.mark.parametrize(
    "config",
    [
        {},
        {"endpoint": "nonsense"},
        {"endpoint": ":1", "translation_strategy": "Other"},
        {"endpoint": ":1", "metric_expiration": "5"},
        {"endpoint": ":1", "metric_expiration": "0"},
        {"endpoint": ":1", "unknown": 1},
        {"endpoint": ":1", "leading_zero": "sometimes"},
    ],
)
def test_mistakes_in_the_configuration_are_errors(config: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="validation error"):
        PrometheusConfig.model_validate(config)


def test_shutdown_works_without_a_start_and_twice() -> None:
    clock = FakeClock()
    settings = Settings("prometheus", clock, Meter("x", clock), ComponentTelemetry("exporter", "prometheus", clock))
    exporter = PrometheusExporter(PrometheusConfig(endpoint="localhost:0"), settings)
    exporter.shutdown()
    exporter.shutdown()
    with pytest.raises(RuntimeError, match="not been started"):
        _ = exporter.address


# -- leading zeros ----------------------------------------------------------------------------------------------------


def began(*seconds_after_start: float) -> list[int]:
    return [START_UNIX_NANO + round(seconds * 1e9) for seconds in seconds_after_start]


def test_prometheus_sees_a_new_series_at_zero_first_and_curl_its_value() -> None:
    page = Page(batch(number("c", [({"a": "1"}, 5)], start=began(1))), without_scope_info=True)
    page.clock.advance(10)
    assert page.lines(user_agent="curl/8") == ['c_total{a="1"} 5']
    assert page.lines(**PROMETHEUS) == ['c_total{a="1"} 0']
    assert page.lines(user_agent="curl/8") == ['c_total{a="1"} 5']
    assert page.lines(**PROMETHEUS) == ['c_total{a="1"} 5']
    page.batches = [batch(number("c", [({"a": "1"}, 6), ({"a": "2"}, 1)], start=began(1, 12)))]
    assert page.lines(**PROMETHEUS) == ['c_total{a="1"} 6', 'c_total{a="2"} 0']


def test_leading_zeros_can_be_switched_off() -> None:
    page = Page(batch(number("c", [({}, 5)], start=began(1))), without_scope_info=True, leading_zero=False)
    assert page.lines(**PROMETHEUS) == ["c_total 5"]


def test_leading_zeros_reach_every_format() -> None:
    for accept in ("", "application/openmetrics-text", PROTOBUF):
        page = Page(batch(number("c", [({}, 5)], start=began(1))), enable_open_metrics=True, leading_zero=True)
        page.clock.advance(10)
        zero, true = page.ask(accept=accept).body, page.ask(accept=accept).body
        assert zero != true
        assert len(zero) == len(true)


def test_a_page_of_everything_is_accepted_by_prometheus_own_parser() -> None:
    page = Page(
        batch(
            number("traces.span.metrics.calls", [({"service.name": "cart"}, 3)], resources=[0], description="Calls"),
            histogram(
                "traces.span.metrics.duration", [({"service.name": "cart"}, [1, 2, 3], 9.5)], unit="ms", resources=[0]
            ),
            gauge("queue", [({"name": 'a"b\\c\nd'}, float("nan")), ({"name": "x"}, float("-inf"))]),
            resources=[CART],
        )
    )
    assert promtool_complaint(page.ask().body, ["no help text", "base unit"]) == ""


def test_long_pages_have_the_same_text_in_parts_that_stay_as_they_are_while_others_are_made() -> None:
    page = Page(batch(number("calls", [({"a": f"{i:0200}"}, i) for i in range(6000)]), gauge("g", [({}, 1)])))
    first = page.ask()
    assert len(first.parts) > 2
    assert first.size == sum(map(len, first.parts))
    text = b"".join(first.parts)
    assert [line.rpartition(" ")[2] for line in lines(text)] == [*map(str, range(6000)), "1"]
    page.batches = (batch(number("calls", [({"a": f"{i:0200}"}, i + 7) for i in range(6000)])),)
    second = page.ask()
    assert b"".join(first.parts) == text
    assert b"".join(second.parts) != text
    assert gzip.decompress(page.ask(accept_encoding="gzip").body) == b"".join(second.parts)
