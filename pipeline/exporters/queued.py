"""What waits in a sending queue, and where.

A request is bytes and counts, nothing else, so a store on disk can take the place of the one in memory: it writes in
``append``, reads in ``take``, and forgets in ``done``.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, eq=False)
class Request:
    """One message that waits.

    Attributes:
        payload: Encoded as the exporter sends it, but for compression.
        items: Spans, data points or log records in it.
        since_nano: Monotonic time when it was put.
    """

    payload: bytes
    items: int
    since_nano: int = 0


class QueueStore(Protocol):
    """Holds requests in order. Called under the queue's lock, by one thread at a time."""

    def append(self, request: Request) -> None:
        """Keep a request, at the end. When this returns, a durable store has it for good."""

    def take(self) -> Request:
        """The oldest request that nobody has taken. It is kept until ``done``."""

    def done(self, request: Request) -> None:
        """A taken request was delivered or given up."""

    def __iter__(self) -> Iterator[Request]:
        """Those that nobody has taken, oldest first."""

    def __len__(self) -> int:
        """How many nobody has taken."""


class MemoryStore:
    """Gone when the process ends."""

    def __init__(self) -> None:
        self._requests: deque[Request] = deque()

    def append(self, request: Request) -> None:
        """See ``QueueStore``."""
        self._requests.append(request)

    def take(self) -> Request:
        """See ``QueueStore``."""
        return self._requests.popleft()

    def done(self, request: Request) -> None:
        """See ``QueueStore``; memory has nothing to forget."""

    def __iter__(self) -> Iterator[Request]:
        return iter(self._requests)

    def __len__(self) -> int:
        return len(self._requests)
