"""The queue in front of a destination: every item is sent once, or counted with a reason."""

import threading
from typing import Any

import pytest
from pydantic import ValidationError

from pipeline.errors import PermanentError, RetryableError
from pipeline.exporters.delivery import MAX_SPLITS
from pipeline.exporters.queue_config import QueueConfig
from pipeline.exporters.queued import MemoryStore, Request
from pipeline.exporters.verdict import Fate, Verdict, drop, partly, retry
from tests.unit.exporters.queues import Destination, Run

AWAY = retry("refused", "nobody listens")
TOO_LARGE = Verdict(Fate.SPLIT, "http_413")


def test_what_is_put_is_sent_in_order_and_counted() -> None:
    destination = Destination()
    run = Run(destination)
    run.put(b"ab", b"c", b"def")
    assert run.close() == 0
    assert destination.accepted == [b"ab", b"c", b"def"]
    assert run.sent == 6


def test_a_destination_that_comes_back_gets_everything_once_and_in_order() -> None:
    destination = Destination([AWAY] * 4)
    run = Run(destination)
    run.put(b"a", b"b", b"c")
    assert run.close() == 0
    assert destination.accepted == [b"a", b"b", b"c"]
    assert run.time.waits == [5, 7.5, 11.25, 16.875]
    assert run.value("weir_exporter_retries", reason="refused") == 4


def test_a_destination_that_stays_away_is_given_up_after_the_maximum_time() -> None:
    destination = Destination([AWAY] * 1000)
    run = Run(destination)
    run.put(b"abc")
    run.close()
    assert run.failed("refused") == 3
    assert 240 < sum(run.time.waits) <= 300


def test_zero_maximum_time_never_gives_up() -> None:
    destination = Destination([AWAY] * 200)
    run = Run(destination, retry={"max_elapsed_time": 0})
    run.put(b"abc")
    run.close()
    assert destination.accepted == [b"abc"]


def test_the_wait_that_the_destination_asks_for_is_kept() -> None:
    destination = Destination([retry("http_429", "", 120.0)])
    run = Run(destination)
    run.put(b"a")
    run.close()
    assert run.time.waits == [120]


def test_a_final_refusal_is_counted_by_reason_and_not_repeated() -> None:
    destination = Destination([drop("http_400", "no")])
    run = Run(destination)
    run.put(b"abc", b"d")
    run.close()
    assert destination.attempts == [b"abc", b"d"]
    assert (run.failed("http_400"), run.sent) == (3, 1)


def test_a_partial_success_is_final() -> None:
    destination = Destination([partly(2, "two are bad")])
    run = Run(destination)
    run.put(b"abcde")
    run.close()
    assert destination.attempts == [b"abcde"]
    assert (run.sent, run.failed("partial_success")) == (3, 2)


def test_a_destination_cannot_reject_more_than_it_was_sent() -> None:
    run = Run(Destination([partly(10**9, "")]))
    run.put(b"abc")
    run.close()
    assert (run.sent, run.failed("partial_success")) == (0, 3)


def test_what_is_too_large_is_halved_until_it_fits() -> None:
    def at_most_two(payload: bytes) -> Verdict:
        return Verdict(Fate.SENT) if len(payload) <= 2 else TOO_LARGE

    destination = Destination([at_most_two] * 20)
    run = Run(destination)
    run.put(b"abcdefgh")
    run.close()
    assert destination.accepted == [b"ab", b"cd", b"ef", b"gh"]
    assert run.sent == 8


def test_of_an_odd_number_the_first_half_is_larger() -> None:
    destination = Destination([TOO_LARGE])
    run = Run(destination)
    run.put(b"abcde")
    run.close()
    assert destination.accepted == [b"abc", b"de"]


def test_a_single_item_that_is_too_large_is_dropped() -> None:
    run = Run(Destination([TOO_LARGE] * 3))
    run.put(b"ab")
    run.close()
    assert run.failed("http_413") == 2


def test_a_destination_that_finds_everything_too_large_is_not_sent_each_item_alone() -> None:
    destination = Destination([TOO_LARGE] * 10_000)
    run = Run(destination)
    run.put(b"x" * 4096)
    run.close()
    assert len(destination.attempts) == 2 ** (MAX_SPLITS + 1) - 1
    assert {len(payload) for payload in destination.attempts} == {4096 >> n for n in range(MAX_SPLITS + 1)}
    assert run.failed("http_413") == 4096


def test_another_encoding_is_tried_at_once() -> None:
    destination = Destination([Verdict(Fate.CONVERT, "http_415")])
    run = Run(destination, convert=bytes.upper)
    run.put(b"ab")
    run.close()
    assert (destination.accepted, run.time.waits) == ([b"AB"], [])


