"""A recorded result as a page: what Prometheus answered is what is seen, and what it did not answer is seen too."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from typing import Any

import pytest

from dashboards.build import COMPILED, FLAVOURS, SOURCES
from dashboards.preview import lines, node_graph, numbers
from dashboards.preview.areas import _classic, _logarithmic, _native
from dashboards.preview.asking import Asker, _stretches, interpolated, legend, nice_step_s
from dashboards.preview.frames import Data, Row, Series, look_of
from dashboards.preview.page import page
from dashboards.preview.prometheus import QueryFailedError
from tests.unit.dashboards.reading import load, panels

END_S = 1_800_000_000.0
SHOP = {"service_name": "cart", "source": "user", "target": "cart", "id": "cart", "title": "cart", "le": "0.1"}


class Recorded:
    """Answers every question the same way, and remembers the questions."""

    def __init__(self, answer: str = "data") -> None:
        self.answer = answer
        self.asked: list[str] = []

    def instant(self, query: str, time_s: float) -> list[dict[str, Any]]:
        return self._answered(query, {"value": (time_s, "0.25")})

    def range(self, query: str, begin_s: float, end_s: float, step_s: float) -> list[dict[str, Any]]:
        times = [begin_s + number * step_s for number in range(int((end_s - begin_s) / step_s) + 1)]
        return self._answered(
            query, {"values": [(at_s, str(0.01 * (number % 7))) for number, at_s in enumerate(times)]}
        )

    def label_values(self, label: str, selector: str, begin_s: float, end_s: float) -> list[str]:
        return ["cart", "checkout"]

    def exemplars(self, query: str, begin_s: float, end_s: float) -> list[dict[str, Any]]:
        return [{"exemplars": [{"timestamp": begin_s + 60, "value": "0.02"}]}] if self.answer == "data" else []

    def _answered(self, query: str, values: dict[str, Any]) -> list[dict[str, Any]]:
        self.asked.append(query)
        if self.answer == "error":
            raise QueryFailedError("parse error: <odd>")
        return [{"metric": SHOP, **values}] if self.answer == "data" else []


class Balanced(HTMLParser):
    """Fails on tags that are closed in another order than they were opened."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag != "meta":
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        pass

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def drawn(slug: str, answer: str = "data") -> str:
    return page([Asker(Recorded(answer), END_S, {}).answer(load("otelcol-classic", slug))])


@pytest.mark.parametrize("slug", SOURCES)
def test_every_dashboard_is_drawn_as_sound_html_with_all_its_panels(slug: str) -> None:
    text = drawn(slug)
    parser = Balanced()
    parser.feed(text)
    assert parser.open == []
    titles = [panel["title"] for panel in panels(load("otelcol-classic", slug))]
    assert re.findall(r"<h2>(.*?)<small>", text) == titles
    assert "src=" not in text
    assert "<script" not in text


@pytest.mark.parametrize("slug", [slug for slug in SOURCES if slug != "slo"])
def test_nothing_is_said_to_be_nothing(slug: str) -> None:
    text = drawn(slug, "nothing")
    for panel in panels(load("otelcol-classic", slug)):
        assert panel["fieldConfig"]["defaults"].get("noValue", "No data") in text


def test_a_refused_query_is_seen_in_the_words_of_prometheus() -> None:
    panel = next(panels(load("otelcol-classic", "fleet")))
    dashboard = {**load("otelcol-classic", "fleet"), "panels": [panel], "annotations": {"list": []}}
    dashboard["templating"] = {"list": []}
    panel["interval"] = "30s"
    assert "parse error: &lt;odd&gt;" in page([Asker(Recorded("error"), END_S, {}).answer(dashboard)])


@pytest.mark.parametrize(("min_step", "rate_interval"), [("2m", "135s"), ("30s", "60s"), ("5s", "60s"), ("5m", "315s")])
def test_rates_look_back_as_far_as_in_grafana(min_step: str, rate_interval: str) -> None:
    """max(interval + scrape interval, 4 x scrape interval), of 15 s."""
    source = Recorded()
    Asker(source, END_S, {"min_step": min_step}).answer(load("otelcol-classic", "service"))
    windows = {window for query in source.asked for window in re.findall(r"rate\([^\[]+\[(\w+)\]", query)}
    # The heat map is as wide as the page and the others are not: all steps are below the least one here.
    assert windows == {rate_interval}


@pytest.mark.parametrize("edition", [flavour.id for flavour in FLAVOURS])
def test_no_variable_is_left_over(edition: str) -> None:
    for slug in SOURCES:
        source = Recorded()
        Asker(source, END_S, {}).answer(load(edition, slug))
        assert not [query for query in source.asked if re.search(r"\$[a-zA-Z_{]", query)]
    assert (COMPILED / edition).is_dir()


def test_the_longest_name_of_a_variable_counts_and_groups_of_regular_expressions_stay() -> None:
    values = {"service": "cart", "service_version": "1"}
    assert interpolated('a{s="$service"} b{v="${service_version}"} "$1"', values) == 'a{s="cart"} b{v="1"} "$1"'


