"""One render for all who ask for the same page at the same time.

Whoever asks while a page is being made waits for the *next* one, because the one under way may have been collected
before the request came. So a hundred parallel scrapes cost two renders, and each shows everything that was there
when it was asked.
Pages are made one after another: more would need more memory and no less time.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Hashable
from concurrent.futures import Future
from typing import Generic, TypeVar

Page = TypeVar("Page")


class SharedRender(Generic[Page]):
    """Safe from any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._turn = threading.Lock()
        self._waiting: dict[Hashable, Future[Page]] = {}

    def get(self, key: Hashable, make: Callable[[], Page]) -> Page:
        """The page that ``make`` gives, made after this call began. Pages of equal keys are the same."""
        with self._lock:
            future = self._waiting.get(key)
            is_first = future is None
            if future is None:
                future = self._waiting[key] = Future()
        if is_first:
            with self._turn:
                with self._lock:
                    del self._waiting[key]
                try:
                    future.set_result(make())
                except BaseException as error:
                    future.set_exception(error)
        return future.result()
