"""What happens in the hours that the preview shows: a day's shape, a slow database, a bad release.

::

    traffic  ▁▂▄▆▇▇▆▅▄▃▂▂▃▅▆▇▇▆▅▄▃▂▁     reports run for four minutes of every twelve: gaps are not zeros
    slow database                 ▐██▌
    payment 1.5.0                       ▐█████   fails for one kind of card, and is not over yet
"""

from __future__ import annotations

import math
import random
from collections.abc import Iterator, Sequence
from dataclasses import replace

from opentelemetry.trace import SpanKind

from pipeline.demo.plan import PlannedSpan, PlannedTrace, Planner
from pipeline.demo.shop import ENTRANCES, Operation, Query

MINUTE_S = 60.0
SLOW_DATABASE_S = (-54 * MINUTE_S, -46 * MINUTE_S)
RELEASED_S = -11 * MINUTE_S
"""Seconds before the end of the preview."""
DAY_S = 4 * 3600.0
"""A day and a night of traffic, compressed."""
REPORTS_EVERY_S, REPORTS_LAST_S, REPORTS_PER_S = 12 * MINUTE_S, 4 * MINUTE_S, 0.5
OLD_RELEASE, NEW_RELEASE = "1.4.2", "1.5.0"
RELEASED_SERVICE = "payment"
BAD_CARD = "amex"
BUYING, BUYERS = "POST /checkout", 20
USUAL_ERRORS = 0.05
"""The demo's services fail often, to have something to show in seconds; over hours that would be a fault of its own."""

Event = tuple[float, PlannedTrace]
"""Seconds before the end at which a trace ends, negative, and the trace."""


REPORTS = Operation("reports", "POST /exports", 900.0, spread=0.4)
"""A service that works now and then."""


def version_of(service: str, at_s: float) -> str:
    """``service.version`` at a time."""
    return NEW_RELEASE if service == RELEASED_SERVICE and at_s >= RELEASED_S else OLD_RELEASE


class Scenario:
    """Draws what happens.

    Args:
        seed: Equal seeds give equal hours.
        rate: Traces per second at noon.
    """

    def __init__(self, seed: int, rate: float) -> None:
        self._random = random.Random(seed)
        self._rate = rate
        self._shop = Planner(seed, _entrances())
        self._reports = Planner(seed + 1, [(1, REPORTS)])

    def between(self, begin_s: float, end_s: float) -> Iterator[Event]:
        """The traces that end in a stretch of time, in no order."""
        for planner, rate in ((self._shop, self._rate * _day(begin_s)), (self._reports, _reports(begin_s))):
            for _ in range(_poisson(self._random, rate * (end_s - begin_s))):
                at_s = self._random.uniform(begin_s, end_s)
                trace = planner.trace()
                if SLOW_DATABASE_S[0] <= at_s < SLOW_DATABASE_S[1]:
                    self._slow_database(trace)
                if at_s >= RELEASED_S:
                    self._bad_release(trace)
                yield at_s, trace

    def _slow_database(self, trace: PlannedTrace) -> None:
        for position, span in enumerate(trace.spans):
            if span.attributes.get("db.system") == "postgresql":
                delay(trace.spans, position, int(self._random.expovariate(1 / 0.35) * 1e9))
                if self._random.random() < 0.06:
                    fail(trace.spans, position)

    def _bad_release(self, trace: PlannedTrace) -> None:
        for position, span in enumerate(trace.spans):
            if span.service == RELEASED_SERVICE and span.kind is SpanKind.SERVER:
                bad = span.attributes.get("app.card_type") == BAD_CARD
                delay(trace.spans, position, int(self._random.expovariate(1 / (0.6 if bad else 0.05)) * 1e9))
                if self._random.random() < (0.95 if bad else 0.1):
                    fail(trace.spans, position)


def fail(spans: Sequence[PlannedSpan], position: int) -> None:
    """Let a span fail, and all that wait for it; nobody waits for the consumer of a message."""
    at: int | None = position
    while at is not None:
        span = spans[at]
        span.failed = True
        if "http.response.status_code" in span.attributes:
            span.attributes["http.response.status_code"] = 500
        at = None if span.kind is SpanKind.CONSUMER else span.parent


def delay(spans: Sequence[PlannedSpan], position: int, by: int) -> None:
    """Let a span take ``by`` nanoseconds longer; what waits for it ends later, what comes after it begins later."""
    ended = spans[position].end
    waiting: set[int] = set()
    at: int | None = position
    while at is not None:
        waiting.add(at)
        at = None if spans[at].kind is SpanKind.CONSUMER else spans[at].parent
    for number, span in enumerate(spans):
        if number in waiting:
            span.end += by
        elif span.start >= ended:
            span.start += by
            span.end += by


def _entrances() -> list[tuple[float, Operation]]:
    """Those of the demo, which fail less and are bought from more, so that a few traces per second show something."""
    return [(BUYERS if op.name == BUYING else weight, _calmer(op)) for weight, op in ENTRANCES]


def _calmer(call: Operation) -> Operation:
    calls = tuple(
        replace(one, error_ratio=one.error_ratio * USUAL_ERRORS) if isinstance(one, Query) else _calmer(one)
        for one in call.calls
    )
    return replace(call, error_ratio=call.error_ratio * USUAL_ERRORS, calls=calls)


def _day(at_s: float) -> float:
    """Between night, a third, and noon, 1; the preview ends before noon."""
    return 0.67 + 0.33 * math.cos(2 * math.pi * (at_s / DAY_S + 0.12))


def _reports(at_s: float) -> float:
    return REPORTS_PER_S if at_s % REPORTS_EVERY_S < REPORTS_LAST_S else 0.0


def _poisson(chance: random.Random, expected: float) -> int:
    """How many of many rare events happen: gaps between them are exponential."""
    count, at = 0, chance.expovariate(1.0)
    while at < expected:
        count, at = count + 1, at + chance.expovariate(1.0)
    return count