def test_a_fault_of_the_exporter_loses_one_batch_and_not_the_thread() -> None:
    run = Run(Destination([ValueError("a bug")]))
    run.put(b"abc", b"d")
    run.close()
    assert (run.failed("internal"), run.sent) == (3, 1)


class TestBounds:
    @pytest.mark.parametrize(
        ("sizer", "size", "fit"),
        [("requests", 2, 2), ("items", 6, 2), ("items", 7, 3), ("bytes", 9, 3), ("bytes", 8, 3)],
    )
    def test_a_full_queue_refuses_and_counts(self, sizer: str, size: int, fit: int) -> None:
        destination = Destination()
        destination.gate.clear()
        run = Run(destination, queue_size=size, sizer=sizer)
        run.put(*[b"abc"] * fit)
        with pytest.raises(RetryableError, match="full"):
            run.put(b"abc")
        assert run.value("otelcol_exporter_enqueue_failed_spans") == 3
        destination.gate.set()
        run.close()
        assert run.sent == 3 * fit

    def test_a_request_larger_than_the_queue_passes_when_it_is_alone(self) -> None:
        run = Run(Destination(), queue_size=1, sizer="bytes")
        run.put(b"abc")
        run.close()
        assert run.sent == 3

    def test_room_is_promised_before_it_is_taken(self) -> None:
        destination = Destination()
        destination.gate.clear()
        run = Run(destination, queue_size=4, sizer="items")
        run.queue.admit(3)
        run.put(b"abc")
        run.queue.admit(3)
        run.put(b"def")
        with pytest.raises(RetryableError, match="full"):
            run.queue.admit(3)
        assert run.value("otelcol_exporter_enqueue_failed_spans") == 3
        destination.gate.set()
        run.close()

    def test_blocking_waits_for_room_and_loses_nothing(self) -> None:
        destination = Destination()
        run = Run(destination, queue_size=1, block_on_overflow=True)
        run.put(b"a", b"b", b"c", b"d")
        run.close()
        assert destination.accepted == [b"a", b"b", b"c", b"d"]

    def test_dropping_counts_what_finds_no_room_and_does_not_trouble_the_sender(self) -> None:
        destination = Destination()
        destination.gate.clear()
        run = Run(destination, queue_size=2, drop_on_overflow=True)
        run.put(b"a", b"bc")
        run.queue.admit(3)
        run.put(b"def")
        assert run.value("otelcol_exporter_enqueue_failed_spans") == 3
        destination.gate.set()
        run.close()
        assert destination.accepted == [b"a", b"bc"]
        run.put(b"late")
        assert run.value("otelcol_exporter_enqueue_failed_spans") == 3 + len(b"late")

    def test_the_size_is_shown(self) -> None:
        destination = Destination()
        destination.gate.clear()
        run = Run(destination, queue_size=5)
        run.put(b"a", b"b")
        assert run.value("otelcol_exporter_queue_size") == 2
        assert run.value("otelcol_exporter_queue_capacity") == 5
        destination.gate.set()
        run.close()
        assert run.value("otelcol_exporter_queue_size") == 0


class TestBatching:
    def test_small_requests_are_joined(self) -> None:
        destination = Destination()
        destination.gate.clear()
        run = Run(destination, batch={"min_size": 3})
        run.put(b"abc")
        destination.busy.acquire(timeout=10)
        run.put(b"d", b"e", b"f", b"g", b"h")
        destination.gate.set()
        run.close()
        assert destination.accepted[:2] == [b"abc", b"def"]
        assert b"".join(destination.accepted) == b"abcdefgh"

    def test_what_is_too_little_waits_for_the_flush_timeout(self) -> None:
        destination = Destination()
        run = Run(destination, batch={"min_size": 100, "flush_timeout": "200ms"})
        run.put(b"ab")
        assert destination.busy.acquire(timeout=10)
        assert sum(run.time.waits) == pytest.approx(0.2)
        run.close()
        assert destination.accepted == [b"ab"]

    def test_no_message_is_larger_than_the_maximum(self) -> None:
        destination = Destination()
        run = Run(destination, batch={"min_size": 0, "max_size": 4})
        run.put(b"abcdefghij")
        run.close()
        assert destination.accepted == [b"abcd", b"efgh", b"ij"]
        assert run.sent == 10

    def test_parts_have_fates_of_their_own(self) -> None:
        destination = Destination([Verdict(Fate.SENT), drop("http_400"), partly(1, "")])
        run = Run(destination, batch={"min_size": 0, "max_size": 4})
        run.put(b"abcdefghij")
        run.close()
        assert (run.sent, run.failed("http_400"), run.failed("partial_success")) == (5, 4, 1)


def _items_reported(caplog: pytest.LogCaptureFixture) -> int:
    """Items that the line about the stop names."""
    (record,) = [record for record in caplog.records if "before the stop" in record.getMessage()]
    return int(record.fields["items"])  # type: ignore[attr-defined]


