"""The preview: hours of a shop with an incident on a real Prometheus, every panel looked at by what it got.

Must never regress: in an incident no panel is empty without a reason, healthy services fail in 0 of their requests,
and where nothing was asked of a service there is a gap.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Iterator, Mapping
from itertools import pairwise
from pathlib import Path

import pytest

from dashboards.build import FLAVOURS, SOURCES
from dashboards.preview import screenshot
from dashboards.preview.__main__ import answer
from dashboards.preview.asking import Answered, panels
from dashboards.preview.frames import Data
from dashboards.preview.hours import Span, play
from dashboards.preview.lines import runs
from dashboards.preview.page import page, section_height
from dashboards.preview.prometheus import Prometheus
from dashboards.preview.scenario import NEW_RELEASE, REPORTS_EVERY_S, REPORTS_LAST_S
from pipeline.service.clock import SystemClock
from tests.programs import PROMETHEUS, PROMETHEUS3

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(600)]

HOURS = 1.4
RATE = 8.0
EMPTY: Mapping[tuple[str, str], str] = {
    ("self", "Rejected spans"): "the services of the scenario send no span without ids",
    ("self", "Not sent"): "the destination takes everything",
    ("anomalies", "Calls per trace"): "few operations are called a varying number of times per trace",
}
"""Dashboard and panel → why it has nothing to show."""


SERVED = [
    pytest.param(("otelcol-classic", PROMETHEUS, 15, "30s"), marks=PROMETHEUS.needed, id="otelcol-classic"),
    pytest.param(
        ("otelcol-ms-native", PROMETHEUS, 60, ""), marks=PROMETHEUS.needed, id="otelcol-ms-native, scrape 60s"
    ),
    pytest.param(("tempo-native", PROMETHEUS, 5, "5s"), marks=PROMETHEUS.needed, id="tempo-native, scrape 5s"),
    pytest.param(("tempo-classic", PROMETHEUS3, 15, "30s"), marks=PROMETHEUS3.needed, id="tempo-classic, Prometheus 3"),
]
"""Edition, program, scrape interval, and what is chosen as the least step; without it, what a new user sees."""


@pytest.fixture(scope="module", params=SERVED)
def seen(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Answered]]:
    """All dashboards of an edition, answered."""
    edition, program, scrape_s, min_step = request.param
    flavour = next(one for one in FLAVOURS if one.id == edition)
    end_s = SystemClock().unix_nano() // 10**9 // 120 * 120
    hours = Span(end_s - round(HOURS * 3600), end_s)
    with Prometheus(tmp_path_factory.mktemp("preview"), program.path) as prometheus:
        play(flavour, hours, RATE, prometheus, scrape_s=scrape_s)
        yield {slug: answer(prometheus, flavour, slug, hours, min_step) for slug in SOURCES}


def data_of(answered: Answered, title: str, kind: str) -> Data:
    panel = next(one for one in panels(answered.dashboard) if (one["title"], one["type"]) == (title, kind))
    return answered.data[panel["id"]]


@pytest.mark.parametrize("slug", SOURCES)
def test_no_panel_is_empty_without_a_reason(seen: dict[str, Answered], slug: str) -> None:
    answered = seen[slug]
    for panel in panels(answered.dashboard):
        data = answered.data[panel["id"]]
        assert not data.errors, panel["title"]
        if panel["type"] in {"timeseries", "table", "state-timeline", "heatmap", "nodeGraph", "stat"}:
            assert data.is_empty <= ((slug, panel["title"]) in EMPTY), panel["title"]


def test_every_reason_is_about_a_panel_that_there_is(seen: dict[str, Answered]) -> None:
    titles = {(slug, panel["title"]) for slug, answered in seen.items() for panel in panels(answered.dashboard)}
    assert EMPTY.keys() <= titles


def test_a_service_without_failures_is_at_zero_and_one_without_requests_has_a_gap(seen: dict[str, Answered]) -> None:
    errors = {
        series.name: dict(series.points) for series in data_of(seen["fleet"], "Errors by service", "timeseries").series
    }
    assert set(errors["reports"].values()) == {0.0}
    reports = sorted(errors["reports"])
    longest_s = max(right - left for left, right in pairwise(reports))
    # A rate looks back one to a few minutes, so a gap is that much shorter than the pause.
    assert REPORTS_EVERY_S - REPORTS_LAST_S - 200 <= longest_s <= REPORTS_EVERY_S
    assert max(errors["payment"].values()) > 0.2


def test_a_busy_service_has_no_gap_at_any_scrape_interval(seen: dict[str, Answered]) -> None:
    data = data_of(seen["fleet"], "Rate by service", "timeseries")
    (cart,) = [series for series in data.series if series.name == "cart"]
    assert len(runs(cart.points, data.step_s)) == 1
    assert cart.points[-1][0] - cart.points[0][0] >= 3600 - 2 * data.step_s


def test_the_incident_is_on_the_first_dashboard_with_its_cause_one_click_away(seen: dict[str, Answered]) -> None:
    (incident,) = data_of(seen["fleet"], "Open incidents", "table").rows
    assert incident.labels["root_service"] == "payment"
    alerts = data_of(seen["fleet"], "Firing alerts", "table").rows
    assert "page" in {row.labels["severity"] for row in alerts}
    suspects = data_of(seen["anomalies"], "What differs", "table").rows
    assert ("service.version", NEW_RELEASE) in {(row.labels["attribute"], row.labels["value"]) for row in suspects}


def test_marks_are_where_things_begin_and_few(seen: dict[str, Answered]) -> None:
    marks = seen["fleet"].annotations
    deployed = [mark for mark in marks if mark.name == "Deployments"]
    assert [mark.title.rpartition(" ")[2] for mark in deployed] == [NEW_RELEASE]
    assert all(mark.end_s - mark.begin_s <= 60 for mark in deployed)
    assert {mark.name for mark in marks} == {"Deployments", "Anomalies", "Alerts"}
    assert len(marks) < 25


def test_nodes_and_edges_that_fail_are_red(seen: dict[str, Answered]) -> None:
    rows = data_of(seen["map"], "Service map", "nodeGraph").rows
    colors = {row.labels["id"]: row.labels["color"] for row in rows}
    assert (colors["payment"], colors["checkout->payment"]) == ("red", "red")
    assert (colors["cart"], colors["frontend->cart"]) == ("green", "green")
    nodes = {row.labels["id"] for row in rows if row.ref == "nodes"}
    assert {row.labels[end] for row in rows if row.ref == "edges" for end in ("source", "target")} <= nodes


def test_lines_are_few_enough_to_be_told_apart(seen: dict[str, Answered]) -> None:
    for slug, answered in seen.items():
        for panel in panels(answered.dashboard):
            if panel["type"] == "timeseries":
                beside = panel["options"]["legend"]["placement"] == "right"
                assert len(answered.data[panel["id"]].series) <= (15 if beside else 10), (slug, panel["title"])


def test_the_page_says_what_is_missing_and_a_browser_draws_it(seen: dict[str, Answered], tmp_path: Path) -> None:
    text = page(list(seen.values()))
    assert len(re.findall('<div class="empty">', text)) == sum(
        answered.data[panel["id"]].is_empty and panel["type"] != "stat"
        for answered in seen.values()
        for panel in panels(answered.dashboard)
    )
    assert '<div class="error">' not in text
    if screenshot.program() is None:
        pytest.skip(screenshot.HOW_TO_GET)
    html, png = tmp_path / "page.html", tmp_path / "page.png"
    html.write_text(page([seen["fleet"]]))
    height = section_height(seen["fleet"])
    screenshot.shoot(html, png, 1632, height)
    assert struct.unpack(">II", png.read_bytes()[16:24]) == (1632, height)
