"""Names as prometheus/otlptranslator gives them; the cases are those its documentation and tests name."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.codec.prometheus_names import (
    Escaping,
    MetricType,
    Namer,
    Strategy,
    escape,
    is_legacy_label,
    is_legacy_metric,
)

COUNTER, GAUGE, HISTOGRAM = MetricType.COUNTER, MetricType.GAUGE, MetricType.HISTOGRAM


@pytest.mark.parametrize(
    ("name", "unit", "kind", "expected"),
    [
        ("traces.span.metrics.calls", "{call}", COUNTER, "traces_span_metrics_calls_total"),
        ("traces.span.metrics.duration", "ms", HISTOGRAM, "traces_span_metrics_duration_milliseconds"),
        ("traces_service_graph_request_total", "", COUNTER, "traces_service_graph_request_total"),
        ("traces_service_graph_request_server", "s", HISTOGRAM, "traces_service_graph_request_server_seconds"),
        ("requests", "1/s", GAUGE, "requests_per_second"),
        ("throughput", "By/s", GAUGE, "throughput_bytes_per_second"),
        ("system.filesystem.usage", "By", GAUGE, "system_filesystem_usage_bytes"),
        ("system.io.bytes", "By", GAUGE, "system_io_bytes"),
        ("cpu_usage", "1", GAUGE, "cpu_usage_ratio"),
        ("cpu_usage_ratio", "1", GAUGE, "cpu_usage_ratio"),
        ("items", "1", COUNTER, "items_total"),
        ("requests_total", "", COUNTER, "requests_total"),
        ("total_requests", "", COUNTER, "requests_total"),
        ("response_time_seconds", "s", GAUGE, "response_time_seconds"),
        ("custom_metric", "custom_unit", GAUGE, "custom_metric_custom_unit"),
        ("custom_metric", "{custom}", GAUGE, "custom_metric"),
        ("custom_metric", "By/{custom}", GAUGE, "custom_metric_bytes"),
        ("custom_metric", "unit@with#special/chars", GAUGE, "custom_metric_unit_with_special_per_chars"),
        ("metric__with__underscores", "u__v", GAUGE, "metric_with_underscores_u_v"),
        ("a", "_", GAUGE, "a"),
        ("a", "/_", GAUGE, "a"),
        ("3.14", "", GAUGE, "_3_14"),
        ("with:colon", "", GAUGE, "with:colon"),
        ("@#$%", "", GAUGE, ""),
        ("", "", GAUGE, ""),
        ("ひ", "", GAUGE, ""),
    ],
)
def test_underscores_with_suffixes(name: str, unit: str, kind: MetricType, expected: str) -> None:
    assert Namer().metric(name, unit, kind) == expected


@pytest.mark.parametrize(
    ("namespace", "name", "unit", "expected"),
    [
        ("app", "requests", "1/s", "app_requests_per_second_total"),
        ("app", "123_requests", "", "app_123_requests_total"),
        ("my-team", "requests", "", "my_team_requests_total"),
        ("1st", "requests", "", "_1st_requests_total"),
    ],
)
def test_namespace_goes_first_and_is_made_valid(namespace: str, name: str, unit: str, expected: str) -> None:
    assert Namer(namespace=namespace).metric(name, unit, COUNTER) == expected


@pytest.mark.parametrize(
    ("namespace", "name", "expected"),
    [
        ("", "http.server.duration", "http_server_duration"),
        ("", "metric@@##$$name", "metric_name"),
        ("", "a__b", "a__b"),
        ("", "123metric", "_123metric"),
        ("ns!!??", "metric", "ns_metric"),
        ("", "@#$%", ""),
    ],
)
def test_underscores_without_suffixes(namespace: str, name: str, expected: str) -> None:
    assert Namer(Strategy.UNDERSCORES_WITHOUT_SUFFIXES, namespace).metric(name, "s", COUNTER) == expected


@pytest.mark.parametrize(
    ("namespace", "name", "unit", "kind", "expected"),
    [
        ("", "requêsts", "", COUNTER, "requêsts_total"),
        ("", "requêsts.total", "", COUNTER, "requêsts_total"),
        ("", "cpu_usagé", "1", GAUGE, "cpu_usagé_ratio"),
        ("", "respønse.time", "ms", GAUGE, "respønse.time_milliseconds"),
        ("", "time.seconds", "s", HISTOGRAM, "time.seconds"),
        ("ñs", "requêsts", "1/s", COUNTER, "ñs_requêsts_per_second_total"),
        ("", "@#$%", "", COUNTER, "@#$%_total"),
        ("", "", "", COUNTER, ""),
    ],
)
def test_utf8_with_suffixes(namespace: str, name: str, unit: str, kind: MetricType, expected: str) -> None:
    assert Namer(Strategy.UTF8_WITH_SUFFIXES, namespace).metric(name, unit, kind) == expected


def test_no_translation_leaves_names_alone() -> None:
    namer = Namer(Strategy.NO_TRANSLATION, "app")
    assert namer.metric("http.server.duration", "s", HISTOGRAM) == "app_http.server.duration"
    assert namer.label("http.route") == "http.route"


@pytest.mark.parametrize(
    ("key", "expected"),
    [
        ("http.route", "http_route"),
        ("label:with:colons", "label_with_colons"),
        ("label!with&special$chars)", "label_with_special_chars_"),
        ("label_with_foreign_characters_字符", "label_with_foreign_characters_"),
        ("123label", "key_123label"),
        ("_one_underscore", "_one_underscore"),
        ("__two_underscores", "_two_underscores"),
        ("label__with__double", "label_with_double"),
        ("__reserved__label__name__", "__reserved_label_name__"),
        ("trailing___", "trailing_"),
        ("ようこそ", ""),
        ("__", ""),
        ("", ""),
    ],
)
def test_labels(key: str, expected: str) -> None:
    assert Namer().label(key) == expected


def test_labels_that_are_only_underscores_are_refused_by_every_strategy() -> None:
    assert [Namer(strategy).label("__") for strategy in Strategy] == ["", "", "", ""]


@pytest.mark.parametrize(
    ("name", "scheme", "expected"),
    [
        ("http.status:sum", Escaping.ALLOW_UTF8, "http.status:sum"),
        ("http.status:sum", Escaping.UNDERSCORES, "http_status:sum"),
        ("http.status:sum", Escaping.DOTS, "http_dot_status:sum"),
        ("http.status:sum", Escaping.VALUES, "U__http_2e_status:sum"),
        ("under_score", Escaping.UNDERSCORES, "under_score"),
        ("under_score", Escaping.DOTS, "under_score"),
        ("under_score", Escaping.VALUES, "under_score"),
        ("a_b 😀", Escaping.UNDERSCORES, "a_b__"),
        ("a_b 😀", Escaping.DOTS, "a__b____"),
        ("a_b 😀", Escaping.VALUES, "U__a__b_20__1f600_"),
        ("0x", Escaping.UNDERSCORES, "_x"),
    ],
)
def test_escaping_for_scrapers(name: str, scheme: Escaping, expected: str) -> None:
    assert escape(name, scheme) == expected


def test_a_colon_is_escaped_in_labels_only() -> None:
    assert escape("a:b", Escaping.UNDERSCORES) == "a:b"
    assert escape("a:b", Escaping.UNDERSCORES, label=True) == "a_b"


@given(st.text(), st.text(max_size=8), st.sampled_from(MetricType), st.text(max_size=8))
def test_escaped_names_are_valid_or_refused(name: str, unit: str, kind: MetricType, namespace: str) -> None:
    for strategy in (Strategy.UNDERSCORES_WITH_SUFFIXES, Strategy.UNDERSCORES_WITHOUT_SUFFIXES):
        metric = Namer(strategy, namespace).metric(name, unit, kind)
        assert metric == "" or is_legacy_metric(metric)
        label = Namer(strategy).label(name)
        assert label == "" or is_legacy_label(label)


@given(st.text(min_size=1), st.sampled_from([Escaping.UNDERSCORES, Escaping.DOTS, Escaping.VALUES]))
def test_escaping_schemes_give_valid_names(name: str, scheme: Escaping) -> None:
    assert is_legacy_metric(escape(name, scheme))
    assert is_legacy_label(escape(name, scheme, label=True))


def test_units_become_words() -> None:
    namer = Namer()
    units = ["s", "By/s", "1", "{call}", "1/s", "%", "", "furlong/fortnight"]
    words = ["seconds", "bytes_per_second", "", "", "per_second", "percent", "", "furlong_per_fortnight"]
    assert [namer.unit(unit) for unit in units] == words
