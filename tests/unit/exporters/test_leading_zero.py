"""Who is shown a new series at zero, and when. Times are in seconds here."""

from __future__ import annotations

import random

import pytest

from pipeline.exporters.leading_zero import MAX_SCRAPERS, LeadingZero, Mode, is_prometheus
from pipeline.http_message import Request

S = 1_000_000_000


def request(peer: str = "10.0.0.1:4711", **headers: str) -> Request:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Request("GET", "/metrics", "", named, b"", peer)


PROMETHEUS = request(user_agent="Prometheus/3.1.0", x_prometheus_scrape_timeout_seconds="10")


class Page:
    """A tracker and the times at which series began; ``scrape`` says which series are shown at zero."""

    def __init__(self, started: float = 1000) -> None:
        self.tracker = LeadingZero("auto", int(started * S))
        self.series: list[float] = []

    def scrape(self, at: float, scraper: str = "10.0.0.1") -> list[float]:
        zero_after = self.tracker.zero_after(scraper, int(at * S))
        self.tracker.remember(scraper, zero_after, max((int(began * S) for began in self.series), default=0))
        return [began for began in self.series if began * S > zero_after]


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ({"user_agent": "Prometheus/2.42.0"}, True),
        ({"user_agent": "vm_promscrape", "x_prometheus_scrape_timeout_seconds": "10"}, True),
        ({"user_agent": "curl/8.0"}, False),
        ({"user_agent": "Mozilla/5.0 Prometheus/1"}, False),
        ({}, False),
    ],
)
def test_prometheus_is_known_by_its_headers(headers: dict[str, str], expected: bool) -> None:
    assert is_prometheus(request(**headers)) is expected


@pytest.mark.parametrize(
    ("mode", "for_prometheus", "for_curl"),
    [("auto", "10.0.0.1", ""), (True, "10.0.0.1", "10.0.0.1"), (False, "", "")],
)
def test_modes(mode: Mode, for_prometheus: str, for_curl: str) -> None:
    tracker = LeadingZero(mode, 0)
    assert tracker.scraper(PROMETHEUS) == for_prometheus
    assert tracker.scraper(request(user_agent="curl/8.0")) == for_curl


def test_a_scraper_is_its_address_without_the_port() -> None:
    tracker = LeadingZero(True, 0)
    assert tracker.scraper(request("10.0.0.1:1")) == tracker.scraper(request("10.0.0.1:2"))
    assert tracker.scraper(request("::1:5000")) == "::1"
    assert tracker.scraper(request("local")) == "local"


def test_a_new_series_is_at_zero_for_one_scrape() -> None:
    page = Page()
    page.series = [1001]
    assert page.scrape(1005) == [1001]
    assert page.scrape(1020) == []
    page.series.append(1021)
    assert page.scrape(1035) == [1021]
    assert page.scrape(1050) == []


def test_the_first_scrape_after_the_start_shows_all_that_began_since_at_zero() -> None:
    page = Page(started=1000)
    page.series = [1001, 1010, 1029]
    assert page.scrape(1030) == [1001, 1010, 1029]


def test_a_prometheus_that_comes_hours_later_gets_true_values() -> None:
    page = Page()
    page.series = [1001, 5000, 5590]
    assert page.scrape(5600) == [5590], "only what began within the last minute"


def test_restored_series_are_never_at_zero() -> None:
    """A restart keeps the series but forgets who has seen them."""
    page = Page(started=1000)
    page.series = [990, 999.9, 1000.1]
    assert page.scrape(1005) == [1000.1]


def test_two_prometheus_see_each_series_at_zero_once() -> None:
    page = Page()
    assert page.scrape(1010, "a") == page.scrape(1017, "b") == []
    page.series = [1020]
    assert page.scrape(1025, "a") == [1020]
    assert page.scrape(1032, "b") == [1020]
    assert page.scrape(1040, "a") == page.scrape(1047, "b") == []


def test_a_value_does_not_go_back_to_zero_when_prometheus_changes_its_address() -> None:
    page = Page()
    page.scrape(1005, "old pod")
    page.series = [1010]
    assert page.scrape(1020, "old pod") == [1010]
    assert page.scrape(1035, "old pod") == []
    assert page.scrape(1050, "new pod") == [], "a value that was shown must not become zero: it would count twice"


def test_a_clock_that_jumps_back_makes_nothing_new_again() -> None:
    page = Page()
    page.series = [1001]
    page.scrape(1005)
    page.scrape(1020)
    page.series.append(1002)  # began after the clock was set back by ten minutes, say
    page.series.append(500)
    assert page.scrape(420) == [1002]
    assert page.scrape(435) == []


def test_scrapers_are_forgotten_oldest_first() -> None:
    page = Page()
    for number in range(MAX_SCRAPERS + 1):
        page.scrape(1001 + number, str(number))
    assert len(page.tracker._newest) == MAX_SCRAPERS
    assert "0" not in page.tracker._newest


@pytest.mark.parametrize("seed", range(20))
def test_no_scraper_ever_sees_a_series_fall_back_to_zero(seed: int) -> None:
    generator = random.Random(seed)
    page = Page()
    now = 1000.0
    shown: dict[tuple[str, float], bool] = {}
    for _ in range(300):
        now += generator.random() * 20
        if generator.random() < 0.5:
            page.series.append(now)
        scraper = generator.choice("ab")
        zeros = page.scrape(now, scraper)
        for began in page.series:
            is_zero = began in zeros
            assert not (is_zero and shown.get((scraper, began)) is False)
            shown[scraper, began] = is_zero
