"""Slow senders get threads of their own, and not for ever; slow pipelines do not keep others from an answer."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest

from pipeline.receivers.grpc_workers import BASE_THREADS, MAX_THREADS, TICK_S, GrpcWorkers, Ticket

WAIT_S = 20.0


class Call:
    """A call whose message comes when the test says so."""

    def __init__(self) -> None:
        self.arrived = threading.Event()
        self.was_cancelled = False
        self.outcome: object = None

    def __iter__(self) -> Iterator[bytes]:
        return self

    def __next__(self) -> bytes:
        assert self.arrived.wait(WAIT_S)
        if self.was_cancelled:
            raise RuntimeError("cancelled")
        return b"message"

    def cancel(self) -> None:
        self.was_cancelled = True
        self.arrived.set()


@pytest.fixture
def workers() -> Iterator[GrpcWorkers]:
    pool = GrpcWorkers(receive_timeout_s=5 * TICK_S)
    pool._add_threads(BASE_THREADS)  # without the watcher: the tests count the ticks
    yield pool
    pool.shutdown()


def submit(workers: GrpcWorkers, call: Call) -> threading.Event:
    done = threading.Event()

    def handle() -> None:
        try:
            call.outcome = workers.receive(call, call)
        except (TimeoutError, ConnectionAbortedError) as error:
            call.outcome = type(error)

    workers.submit(handle).add_done_callback(lambda ticket: done.set())
    return done


def tick(workers: GrpcWorkers, n: int = 1) -> None:
    for _ in range(n):
        workers._tick += 1
        workers._look()


def wait_for_stalled(workers: GrpcWorkers, n: int) -> None:
    pause = threading.Event()
    while len(workers._waiting) < n:
        pause.wait(0.005)


def test_senders_that_stall_do_not_stop_others(workers: GrpcWorkers) -> None:
    stalled = [Call() for _ in range(BASE_THREADS)]
    done = [submit(workers, call) for call in stalled]
    wait_for_stalled(workers, BASE_THREADS)
    quick = Call()
    quick.arrived.set()
    answered = submit(workers, quick)
    tick(workers)
    assert answered.wait(WAIT_S), "a thread was added"
    assert quick.outcome == b"message"
    for call in stalled:
        call.arrived.set()
    assert all(event.wait(WAIT_S) for event in done)


def test_pipelines_that_do_not_go_on_do_not_keep_others_from_an_answer(workers: GrpcWorkers) -> None:
    go_on = threading.Event()
    done = threading.Semaphore(0)
    for _ in range(BASE_THREADS):
        workers.submit(go_on.wait, WAIT_S).add_done_callback(lambda ticket: done.release())
    pause = threading.Event()
    while len(workers._begun) < BASE_THREADS:
        pause.wait(0.005)
    quick = Call()
    quick.arrived.set()
    answered = submit(workers, quick)
    tick(workers)
    assert workers._threads == BASE_THREADS, "what goes on for less than a tick is work"
    tick(workers)
    assert answered.wait(WAIT_S), "a thread was added"
    assert quick.outcome == b"message"
    go_on.set()
    assert all(done.acquire(timeout=WAIT_S) for _ in range(BASE_THREADS))


def test_a_message_that_does_not_come_is_not_waited_for_beyond_the_deadline(workers: GrpcWorkers) -> None:
    call = Call()
    done = submit(workers, call)
    wait_for_stalled(workers, 1)
    tick(workers, 4)
    assert not call.was_cancelled
    tick(workers)
    assert done.wait(WAIT_S)
    assert call.outcome is TimeoutError


def test_a_sender_that_goes_away_is_told_apart_from_one_that_is_slow(workers: GrpcWorkers) -> None:
    call = Call()
    done = submit(workers, call)
    wait_for_stalled(workers, 1)
    call.was_cancelled = True
    call.arrived.set()
    assert done.wait(WAIT_S)
    assert call.outcome is ConnectionAbortedError


def test_when_all_threads_are_taken_the_longest_wait_ends_early() -> None:
    workers = GrpcWorkers(receive_timeout_s=1000.0)
    workers._add_threads(MAX_THREADS)
    calls = [Call() for _ in range(MAX_THREADS)]
    done = [submit(workers, calls[0])]
    wait_for_stalled(workers, 1)
    tick(workers)
    done += [submit(workers, call) for call in calls[1:]]
    wait_for_stalled(workers, MAX_THREADS)
    tick(workers, 10)
    assert done[0].wait(WAIT_S)
    assert calls[0].was_cancelled
    assert sum(call.was_cancelled for call in calls) == BASE_THREADS, "so many must be free for others"
    for call in calls:
        call.arrived.set()
    assert all(event.wait(WAIT_S) for event in done)
    workers.shutdown()


def test_threads_that_were_added_go_again(workers: GrpcWorkers) -> None:
    calls = [Call() for _ in range(4 * BASE_THREADS)]
    done = [submit(workers, call) for call in calls]
    for ticks in range(1, 4):  # fewer than a call may wait
        wait_for_stalled(workers, ticks * BASE_THREADS)
        tick(workers)
    wait_for_stalled(workers, len(calls))
    assert workers._threads == len(calls)
    for call in calls:
        call.arrived.set()
    assert all(event.wait(WAIT_S) for event in done)
    tick(workers)
    pause = threading.Event()
    while workers._threads > BASE_THREADS:
        quick = Call()
        quick.arrived.set()
        assert submit(workers, quick).wait(WAIT_S)
        pause.wait(0.005)


def test_a_ticket_calls_each_callback_once_whenever_it_comes() -> None:
    ticket, called = Ticket(), []
    ticket.add_done_callback(lambda _: called.append("before"))
    ticket.done()
    ticket.add_done_callback(lambda _: called.append("after"))
    assert called == ["before", "after"]


def test_shutdown_ends_all_threads() -> None:
    before = threading.active_count()
    workers = GrpcWorkers(receive_timeout_s=1.0)
    workers.start()
    workers.shutdown()
    pause = threading.Event()
    while threading.active_count() > before:
        pause.wait(0.005)
