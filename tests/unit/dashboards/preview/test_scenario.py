"""What happens to traces leaves them traces that could have been."""

import numpy as np
import pytest
from opentelemetry.trace import SpanKind

from dashboards.preview.hours import _firing
from dashboards.preview.leading_zeros import LeadingZeros
from dashboards.preview.replica import CompressedClock, requests
from dashboards.preview.scenario import (
    BAD_CARD,
    NEW_RELEASE,
    OLD_RELEASE,
    RELEASED_S,
    SLOW_DATABASE_S,
    Event,
    Scenario,
    _entrances,
    delay,
    fail,
    version_of,
)
from pipeline.api import Meter
from pipeline.demo.plan import PlannedSpan, Planner
from pipeline.demo.shop import Operation
from pipeline.testing import FakeClock

MS = 1_000_000


def events(begin_s: float, end_s: float, seed: int = 1) -> list[Event]:
    return list(Scenario(seed, 5.0).between(begin_s, end_s))


def waits_for(span: PlannedSpan) -> bool:
    """Whether the parent lasts as long as this span."""
    return span.parent is not None and span.kind is not SpanKind.CONSUMER


@pytest.mark.parametrize("begin_s", [-5000.0, SLOW_DATABASE_S[0], RELEASED_S])
def test_a_caller_lasts_as_long_as_what_it_waits_for_and_fails_with_it(begin_s: float) -> None:
    for _, trace in events(begin_s, begin_s + 120):
        for span in trace.spans:
            assert span.end >= span.start
            if waits_for(span):
                parent = trace.spans[span.parent or 0]
                assert parent.start <= span.start
                assert span.end <= parent.end
                assert parent.failed or not span.failed


def test_equal_seeds_let_the_same_happen() -> None:
    first, second = (requests(events(-1000, -900), 10**18) for _ in range(2))
    assert first == second
    assert requests(events(-1000, -900, seed=2), 10**18) != first


def test_a_delay_moves_what_comes_later_and_nothing_else() -> None:
    trace = Planner(3, [(1, entrance("POST /checkout"))]).trace()
    before = [(span.start, span.end) for span in trace.spans]
    at = next(i for i, span in enumerate(trace.spans) if span.service == "payment" and span.kind is SpanKind.SERVER)
    delay(trace.spans, at, 7 * MS)
    ended = before[at][1]
    for (start, end), span in zip(before, trace.spans, strict=True):
        assert span.start - start in {0, 7 * MS}
        assert (span.start > start) == (start >= ended)
        assert (span.end > end) == (end >= ended)


def test_a_failure_reaches_the_user_but_not_past_a_queue() -> None:
    trace = Planner(3, [(1, entrance("POST /checkout"))]).trace()
    for span in trace.spans:
        span.failed = False
    consumer = next(i for i, span in enumerate(trace.spans) if span.kind is SpanKind.CONSUMER)
    fail(trace.spans, consumer)
    assert [span.kind for span in trace.spans if span.failed] == [SpanKind.CONSUMER]
    fail(trace.spans, next(i for i, span in enumerate(trace.spans) if span.service == "payment"))
    assert trace.spans[0].failed


def entrance(name: str) -> Operation:
    return next(operation for _, operation in _entrances() if operation.name == name)


def test_the_bad_release_fails_for_one_card_and_carries_its_version() -> None:
    failed: dict[object, list[bool]] = {}
    for at_s, trace in events(RELEASED_S, RELEASED_S + 600):
        assert version_of("payment", at_s) == NEW_RELEASE
        for span in trace.spans:
            if "app.card_type" in span.attributes:
                failed.setdefault(span.attributes["app.card_type"], []).append(span.failed)
    shares = {card: sum(some) / len(some) for card, some in failed.items()}
    assert shares.pop(BAD_CARD) > 0.8
    assert max(shares.values()) < 0.3
    assert version_of("payment", RELEASED_S - 1) == version_of("cart", 0.0) == OLD_RELEASE


def test_reports_pause() -> None:
    """Without traffic there is nothing to divide by: the dashboards are to show a gap."""
    minutes = [any(t.spans[0].service == "reports" for _, t in events(s, s + 60)) for s in range(-7200, 0, 60)]
    assert any(minutes)
    assert not all(minutes)


@pytest.mark.parametrize(("for_s", "fires_at"), [(0, [0, 30, 60, 300, 330]), (60, [60]), (30, [30, 60, 330])])
def test_an_alert_fires_when_its_condition_has_held_long_enough(for_s: int, fires_at: list[int]) -> None:
    values = [(at_s, "1") for at_s in (0, 30, 60, 300, 330)]
    found = {labels["__name__"]: samples for labels, samples in _firing({}, [({}, values)], for_s)}
    assert [at_s for at_s, _ in found["ALERTS"]] == fires_at
    assert [since for _, since in found["ALERTS_FOR_STATE"]] == [0, 0, 0, 300, 300]


def test_a_new_counter_is_seen_at_zero_once_and_a_gauge_never() -> None:
    clock = FakeClock()
    meter = Meter("shop", clock)
    calls, depth = meter.counter("calls", labels=("of",)), meter.gauge("depth", labels=("of",))
    seconds = meter.histogram("seconds", labels=("of",), buckets=(1.0,))
    zeros = LeadingZeros()

    def scraped() -> dict[tuple[str, str], object]:
        (snapshot,) = zeros.shown([meter.collect(clock.unix_nano())])
        values = {(point.name, point.labels["of"]): point.value for point in snapshot.points()}
        return {key: value["count"] if isinstance(value, dict) else value for key, value in values.items()}

    for of in ("first", "second"):
        clock.advance(10)
        calls.add((of,))
        seconds.record((of,), np.array([0.5]))
        depth.set((of,), 7.0)
        for count in (0.0, 1.0, 1.0):
            now = scraped()
            assert [now[name, of] for name in ("calls", "seconds", "depth")] == [count, count, 7.0]


def test_compressed_time_never_goes_back() -> None:
    clock = CompressedClock(10**18)
    clock.move_to(10**18 + 5 * 10**9)
    then = clock.unix_nano()
    assert then >= 10**18 + 5 * 10**9
    clock.move_to(10**18)
    assert clock.unix_nano() >= then
