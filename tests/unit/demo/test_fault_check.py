"""The verdict on what was found can fail in every way that it names."""

from __future__ import annotations

import pytest

from pipeline.demo import fault_check, view
from pipeline.demo.history import History
from pipeline.demo.scrape import Scrape, parse
from pipeline.demo.truth import Truth

BEGAN = Truth(fault_began_unix_s=1_767_225_645.4)
AT = "20260101T0000{}Z-{}"


def page(second: int, root: str = "payment", suspect: str = "amex", active: int = 1) -> Scrape:
    name = AT.format(second, root)
    return parse(
        f'weir_incident_active{{incident="{name}",root_service="{root}",severity="warning"}} {active}\n'
        f'weir_incident_suspect_share{{incident="{name}",attribute="app.card_type",value="{suspect}"}} 0.5\n'
    )


def test_cause_and_value_after_the_begin_are_right() -> None:
    shown = page(49)
    assert fault_check.problems(BEGAN, shown) == fault_check.false_alarms(BEGAN, shown) == []
    assert fault_check.praise(BEGAN, shown) == (
        "the fault (payment, app.card_type=amex) was found 4 s after it began: "
        "cause payment, suspects app.card_type=amex"
    )


@pytest.mark.parametrize(
    ("truth", "shown", "problem"),
    [
        (Truth(), page(49), "the fault did not begin"),
        (BEGAN, Scrape(), "no incident since it began"),
        (BEGAN, page(43), "no incident since it began"),
        (BEGAN, page(49, root="checkout"), "names checkout as the cause, and not payment"),
        (BEGAN, page(49, suspect="visa"), "names app.card_type=visa as suspect, and not app.card_type=amex"),
    ],
)
def test_anything_else_is_a_problem(truth: Truth, shown: Scrape, problem: str) -> None:
    assert problem in " ".join(fault_check.problems(truth, shown))


def test_earlier_incidents_are_false_alarms() -> None:
    assert fault_check.false_alarms(BEGAN, page(43)) == [AT.format(43, "payment")]
    assert fault_check.false_alarms(Truth(), page(49)) == [AT.format(49, "payment")]


@pytest.mark.parametrize(
    ("duration_s", "rate", "why"),
    [(20.0, 50.0, "shorter than 70 s"), (80.0, 5.0, "fewer than 20"), (70.0, 20.0, "")],
)
def test_what_cannot_be_judged_is_said(duration_s: float, rate: float, why: str) -> None:
    said = fault_check.why_not_checked(duration_s, rate, 45.0)
    assert why in said
    assert bool(said) is bool(why)


def test_the_display_shows_the_incident() -> None:
    history = History()
    history.add(1.0, page(49))
    assert view.lines(history, "")[1] == (
        "  INCIDENT 20260101T000049Z-payment: payment is the likeliest cause, bad spans have app.card_type=amex"
    )
    history.add(2.0, page(49, active=0))
    assert "incident, over 2026" in view.lines(history, "")[1]


def test_the_truth_keeps_when_the_fault_began(tmp_path) -> None:  # type: ignore[no-untyped-def]
    BEGAN.write(tmp_path / "truth")
    assert Truth.read(tmp_path / "truth") == BEGAN
