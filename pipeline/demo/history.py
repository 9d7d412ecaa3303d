"""Rates, error ratios and quantiles between two scrapes, and the recent past for the sparklines."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field

from pipeline.demo.scrape import ENTRANCE_KINDS, Buckets, Scrape, quantile
from pipeline.demo.truth import EdgeKey

WINDOW_S = 10.0
SPARK_POINTS = 30
ERROR = "STATUS_CODE_ERROR"


@dataclass(frozen=True)
class ServiceRow:
    """One service over the window. ``rate`` is spans that enter the service, per second."""

    name: str
    rate: float
    error_ratio: float
    quantiles: tuple[float | None, float | None, float | None]
    trend: tuple[float, ...]


@dataclass(frozen=True)
class EdgeRow:
    """One edge of the service graph over the window."""

    client: str
    server: str
    connection_type: str
    rate: float
    error_ratio: float
    quantiles: tuple[float | None, float | None]


@dataclass
class History:
    """The scrapes of the last window, oldest first."""

    scrapes: deque[tuple[float, Scrape]] = field(default_factory=deque)
    trends: dict[str, deque[float]] = field(default_factory=dict)

    def add(self, at_s: float, scrape: Scrape) -> None:
        """Take a scrape made ``at_s`` seconds after some fixed moment."""
        if self.scrapes:
            before_s, before = self.scrapes[-1]
            for service in _services(scrape):
                made = _entered(scrape, service) - _entered(before, service)
                trend = self.trends.setdefault(service, deque(maxlen=SPARK_POINTS))
                trend.append(made / max(at_s - before_s, 1e-9))
        self.scrapes.append((at_s, scrape))
        while len(self.scrapes) > 2 and self.scrapes[1][0] <= at_s - WINDOW_S:
            self.scrapes.popleft()

    @property
    def latest(self) -> Scrape:
        """The newest scrape, empty at the start."""
        return self.scrapes[-1][1] if self.scrapes else Scrape()

    def _ends(self) -> tuple[Scrape, Scrape, float]:
        if len(self.scrapes) < 2:
            return Scrape(), self.latest, 1.0
        (begin_s, before), (end_s, after) = self.scrapes[0], self.scrapes[-1]
        return before, after, max(end_s - begin_s, 1e-9)

    def services(self) -> list[ServiceRow]:
        """Return one row per service, by name."""
        before, after, seconds = self._ends()
        rows = []
        for name in _services(after):
            made = _entered(after, name) - _entered(before, name)
            failed = _entered(after, name, ERROR) - _entered(before, name, ERROR)
            latency = _minus(after.latency.get(name, {}), before.latency.get(name, {}))
            rows.append(
                ServiceRow(
                    name,
                    made / seconds,
                    failed / made if made else 0.0,
                    (quantile(0.5, latency), quantile(0.95, latency), quantile(0.99, latency)),
                    tuple(self.trends.get(name, ())),
                )
            )
        return rows

    def edges(self) -> list[EdgeRow]:
        """Return one row per edge, by client and server."""
        before, after, seconds = self._ends()
        rows = []
        for key in sorted(after.edges):
            made = _change(after.edges, before.edges, key)
            failed = _change(after.failed_edges, before.failed_edges, key)
            latency = _minus(after.edge_latency.get(key, {}), before.edge_latency.get(key, {}))
            ratio = failed / made if made else 0.0
            rows.append(EdgeRow(*key, made / seconds, ratio, (quantile(0.5, latency), quantile(0.95, latency))))
        return rows


def _services(scrape: Scrape) -> list[str]:
    return sorted({service for service, _, kind, _ in scrape.spans if kind in ENTRANCE_KINDS})


def _entered(scrape: Scrape, service: str, status: str | None = None) -> float:
    return sum(
        value
        for (name, _, kind, code), value in scrape.spans.items()
        if name == service and kind in ENTRANCE_KINDS and status in (None, code)
    )


def _change(after: Mapping[EdgeKey, float], before: Mapping[EdgeKey, float], key: EdgeKey) -> float:
    return after.get(key, 0.0) - before.get(key, 0.0)


def _minus(after: Buckets, before: Buckets) -> Buckets:
    return {bound: count - before.get(bound, 0.0) for bound, count in after.items()}