def test_legends_are_filled_in() -> None:
    assert legend("{{client}} → {{ server }}", {"client": "a", "server": "b"}, "") == "a → b"
    assert legend("__auto", {"__name__": "up", "job": "x"}, "up") == 'up{job="x"}'
    assert legend("__auto", {}, "sum(up)") == "sum(up)"


def test_steps_are_round() -> None:
    assert [nice_step_s(wanted) for wanted in (0.2, 7, 100, 10**9)] == [1, 10, 120, 86400]


def test_neighbouring_times_are_one_stretch() -> None:
    assert list(_stretches([0, 60, 120, 400, 460, 900], 60)) == [(0, 120), (400, 460), (900, 900)]


def test_rows_with_equal_labels_are_joined_sorted_and_named() -> None:
    panel = next(
        one for one in panels(load("otelcol-classic", "fleet")) if one["title"] == "Services" and one["type"] == "table"
    )
    rows = [Row("A", {"service_name": "cart"}, 5.0), Row("A", {"service_name": "pay"}, 1.0)]
    rows += [Row("B", {"service_name": "pay"}, 0.5), Row("B", {"service_name": "cart"}, 0.0)]
    columns, cells = numbers.organized(panel, numbers.merged(rows, several=True))
    assert columns == ["Service", "Rate", "Errors"]
    assert cells == [
        {"Service": "pay", "Rate": 1.0, "Errors": 0.5},
        {"Service": "cart", "Rate": 5.0, "Errors": 0.0},
    ]
    html = numbers.table(panel, Data(rows=tuple(rows)))
    assert '<span style="color:#F2495C">50.00%</span>' in html
    assert '<span style="color:#73BF69">0.00%</span>' in html


def test_thresholds_colour_from_their_value_on() -> None:
    panel = next(one for one in panels(load("otelcol-classic", "fleet")) if one["title"] == "Errors")
    look = look_of(panel)
    assert [look.color(value) for value in (0.0, 0.01, 0.05)] == ["#73BF69", "#FF9830", "#F2495C"]


def series(points: list[tuple[float, float]], name: str = "a", **labels: str) -> Series:
    return Series(name, "A", labels, tuple(points))


def test_a_missing_point_breaks_the_line_and_a_slower_step_does_not() -> None:
    points = [(0.0, 1.0), (60.0, 1.0), (240.0, 1.0), (300.0, 1.0)]
    assert [len(run) for run in lines.runs(points, 60)] == [2, 2]
    assert [len(run) for run in lines.runs(points, 120)] == [4]


def test_points_are_where_axes_say() -> None:
    frame = lines.Frame(1000, 300, 0, 3600, 0, 2)
    assert frame.x(0) == lines.LEFT
    assert frame.x(3600) == 1000 - lines.RIGHT
    assert frame.y(0) == 300 - lines.BOTTOM
    assert frame.y(2) == frame.y(5) == lines.TOP
    assert frame.y(1) == (frame.y(0) + frame.y(2)) / 2


def test_a_heat_map_shows_what_is_in_a_bucket_and_not_below_it() -> None:
    cumulative = [series([(0.0, count)], le=le) for le, count in (("0.1", 3.0), ("1.0", 10.0), ("+Inf", 11.0))]
    assert [cell[1:] for cell in _classic(Data(tuple(cumulative)))] == [
        (0.0, 0.1, 3.0),
        (0.1, 1.0, 7.0),
        (1.0, float("inf"), 1.0),
    ]


def test_native_buckets_are_as_high_as_they_are_wide_whatever_their_resolution() -> None:
    fine, coarse = (0.0, ((1.0, 2.0, 5.0), (2.0, 4.0, 5.0))), (60.0, ((1.0, 4.0, 10.0),))
    scale = _logarithmic(_native(Data((Series("a", "A", {}, (), (fine, coarse)),))))
    assert (scale.low, scale.high) == (0.0, 2.0)
    assert [scale.top(2.0) - scale.bottom(1.0, 2.0), scale.top(4.0) - scale.bottom(1.0, 4.0)] == [1.0, 2.0]
    assert scale.marks == [1.0, 2.0, 4.0]


def test_callers_stand_left_of_those_they_call_also_where_calls_go_in_a_circle() -> None:
    pairs = [("user", "web"), ("web", "cart"), ("web", "pay"), ("cart", "db"), ("pay", "db"), ("db", "web")]
    edges = [Row("edges", {"source": a, "target": b}, 1.0) for a, b in pairs]
    places = node_graph._places(["user", "web", "cart", "pay", "db"], edges[:-1], 1000, 500)
    assert all(places[a][0] < places[b][0] for a, b in pairs[:-1])
    assert len(set(places.values())) == 5
    circle = node_graph._places(["user", "web", "cart", "pay", "db"], edges, 1000, 500)
    assert all(0 < x < 1000 and 0 < y < 500 for x, y in circle.values())
