"""Files of checkpoints: one per component in a directory that one process owns.

::

    running                         locked while a process uses the directory; gone after a clean stop
    processors-slo.checkpoint       magic, length of the header, header (JSON), meter, state, SHA-256 of all before it
    processors-slo.previous         the one before
    processors-slo.quarantined      the last one that could not be used, for whoever wants to know why

A file is written beside its name, synced and renamed, so that a crash leaves the old one or the new one. Nothing that
is read from a file is executed.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path

from pipeline.config.check import Key
from pipeline.file_lock import lock_file
from pipeline.service.checkpoint import Checkpoint, Written

MAGIC = b"WEIRCKP1"
MAX_BYTES = 4 << 30
"""Larger than any state that limits allow in practice: a file of more is damaged, and is not read."""

_DIGEST_BYTES = 32
_PLAIN = re.compile(r"[A-Za-z0-9_]+")


class CheckpointFiles:
    """The directory, owned by this process from here to ``close``.

    Attributes:
        stopped_cleanly: The process that used it before has written everything before it ended.
    Raises:
        ConfigError: It cannot be made or written to, or another process uses it.
    """

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._running = directory / "running"
        self.stopped_cleanly = not self._running.exists()
        self._lock = lock_file(self._running)
        self._sync()

    def close(self, cleanly: bool) -> None:
        """See ``CheckpointStore``."""
        if cleanly:
            self._running.unlink(missing_ok=True)
            self._sync()
        os.close(self._lock)

    def write(self, key: Key, checkpoint: Checkpoint) -> int:
        """See ``CheckpointStore``."""
        path = self._path(key, "checkpoint")
        data = _encode(checkpoint)
        beside = self._path(key, "new")
        with os.fdopen(os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
            file.writelines(data)
            file.flush()
            os.fsync(file.fileno())
        if path.exists():
            path.replace(self._path(key, "previous"))
        beside.replace(path)
        self._sync()
        return sum(map(len, data))

    def read(self, key: Key) -> Iterator[Checkpoint | str]:
        """See ``CheckpointStore``."""
        for suffix in ("checkpoint", "previous"):
            path = self._path(key, suffix)
            if path.exists():
                yield _read(path)

    def quarantine(self, key: Key) -> str:
        """See ``CheckpointStore``."""
        aside = self._path(key, "quarantined")
        for suffix in ("checkpoint", "previous"):
            path = self._path(key, suffix)
            if path.exists():
                path.replace(aside)
                break
        self._sync()
        return str(aside)

    def _path(self, key: Key, suffix: str) -> Path:
        """The kind and the id in letters, digits and underscores; an id with others carries its digest."""
        kind, component_id = key
        name = component_id
        if _PLAIN.fullmatch(component_id) is None:
            digest = hashlib.sha256(component_id.encode()).hexdigest()[:16]
            name = f"{re.sub(r'[^A-Za-z0-9_]', '_', component_id)[:64]}-{digest}"
        return self._directory / f"{kind}-{name}.{suffix}"

    def _sync(self) -> None:
        """Make renames durable."""
        directory = os.open(self._directory, os.O_RDONLY)
        try:
            os.fsync(directory)
        finally:
            os.close(directory)


def _encode(checkpoint: Checkpoint) -> list[bytes]:
    meter, state = checkpoint.meter, checkpoint.state
    described = {
        **asdict(checkpoint.written),
        "meter_bytes": None if meter is None else len(meter),
        "state_bytes": None if state is None else len(state),
    }
    header = json.dumps(described).encode()
    pieces = [MAGIC, len(header).to_bytes(4, "little"), header, meter or b"", state or b""]
    digest = hashlib.sha256()
    for piece in pieces:
        digest.update(piece)
    return [*pieces, digest.digest()]


def _read(path: Path) -> Checkpoint | str:
    try:
        if path.stat().st_size > MAX_BYTES:
            return "it is larger than any checkpoint"
        data = path.read_bytes()
    except OSError as error:
        return f"it cannot be read: {error.strerror}"
    if not data.startswith(MAGIC):
        return "it is no checkpoint of this version of Weir"
    body = memoryview(data)[:-_DIGEST_BYTES]
    if hashlib.sha256(body).digest() != data[-_DIGEST_BYTES:]:
        return "its checksum is wrong: it is damaged"
    begin = len(MAGIC) + 4
    end = begin + int.from_bytes(body[len(MAGIC) : begin], "little")
    try:
        described = json.loads(bytes(body[begin:end]))
        written = Written(str(described["component"]), str(described["state_version"]), int(described["unix_nano"]))
        meter, rest = _part(body[end:], described["meter_bytes"])
        state, _ = _part(rest, described["state_bytes"])
    except (ValueError, KeyError, TypeError) as error:
        return f"its header is not understood: {error!r}"
    return Checkpoint(written, meter, state)


def _part(body: memoryview, size: int | None) -> tuple[bytes | None, memoryview]:
    if size is None:
        return None, body
    return bytes(body[:size]), body[size:]
