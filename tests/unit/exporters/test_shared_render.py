"""Parallel requests share renders without ever seeing an older state than they asked for."""

from __future__ import annotations

import threading
from concurrent.futures import Future, ThreadPoolExecutor

import pytest

from pipeline.exporters import shared_render
from pipeline.exporters.shared_render import SharedRender


class Watched(Future[int]):
    """A future that lets the test wait until so many threads wait for it."""

    waiting = threading.Semaphore(0)

    def result(self, timeout: float | None = None) -> int:
        self.waiting.release()
        return super().result(timeout)


def test_those_who_wait_together_share_one_render(monkeypatch: pytest.MonkeyPatch) -> None:
    """Must never regress: a hundred scrapes at once cost two renders, not a hundred."""
    monkeypatch.setattr(shared_render, "Future", Watched)
    shared: SharedRender[int] = SharedRender()
    renders: list[int] = []
    first_has_begun, first_may_end = threading.Event(), threading.Event()

    def make() -> int:
        renders.append(len(renders))
        first_has_begun.set()
        assert first_may_end.wait(30)
        return renders[-1]

    with ThreadPoolExecutor(100) as threads:
        first = threads.submit(shared.get, "page", make)
        assert first_has_begun.wait(30)
        others = [threads.submit(shared.get, "page", make) for _ in range(99)]
        for _ in range(98):  # the ninety-ninth makes the next page and has no time to wait for it
            assert Watched.waiting.acquire(timeout=30)
        first_may_end.set()
        assert [first.result(30), {other.result(30) for other in others}] == [0, {1}]
    assert renders == [0, 1]


def test_a_page_is_never_older_than_the_request() -> None:
    shared: SharedRender[int] = SharedRender()
    state = [0]
    begun, go_on = threading.Event(), threading.Event()

    def slow() -> int:
        seen = state[0]
        begun.set()
        assert go_on.wait(30)
        return seen

    with ThreadPoolExecutor(2) as threads:
        early = threads.submit(shared.get, "page", slow)
        assert begun.wait(30)
        state[0] = 1
        late = threads.submit(shared.get, "page", lambda: state[0])
        go_on.set()
        assert (early.result(30), late.result(30)) == (0, 1)


def test_different_pages_are_not_shared() -> None:
    shared: SharedRender[str] = SharedRender()
    assert [shared.get(key, lambda key=key: key * 2) for key in "ab"] == ["aa", "bb"]  # type: ignore[misc]


def test_a_failing_render_fails_for_those_who_asked_and_not_for_the_next() -> None:
    shared: SharedRender[int] = SharedRender()

    def fail() -> int:
        raise RuntimeError("boom")

    with pytest.raises(RuntimeError, match="boom"):
        shared.get("page", fail)
    assert shared.get("page", lambda: 1) == 1
    assert not shared._waiting
