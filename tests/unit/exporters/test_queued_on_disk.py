"""Requests that wait on disk: none is lost with the process, none is sent twice by a queue that ended well."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import lmdb
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.errors import RetryableError
from pipeline.exporters.queued import MemoryStore, QueueStore, Request
from pipeline.exporters.queued_on_disk import DiskStore
from pipeline.exporters.verdict import drop, retry
from tests.unit.exporters.queues import Destination, Run

AWAY = retry("refused", "nobody listens")


def nothing_lost(what: str, items: int) -> None:
    raise AssertionError(what)


def opened(path: Path, report: Callable[[str, int], None] = nothing_lost) -> DiskStore:
    return DiskStore(path, fsync=False, report=report)


def left(path: Path) -> list[bytes]:
    """What the next process finds."""
    store = opened(path)
    found = [request.payload for request in iter(lambda: store.take() if len(store) else None, None)]
    store.close()
    return found


def test_what_was_not_sent_before_the_stop_is_sent_after_the_next_start(tmp_path: Path) -> None:
    away = Destination([AWAY] * 10_000)
    run = Run(away, retry={"max_elapsed_time": 0}, store=opened(tmp_path / "q"))
    away.gate.clear()
    run.put(b"ab", b"c", b"def")
    assert away.busy.acquire(timeout=10)
    closing = threading.Thread(target=run.close)
    closing.start()
    away.gate.set()
    closing.join(10)
    assert run.failed("shutdown") == 0
    back = Destination()
    again = Run(back, store=opened(tmp_path / "q"))
    again.queue.start()
    again.put(b"g")
    while len(back.accepted) < 4:
        assert back.busy.acquire(timeout=10)
    assert again.close() == 0
    assert back.accepted == [b"ab", b"c", b"def", b"g"]
    assert left(tmp_path / "q") == []


def test_a_stop_does_not_wait_for_a_destination_that_is_away(tmp_path: Path) -> None:
    away = Destination([AWAY] * 10_000)
    run = Run(away, retry={"max_elapsed_time": 0}, store=opened(tmp_path / "q"))
    run.put(b"ab")
    assert away.busy.acquire(timeout=10)
    assert run.close(timeout_s=1e6) == 2
    assert left(tmp_path / "q") == [b"ab"]


def test_what_was_delivered_or_refused_for_good_is_forgotten(tmp_path: Path) -> None:
    run = Run(destination := Destination([drop("http_400", "no")]), store=opened(tmp_path / "q"))
    run.put(b"a", b"b")
    while len(destination.attempts) < 2:
        assert destination.busy.acquire(timeout=10)
    run.close()
    assert (run.failed("http_400"), run.sent) == (1, 1)
    assert left(tmp_path / "q") == []


def test_the_room_of_what_was_found_counts(tmp_path: Path) -> None:
    store = opened(tmp_path / "q")
    for payload in (b"aaa", b"bb"):
        store.append(Request(payload, len(payload)))
    store.close()
    run = Run(Destination(), store=opened(tmp_path / "q"), queue_size=5, sizer="items")
    assert run.value("otelcol_exporter_queue_size") == 5
    with pytest.raises(RetryableError, match="full"):
        run.put(b"c")
    run.close()


def test_a_disk_without_room_refuses_and_counts(tmp_path: Path) -> None:
    store = opened(tmp_path / "q")
    run = Run(destination := Destination(), store=store)
    store._file.set_mapsize(1 << 16)
    with pytest.raises(RetryableError, match="cannot be stored"):
        run.put(bytes(1 << 17))
    assert run.value("otelcol_exporter_enqueue_failed_spans") == 1 << 17
    store._file.set_mapsize(1 << 20)
    run.put(b"ok")
    assert destination.busy.acquire(timeout=10)
    run.close()
    assert left(tmp_path / "q") == []


def test_a_damaged_request_is_reported_and_the_others_are_sent(tmp_path: Path) -> None:
    store = opened(tmp_path / "q")
    for payload in (b"aaa", b"bbb", b"ccc"):
        store.append(Request(payload, 3))
    with store._file.begin(write=True) as transaction:
        key = (2).to_bytes(8, "big")
        transaction.put(key, (transaction.get(key) or b"").replace(b"bbb", b"bbx"))
    reports: list[tuple[str, int]] = []
    run = Run(destination := Destination(), store=store, queue_size=3)
    store._report = lambda what, items: reports.append((what, items))
    run.queue.start()
    while len(destination.accepted) < 2:
        assert destination.busy.acquire(timeout=10)
    run.close()
    assert destination.accepted == [b"aaa", b"ccc"]
    assert reports == [("a stored request is damaged", 3)]
    opened(tmp_path / "q", lambda what, items: reports.append((what, items))).close()
    assert reports[1:] == [("1 stored requests are damaged", 0)]


def test_a_file_that_is_none_of_lmdb_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "q").mkdir()
    (tmp_path / "q" / "data.mdb").write_bytes(b"no" * 8192)
    with pytest.raises(lmdb.Error):
        opened(tmp_path / "q")


@given(steps=st.lists(st.sampled_from(["append", "take", "done", "restart"]), max_size=40))
@settings(max_examples=50, deadline=None)
def test_it_does_what_the_store_in_memory_does_and_a_restart_brings_back_what_is_not_done(
    steps: list[str], tmp_path_factory: pytest.TempPathFactory
) -> None:
    path = tmp_path_factory.mktemp("queue") / "q"
    disk: DiskStore = opened(path)
    model: list[bytes] = []
    """Not done, in order."""
    taken: list[tuple[bytes, Request]] = []
    number = 0
    for step in steps:
        if step == "append":
            number += 1
            model.append(str(number).encode())
            disk.append(Request(model[-1], 1))
        elif step == "take" and len(disk):
            request = disk.take()
            assert request is not None
            assert request.payload == model[len(taken)]
            taken.append((request.payload, request))
        elif step == "done" and taken:
            payload, request = taken.pop(0)
            model.remove(payload)
            disk.done(request)
        elif step == "restart":
            disk.close()
            disk = opened(path)
            taken = []
        assert len(disk) == len(model) - len(taken)
    disk.close()
    assert left(path) == model


@pytest.mark.parametrize("store", [MemoryStore, None], ids=["memory", "disk"])
def test_both_stores_hold_requests_in_order(store: Any, tmp_path: Path) -> None:
    one: QueueStore = store() if store else opened(tmp_path / "q")
    for payload in (b"a", b"bc"):
        one.append(Request(payload, 1, 7))
    assert [(waiting.items, waiting.size, waiting.since_nano) for waiting in one] == [(1, 1, 7), (1, 2, 7)]
    first = one.take()
    assert first is not None
    assert (first.payload, len(one)) == (b"a", 1)
    one.done(first)
    one.close()
