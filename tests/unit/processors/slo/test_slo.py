"""Error budgets, burn rates and alarms, live."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from pipeline.testing import Harness
from pipeline.testing_spans import span_batch
from processors.slo import Slo, names
from processors.slo.burn import burns
from processors.slo.config import Config
from processors.slo.processor import PERIOD

AVAILABILITY = {"name": "cart-availability", "service": "cart", "objective": 99.0, "period": "30d"}
LATENCY = {"name": "cart-latency", "service": "cart", "objective": 90.0, "latency": "250ms"}
KEY = ("cart-availability", "cart")


def harness(*objectives: dict[str, Any]) -> Harness[Slo]:
    return Harness(Slo, objectives=objectives or (AVAILABILITY,))


def requests(run: Harness[Slo], good: int, bad: int, **fields: Any) -> None:
    """Spans of ten seconds."""
    for n, status in ((good, "ok"), (bad, "error")):
        if n:
            run.traces(span_batch(n=n, columns=run.processor.reads, service="cart", status=status, **fields))
    run.advance(10)


def test_the_burn_rate_is_the_error_ratio_over_the_budget() -> None:
    run = harness()
    requests(run, good=95, bad=5)
    for window in ("5m", "3d", PERIOD):
        assert run.metric(names.SLO_BURN_RATE, *KEY, window) == pytest.approx(5.0, abs=1e-6)
        assert run.metric(names.SLO_ERROR_RATIO, *KEY, window) == pytest.approx(0.05, abs=1e-6)
    assert run.metric(names.SLO_BUDGET_REMAINING, *KEY) == pytest.approx(-4.0, abs=1e-6)


def test_the_budget_is_weighted_by_traffic() -> None:
    """Half of one request fails at night; by day all is well."""
    run = harness()
    requests(run, good=1, bad=1)
    run.advance(3600)
    requests(run, good=998, bad=0)
    assert run.metric(names.SLO_BUDGET_REMAINING, *KEY) == pytest.approx(1 - 0.001 / 0.01, abs=1e-6)


def test_a_window_forgets_what_is_older() -> None:
    run = harness()
    requests(run, good=0, bad=10)
    run.advance(400)
    requests(run, good=10, bad=0)
    assert run.metric(names.SLO_ERROR_RATIO, *KEY, "5m") == 0
    assert run.metric(names.SLO_ERROR_RATIO, *KEY, "30m") == pytest.approx(0.5)


def test_latency_looks_at_durations_alone() -> None:
    run = harness(LATENCY)
    requests(run, good=0, bad=3, duration_ms=250)
    requests(run, good=1, bad=0, duration_ms=251)
    assert run.metric(names.SLO_ERROR_RATIO, "cart-latency", "cart", "5m") == pytest.approx(0.25)


def test_other_services_operations_and_kinds_do_not_count() -> None:
    run = harness({**AVAILABILITY, "operation": "GET /"})
    batch: dict[str, Any] = {"columns": run.processor.reads, "status": "error"}
    run.traces(span_batch(service="other", name="GET /", **batch))
    run.traces(span_batch(service="cart", name="POST /", **batch))
    run.traces(span_batch(service="cart", name="GET /", kind="client", **batch))
    run.traces(span_batch(service="cart", name="GET /", **batch))
    assert run.metric(names.SLO_EVENTS, *KEY) == run.metric(names.SLO_BAD_EVENTS, *KEY) == 1


def test_an_alarm_needs_both_windows_and_ends_with_the_short_one() -> None:
    run = harness()
    for _ in range(360):
        requests(run, good=100, bad=0)
    assert run.metric(names.SLO_BURNING, *KEY, "page") == 0
    for _ in range(12):
        requests(run, good=0, bad=100)
    assert run.metric(names.SLO_BURNING, *KEY, "page") == 0, "5m is at 40, but 1h and 6h are at 3"
    for _ in range(48):
        requests(run, good=0, bad=100)
    assert run.metric(names.SLO_BURNING, *KEY, "page") == 1
    detect = run.metric(names.SLO_DETECT_SECONDS, *KEY, "page")
    assert 120 < detect < 600
    for _ in range(180):
        requests(run, good=100, bad=0)
    assert run.metric(names.SLO_BURNING, *KEY, "page") == 0
    assert run.metric(names.SLO_INCIDENTS, *KEY, "page") == 1
    assert run.metric(names.SLO_RESOLVE_SECONDS, *KEY, "page") > 0


def test_everything_is_shown_before_anything_happens() -> None:
    run = harness()
    run.advance(5)
    assert run.metric(names.SLO_OBJECTIVE, *KEY) == 0.99
    assert run.metric(names.SLO_BURNING, *KEY, "ticket") == 0
    assert run.metric(names.SLO_INCIDENTS, *KEY, "page") == 0
    assert names.SLO_BUDGET_REMAINING not in {point.name for point in run.metrics()}


def test_a_restart_continues() -> None:
    stopped, kept = harness(), harness()
    for run in (stopped, kept):
        requests(run, good=90, bad=10)
    stopped.restart()
    for run in (stopped, kept):
        requests(run, good=100, bad=0)
    for window in ("5m", "6h", PERIOD):
        assert stopped.metric(names.SLO_BURN_RATE, *KEY, window) == kept.metric(names.SLO_BURN_RATE, *KEY, window)


@pytest.mark.parametrize(
    ("days", "factors"),
    [(30, (14.4, 6.0, 3.0, 1.0)), (28, (13.44, 5.6, 2.8, 0.933333)), (7, (13.44, 3.5, 1.4, 0.98))],
)
def test_factors_are_those_of_the_workbook_and_of_sloth(days: int, factors: tuple[float, ...]) -> None:
    assert tuple(burn.factor for burn in burns(days)) == factors


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"objective": 100}, "less than 100"),
        ({"period": "1month"}, "number of days"),
        ({"name": "two words"}, "a name has letters"),
        ({"queries": {"errors": "rate(a[5m])", "total": "rate(b[window])"}}, r"errors must have \[window\]"),
        ({"latency": "1s", "queries": {"errors": "a[window]", "total": "b[window]"}}, "instead of"),
    ],
)
def test_mistakes_are_named(change: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        Config.model_validate({"objectives": [{**AVAILABILITY, **change}]})


def test_names_must_differ() -> None:
    with pytest.raises(ValidationError, match="more than once: cart-availability"):
        Config.model_validate({"objectives": [AVAILABILITY, AVAILABILITY]})


def test_what_is_printed_can_be_read_again() -> None:
    config = Config.model_validate({"objectives": [AVAILABILITY, LATENCY]})
    assert Config.model_validate(config.model_dump(mode="json")) == config
