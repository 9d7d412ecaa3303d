"""Budgets refuse at once, never starve, and ask for more patience the more is turned away."""

import pytest

from pipeline.errors import RetryableError
from pipeline.receivers.admission import MAX_RETRY_S, MEMORY_PER_DECODED_BYTE, MIN_RETRY_S, Admission, Budget


def test_a_budget_refuses_what_does_not_fit_and_takes_it_after_a_release() -> None:
    budget = Budget(10)
    assert budget.reserve(6)
    assert not budget.reserve(5)
    assert not budget.fits(5)
    assert budget.used == 6
    budget.release(6)
    assert budget.fits(5)
    assert budget.reserve(5)


def test_a_request_that_is_alone_is_never_refused() -> None:
    assert Budget(10).reserve(11), "or a limit below the largest request would refuse it for ever"


def admission(**limits: int) -> Admission:
    return Admission(**{"receiving_bytes": 100, "memory_bytes": 400, "requests": 3, **limits}, seed=1)


def test_the_head_of_a_request_is_judged_by_what_is_being_received() -> None:
    gate = admission()
    gate.check(1_000)
    assert gate.receiving.reserve(60)
    gate.check(40)
    with pytest.raises(RetryableError, match="received"):
        gate.check(41)


def test_requests_and_memory_are_bounded_and_given_back() -> None:
    gate = admission(requests=2)
    gate.enter(10)
    gate.enter(10)
    with pytest.raises(RetryableError, match="requests"):
        gate.enter(0)
    with pytest.raises(RetryableError, match="requests"):
        gate.check(0)
    gate.leave(10)
    with pytest.raises(RetryableError, match="bytes are being processed"):
        gate.enter(400 // MEMORY_PER_DECODED_BYTE)
    gate.enter(400 // MEMORY_PER_DECODED_BYTE - 10)


def refused_after_s(gate: Admission) -> float:
    with pytest.raises(RetryableError) as caught:
        gate.enter(100)
    return caught.value.retry_after_s


def test_the_delay_grows_with_what_was_turned_away_and_starts_over_with_room() -> None:
    gate = admission(requests=1_000)
    gate.enter(100)
    delays = [refused_after_s(gate) for _ in range(100)]
    assert all(MIN_RETRY_S <= delay <= MAX_RETRY_S for delay in delays)
    assert delays[0] < 4 < 10 < delays[15]
    assert len(set(delays[:15])) == 15, "the same delay for all would bring all back at once"
    gate.leave(100)
    gate.enter(100)
    assert refused_after_s(gate) < 4
