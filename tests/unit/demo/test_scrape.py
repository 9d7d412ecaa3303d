"""/metrics is read and compared as the demo promises."""

from collections import Counter
from pathlib import Path

import pytest

from pipeline.demo.history import History
from pipeline.demo.scrape import parse, quantile
from pipeline.demo.truth import Truth, differences
from pipeline.demo.view import duration, lines, sparkline

LABELS = 'service_name="cart",span_name="GET /cart",span_kind="SPAN_KIND_SERVER"'
EDGE = 'client="frontend",server="cart",connection_type=""'


def exposition(calls: int, errors: int = 0) -> str:
    fast = calls - errors
    return f"""
# TYPE traces_span_metrics_calls_total counter
traces_span_metrics_calls_total{{{LABELS},status_code="STATUS_CODE_UNSET",http_route="/a"}} {fast}
traces_span_metrics_calls_total{{{LABELS},status_code="STATUS_CODE_ERROR",http_route="/a"}} {errors}
# TYPE traces_span_metrics_duration_seconds histogram
traces_span_metrics_duration_seconds_bucket{{{LABELS},status_code="STATUS_CODE_UNSET",le="0.01"}} {fast // 2}
traces_span_metrics_duration_seconds_bucket{{{LABELS},status_code="STATUS_CODE_UNSET",le="0.1"}} {fast}
traces_span_metrics_duration_seconds_bucket{{{LABELS},status_code="STATUS_CODE_UNSET",le="+Inf"}} {fast}
traces_span_metrics_duration_seconds_count{{{LABELS},status_code="STATUS_CODE_UNSET"}} {fast}
# TYPE traces_service_graph_request_total counter
traces_service_graph_request_total{{{EDGE},failed="false"}} {fast}
traces_service_graph_request_total{{{EDGE},failed="true"}} {errors}
"""


def test_counts_are_summed_over_labels_that_are_no_part_of_the_key() -> None:
    scrape = parse(exposition(10, errors=2))
    assert scrape.spans == {
        ("cart", "GET /cart", "SPAN_KIND_SERVER", "STATUS_CODE_UNSET"): 8,
        ("cart", "GET /cart", "SPAN_KIND_SERVER", "STATUS_CODE_ERROR"): 2,
    }
    assert scrape.edges == {("frontend", "cart", ""): 10}
    assert scrape.total_spans == 10


def test_rates_and_error_ratios_come_from_the_difference_of_two_scrapes() -> None:
    history = History()
    history.add(0, parse(exposition(100)))
    history.add(5, parse(exposition(150, errors=10)))
    (service,) = history.services()
    assert service.rate == 10
    assert service.error_ratio == 0.2
    (edge,) = history.edges()
    assert edge.rate == 10
    assert lines(history, "headline")[0] == "headline"


def test_an_empty_history_shows_nothing() -> None:
    assert History().services() == []
    assert lines(History(), "headline") == ["headline"]


@pytest.mark.parametrize(
    ("q", "expected"),
    [(0.0, 0.0), (0.25, 0.05), (0.5, 0.1), (0.75, 0.55), (1.0, 1.0)],
)
def test_quantiles_are_interpolated_within_a_bucket(q: float, expected: float) -> None:
    assert quantile(q, {0.1: 50, 1.0: 100, float("inf"): 100}) == pytest.approx(expected)


def test_a_quantile_beyond_the_last_bound_is_that_bound() -> None:
    assert quantile(0.99, {0.1: 50, float("inf"): 100}) == 0.1
    assert quantile(0.99, {}) is None
    assert quantile(0.99, {0.1: 0, float("inf"): 0}) is None


def test_differences_name_what_was_sent_and_what_is_shown() -> None:
    assert differences("spans of", {("cart",): 3}, {("cart",): 3.0, ("zero",): 0.0}) == []
    assert differences("spans of", {("cart",): 3}, {("cart",): 4.0}) == ["spans of cart: sent 3, /metrics shows 4"]
    assert differences("spans of", {}, {("ghost",): 1.0}) == ["spans of ghost: sent 0, /metrics shows 1"]


def test_a_truth_survives_its_file(tmp_path: Path) -> None:
    truth = Truth(
        spans=Counter({("cart", "GET", "SPAN_KIND_SERVER", "STATUS_CODE_UNSET"): 3}),
        edges=Counter({("frontend", "cart", ""): 2}),
        failed_edges=Counter({("frontend", "cart", ""): 1}),
        traces=2,
        unsent=1,
    )
    truth.write(tmp_path / "truth.json")
    assert Truth.read(tmp_path / "truth.json") == truth


def test_small_things_are_drawn_small() -> None:
    assert sparkline([0, 1, 2]) == "▁▅█"
    assert sparkline([]) == ""
    assert [duration(seconds) for seconds in (None, 0.00123, 0.5, 2.5)] == ["–", "1.23 ms", "500 ms", "2.5 s"]
