"""What several consumers of one batch make of it, against a rule written down a second time."""

from itertools import product

import pytest

from pipeline.errors import PermanentError, RetryableError
from pipeline.telemetry.edges import FanOut, FaultError

TAKES, NEVER, NOT_NOW, FAULT = None, PermanentError("never"), RetryableError("not now"), FaultError("storm failed")


class Consumer:
    """Takes batches, or raises."""

    def __init__(self, error: Exception | None) -> None:
        self.error = error
        self.asked = self.taken = 0

    def __call__(self, items: object) -> None:
        self.asked += 1
        if self.error is not None:
            raise self.error
        self.taken += 1


def answer(outcomes: tuple[Exception | None, ...]) -> type[Exception] | None:
    """What the sender is told."""
    if NOT_NOW in outcomes:
        return RetryableError
    if NEVER in outcomes:
        return PermanentError
    if FAULT in outcomes:
        return PermanentError if TAKES in outcomes else FaultError
    return None


@pytest.mark.parametrize("outcomes", list(product((TAKES, NEVER, NOT_NOW, FAULT), repeat=3)), ids=str)
def test_everybody_is_asked_until_somebody_says_not_now(outcomes: tuple[Exception | None, ...]) -> None:
    consumers = [Consumer(error) for error in outcomes]
    told: type[Exception] | None = None
    try:
        FanOut(consumers)([1])
    except (RetryableError, PermanentError) as error:
        told = type(error)
    last = outcomes.index(NOT_NOW) if NOT_NOW in outcomes else len(outcomes) - 1
    assert [consumer.asked for consumer in consumers] == [int(i <= last) for i in range(len(outcomes))]
    assert told is answer(outcomes)


@pytest.mark.parametrize("outcomes", list(product((TAKES, NEVER, FAULT), repeat=3)), ids=str)
def test_a_sender_that_repeats_what_it_is_told_to_repeats_nothing_that_was_taken(
    outcomes: tuple[Exception | None, ...],
) -> None:
    consumers = [Consumer(error) for error in outcomes]
    for _ in range(3):
        try:
            FanOut(consumers)([1])
        except RetryableError:
            continue
        except PermanentError:
            pass
        break
    assert [consumer.taken for consumer in consumers] == [int(error is TAKES) for error in outcomes]


def test_what_failed_is_named_to_the_sender() -> None:
    with pytest.raises(PermanentError, match="storm failed; others have the data"):
        FanOut([Consumer(FAULT), Consumer(TAKES)])([1])
