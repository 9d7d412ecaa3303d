"""How much may be under way at once, so that overload is answered with "later" instead of with the memory of the
machine.

    head of the request ─▶ requests, bytes being received ─▶ body ─▶ memory the decoded body will need ─▶ pipelines

Nothing waits in a queue here: what does not fit is refused at once, with a delay that grows with the demand.
"""

from __future__ import annotations

import random
import threading

from pipeline.errors import RetryableError

# Realistic spans need about this many times their encoded size while they are processed.
MEMORY_PER_DECODED_BYTE = 4
MIN_RETRY_S, MAX_RETRY_S = 1.0, 30.0


class Budget:
    """An amount that can be taken from and given back by several threads."""

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.used = 0
        self.turned_away = 0
        self._lock = threading.Lock()

    def reserve(self, n: int) -> bool:
        """Take ``n``, or refuse. A request that is alone is never refused: other limits bound its size."""
        with self._lock:
            if self.used and self.used + n > self.limit:
                self.turned_away += n
                return False
            self.used += n
            return True

    def fits(self, n: int) -> bool:
        """True if ``reserve`` would succeed now."""
        with self._lock:
            fits = not self.used or self.used + n <= self.limit
            if not fits:
                self.turned_away += n
            return fits

    def release(self, n: int) -> None:
        """Give ``n`` back."""
        with self._lock:
            self.used -= n
            if self.used * 2 <= self.limit:
                self.turned_away = 0

    @property
    def demand(self) -> float:
        """What is used and what was turned away since it was last half empty, in multiples of the limit."""
        return (self.used + self.turned_away) / self.limit


class Admission:
    """The budgets of one receiver, shared by its transports.

    Args:
        receiving_bytes: Bodies on their way in, as sent.
        memory_bytes: Requests being processed, at ``MEMORY_PER_DECODED_BYTE``.
        requests: Requests being processed.
        seed: Of the jitter, for tests.
    """

    def __init__(self, receiving_bytes: int, memory_bytes: int, requests: int, seed: int | None = None) -> None:
        self.receiving = Budget(receiving_bytes)
        self._memory = Budget(memory_bytes)
        self._requests = Budget(requests)
        self._random = random.Random(seed)

    def check(self, announced_bytes: int) -> None:
        """Refuse a request whose head has arrived, if its body would not fit. Takes nothing yet.

        Raises:
            RetryableError: Not now.
        """
        if not self.receiving.fits(announced_bytes):
            raise self._busy("too many bytes are being received", self.receiving)
        if not self._requests.fits(1):
            raise self._busy("too many requests are being processed", self._requests)

    def enter(self, decoded_bytes: int) -> None:
        """Begin to process a request; ``leave`` with the same number ends it.

        Raises:
            RetryableError: Not now. Nothing was taken.
        """
        if not self._requests.reserve(1):
            raise self._busy("too many requests are being processed", self._requests)
        if not self._memory.reserve(decoded_bytes * MEMORY_PER_DECODED_BYTE):
            self._requests.release(1)
            raise self._busy("too many bytes are being processed", self._memory)

    def leave(self, decoded_bytes: int) -> None:
        """The request has been processed."""
        self._memory.release(decoded_bytes * MEMORY_PER_DECODED_BYTE)
        self._requests.release(1)

    def retry_after_s(self, demand: float = 1.0) -> float:
        """Seconds from 1 to 30 that grow with the demand, spread so that not all senders come back at once."""
        return min(MAX_RETRY_S, max(MIN_RETRY_S, demand) * self._random.uniform(1.0, 1.5))

    def _busy(self, message: str, budget: Budget) -> RetryableError:
        return RetryableError(message, self.retry_after_s(budget.demand))
