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

    @property
    def size(self) -> int:
        """Bytes of the payload."""
        return len(self.payload)


class Waiting(Protocol):
    """What can be known of a request without reading its payload."""

    @property
    def items(self) -> int:
        """See ``Request``."""

    @property
    def size(self) -> int:
        """See ``Request``."""

    @property
    def since_nano(self) -> int:
        """See ``Request``."""


class QueueStore(Protocol):
    """Holds requests in order. Called under the queue's lock, by one thread at a time."""

    survives: bool
    """What is left at the end is there again at the next start."""

    def append(self, request: Request) -> None:
        """Keep a request, at the end. When this returns, a store that survives has it for good.

        Raises:
            RetryableError: It cannot be kept now.
        """

    def take(self) -> Request | None:
        """The oldest request that nobody has taken, which is kept until ``done``; None where it is lost."""

    def done(self, request: Request) -> None:
        """A taken request was delivered or given up."""

    def close(self) -> None:
        """No more of the above."""

    def __iter__(self) -> Iterator[Waiting]:
        """Those that nobody has taken, oldest first."""

    def __len__(self) -> int:
        """How many nobody has taken."""


class MemoryStore:
    """Gone when the process ends."""

    survives = False

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

    def close(self) -> None:
        """See ``QueueStore``; nor anything to close."""

    def __iter__(self) -> Iterator[Request]:
        return iter(self._requests)

    def __len__(self) -> int:
        return len(self._requests)
