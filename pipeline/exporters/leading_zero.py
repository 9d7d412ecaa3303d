"""Which series a scraper is shown at zero, so that ``rate()`` sees their first increments (docs/decisions/0006).

A counter that appears at 5 has, for Prometheus, never risen. So a series that a Prometheus has not seen is shown to
it at 0 once, and at its value from the next scrape on. New is what began after the newest series of the scraper's
previous scrape::

    scraper A   ──scrape: newest began at 10:00:07──────────────scrape: what began after 10:00:07 is 0──▶

Times are those of series (``start_unix_nano``), never of the scrape: a series that was in a page can so never be new
again, whatever the clock does, and a value never goes back to zero.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import Literal

from pipeline.http_message import Request

MAX_SCRAPERS = 16
"""Scrapers remembered; the least recently seen is forgotten and, if it returns, treated as a new one."""
YOUNG_NS = 60 * 1_000_000_000
"""For a scraper never seen before, a series is new if it began within the longest usual scrape interval."""

Mode = Literal["auto"] | bool


def is_prometheus(request: Request) -> bool:
    """Whether a request comes from something that stores what it scrapes, as Prometheus and its relatives say."""
    agent = request.headers.get("user-agent", "")
    return agent.startswith("Prometheus/") or "x-prometheus-scrape-timeout-seconds" in request.headers


class LeadingZero:
    """What each scraper has seen. Not thread-safe.

    Args:
        mode: ``auto`` for Prometheus alone, True for everybody, False for nobody.
        started_unix_nano: When this exporter started. What is older was restored and has been shown before.
    """

    def __init__(self, mode: Mode, started_unix_nano: int) -> None:
        self._mode = mode
        self._started = started_unix_nano
        self._newest: OrderedDict[str, int] = OrderedDict()
        self._shown = 0

    def scraper(self, request: Request) -> str:
        """Who is to see zeros: the address without its port, which changes with each connection. "": true values."""
        if self._mode is True or (self._mode == "auto" and is_prometheus(request)):
            return request.peer.rpartition(":")[0] or request.peer
        return ""

    def zero_after(self, scraper: str, now_unix_nano: int) -> int:
        """Series that began later than this are new to ``scraper``."""
        newest = self._newest.get(scraper)
        if newest is not None:
            return newest
        # Somebody else has seen these at their value. It may be the same Prometheus behind a new address.
        return max(self._started, now_unix_nano - YOUNG_NS, self._shown)

    def remember(self, scraper: str, zero_after: int, newest: int) -> None:
        """A page was made for ``scraper``; its newest series began at ``newest``."""
        self._shown = max(self._shown, zero_after)
        self._newest[scraper] = max(zero_after, newest)
        self._newest.move_to_end(scraper)
        if len(self._newest) > MAX_SCRAPERS:
            self._newest.popitem(last=False)