class TestDrain:
    def test_after_the_drain_nothing_is_taken(self) -> None:
        run = Run(Destination())
        run.close()
        with pytest.raises(RetryableError, match="shutting down"):
            run.put(b"a")

    def test_what_cannot_be_sent_in_time_is_counted_and_reported(self, caplog: pytest.LogCaptureFixture) -> None:
        destination = Destination([AWAY] * 100)
        destination.gate.clear()
        run = Run(destination)
        run.put(b"abc", b"de")
        destination.busy.acquire(timeout=10)
        run.queue.close(20)  # before any attempt has ended: all that fails does so during the stop
        destination.gate.set()
        with caplog.at_level("WARNING", "weir"):
            left = run.close(timeout_s=20)
        shutdown, refused = run.failed("shutdown"), run.failed("refused")
        assert left == shutdown + refused == 5
        assert run.sent == 0
        assert _items_reported(caplog) == 5

    def test_what_fails_while_stopping_is_reported_also_where_nothing_is_left(
        self, caplog: pytest.LogCaptureFixture
    ) -> None:
        destination = Destination([drop("http_400")])
        destination.gate.clear()
        run = Run(destination)
        run.put(b"abc")
        destination.busy.acquire(timeout=10)
        run.queue.close(20)
        destination.gate.set()
        with caplog.at_level("WARNING", "weir"):
            assert run.close(20) == 3
        assert (run.failed("http_400"), run.failed("shutdown")) == (3, 0)
        assert _items_reported(caplog) == 3

    def test_an_attempt_of_the_drain_does_not_outlast_it(self) -> None:
        destination = Destination()
        destination.gate.clear()
        run = Run(destination)
        run.put(b"a", b"b")
        destination.busy.acquire(timeout=10)
        threading.Timer(0.05, destination.gate.set).start()
        run.close(timeout_s=2)
        assert destination.timeouts == [5.0, 2.0]

    def test_a_request_that_hangs_is_left_behind_and_counted_once(self) -> None:
        destination = Destination()
        destination.gate.clear()
        run = Run(destination)
        run.put(b"abc")
        destination.busy.acquire(timeout=10)
        assert run.close(timeout_s=0) == 3
        destination.gate.set()
        for thread in run.queue._threads:
            thread.join(10)
        assert (run.failed("shutdown"), run.sent) == (3, 0)

    @pytest.mark.parametrize("answer", [AWAY, ValueError("Cannot invoke RPC on closed channel!")])
    def test_nothing_more_is_said_of_a_request_that_was_left_behind(
        self, answer: Verdict | Exception, caplog: pytest.LogCaptureFixture
    ) -> None:
        destination = Destination([answer])
        destination.gate.clear()
        run = Run(destination)
        run.put(b"abc")
        destination.busy.acquire(timeout=10)
        run.close(timeout_s=0)
        with caplog.at_level("INFO", "weir"):
            caplog.clear()
            destination.gate.set()
            for thread in run.queue._threads:
                thread.join(10)
        assert not caplog.records
        assert (run.failed("shutdown"), run.failed("refused"), run.failed("internal")) == (3, 0, 0)

    def test_it_works_twice(self) -> None:
        run = Run(Destination())
        run.put(b"a")
        assert (run.close(), run.close()) == (0, 0)


def test_several_requests_are_under_way_at_once() -> None:
    destination = Destination()
    destination.gate.clear()
    run = Run(destination, num_consumers=3)
    run.put(b"a", b"b", b"c", b"d")
    assert all(destination.busy.acquire(timeout=10) for _ in range(3))
    assert len(destination.attempts) == 3
    destination.gate.set()
    run.close()
    assert sorted(destination.accepted) == [b"a", b"b", b"c", b"d"]


def test_a_store_that_still_holds_something_is_sent_first() -> None:
    store = MemoryStore()
    store.append(Request(b"old", 3))
    destination = Destination()
    run = Run(destination, store=store)
    run.queue.start()
    run.put(b"new")
    run.close()
    assert destination.accepted == [b"old", b"new"]


class TestWithoutQueue:
    def test_the_sender_waits_and_is_told(self) -> None:
        destination = Destination([AWAY, drop("http_400"), partly(1, "")])
        run = Run(destination, enabled=False)
        with pytest.raises(RetryableError):
            run.put(b"ab")
        with pytest.raises(PermanentError):
            run.put(b"ab")
        run.put(b"ab")
        assert (run.failed("refused"), run.failed("http_400"), run.failed("partial_success")) == (2, 2, 1)
        assert run.sent == 1


@pytest.mark.parametrize(
    "config",
    [{"queue_size": 0}, {"num_consumers": 0}, {"wait_for_result": True}, {"batch": {"min_size": 5, "max_size": 2}}],
)
def test_what_makes_no_sense_is_refused(config: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        QueueConfig.model_validate(config)
