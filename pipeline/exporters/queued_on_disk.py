"""Waiting requests in an LMDB file: they survive the process, however it ends.

A key is the number of a request, so the order of keys is that of the requests; a value is a CRC-32, the item count and
the bytes as the exporter sends them, but for compression. A request leaves the file when it was delivered or given up,
so one that was under way when the process was killed is sent again: at least once.
"""

from __future__ import annotations

import zlib
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import lmdb

from pipeline.errors import RetryableError
from pipeline.exporters.queued import Request

ADDRESS_SPACE_BYTES = 1 << 40
"""Reserved, not used: the file is as large as the queue's limit lets it become, and never shrinks."""
RETRY_AFTER_S = 5.0

_CRC = slice(0, 4)
_ITEMS = slice(4, 8)
_HEAD = 8


@dataclass(frozen=True)
class _Entry:
    """What is known of a request that waits in the file."""

    number: int
    items: int
    size: int
    since_nano: int


class DiskStore:
    """Holds requests in order; see ``QueueStore``.

    Args:
        path: Directory of the file; made where it does not exist.
        fsync: Wait until a request is on the disk. Without it the operating system writes when it likes: what a killed
            process had is safe, what a machine had when its power failed may not be.
        report: Called with a sentence about what cannot be read any more, and how many items are lost with it.
    Raises:
        lmdb.Error: The file is none of LMDB, or damaged beyond reading.
    """

    survives = True

    def __init__(self, path: Path, *, fsync: bool, report: Callable[[str, int], None]) -> None:
        path.mkdir(mode=0o700, exist_ok=True)
        self._file = lmdb.open(str(path), map_size=ADDRESS_SPACE_BYTES, sync=fsync, metasync=fsync, mode=0o600)
        self._report = report
        self._waiting: deque[_Entry] = deque()
        self._taken: dict[int, int] = {}
        """Identity of a taken request → its number."""
        self._next = 1
        self._read_all()

    def append(self, request: Request) -> None:
        """See ``QueueStore``.

        Raises:
            RetryableError: There is no room on the disk, or it cannot be written to.
        """
        entry = _Entry(self._next, request.items, request.size, request.since_nano)
        try:
            with self._file.begin(write=True) as transaction:
                transaction.put(_key(entry.number), _encode(request), append=True)
        except (lmdb.Error, OSError) as error:
            raise RetryableError(f"a request cannot be stored: {error}", RETRY_AFTER_S) from error
        self._next += 1
        self._waiting.append(entry)

    def take(self) -> Request | None:
        """See ``QueueStore``."""
        entry = self._waiting.popleft()
        try:
            with self._file.begin() as transaction:
                value = transaction.get(_key(entry.number))
        except lmdb.Error as error:
            self._report(f"a stored request cannot be read: {error}", entry.items)
            return None
        if value is None or not _is_whole(value):
            self._report("a stored request is damaged", entry.items)
            return None
        request = Request(value[_HEAD:], entry.items, entry.since_nano)
        self._taken[id(request)] = entry.number
        return request

    def done(self, request: Request) -> None:
        """See ``QueueStore``."""
        number = self._taken.pop(id(request))
        try:
            with self._file.begin(write=True) as transaction:
                transaction.delete(_key(number))
        except (lmdb.Error, OSError) as error:
            self._report(f"a request that has been sent cannot be removed, and will be sent again: {error}", 0)

    def close(self) -> None:
        """See ``QueueStore``."""
        self._file.close()

    def __iter__(self) -> Iterator[_Entry]:
        return iter(self._waiting)

    def __len__(self) -> int:
        return len(self._waiting)

    def _read_all(self) -> None:
        """What an earlier process left."""
        damaged = 0
        with self._file.begin(buffers=True) as transaction:
            for key, value in transaction.cursor():
                self._next = int.from_bytes(key, "big") + 1
                if _is_whole(value):
                    items = int.from_bytes(value[_ITEMS], "big")
                    self._waiting.append(_Entry(self._next - 1, items, len(value) - _HEAD, 0))
                else:
                    damaged += 1
        if damaged:
            self._report(f"{damaged} stored requests are damaged", 0)


def _key(number: int) -> bytes:
    return number.to_bytes(8, "big")


def _encode(request: Request) -> bytes:
    body = request.items.to_bytes(4, "big") + request.payload
    return zlib.crc32(body).to_bytes(4, "big") + body


def _is_whole(value: bytes | memoryview) -> bool:
    return len(value) >= _HEAD and zlib.crc32(value[4:]) == int.from_bytes(value[_CRC], "big")
