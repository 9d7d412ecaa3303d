"""The state of one component, and where such states are kept: in memory (here), in files (``checkpoint_files``)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

from pipeline.config.check import Key


@dataclass(frozen=True)
class Written:
    """What a checkpoint says about itself.

    Attributes:
        component: Class, as ``module:name``.
        state_version: Of the class when it was written.
        unix_nano: When that was.
    """

    component: str
    state_version: str
    unix_nano: int


@dataclass(frozen=True)
class Checkpoint:
    """State of one component.

    Attributes:
        meter: Instruments, as ``Meter.snapshot`` gave them; None in a checkpoint that was taken while running.
        state: What ``Processor.snapshot`` gave.
    """

    written: Written
    meter: bytes | None
    state: bytes | None


class CheckpointStore(Protocol):
    """Where checkpoints are kept.

    Attributes:
        stopped_cleanly: Who used it before has written everything before it ended.
    """

    stopped_cleanly: bool

    def write(self, key: Key, checkpoint: Checkpoint) -> int:
        """Replace the checkpoint of a component and keep the one before. Returns its size in bytes.

        Raises:
            OSError: It could not be written; what was there still is.
        """

    def read(self, key: Key) -> Iterator[Checkpoint | str]:
        """The newest checkpoint of a component, then the one before it; for one that is damaged, why."""

    def quarantine(self, key: Key) -> str:
        """Put the newest checkpoint aside, so that the next start does not meet it again. Returns where it is."""

    def close(self, cleanly: bool) -> None:
        """Give it up. ``cleanly``: it holds all that this process has counted."""


class CheckpointMemory:
    """Keeps checkpoints while the configuration is read again, where it names no directory."""

    stopped_cleanly = True

    def __init__(self) -> None:
        self._kept: dict[Key, Checkpoint] = {}

    def write(self, key: Key, checkpoint: Checkpoint) -> int:
        """See ``CheckpointStore``."""
        self._kept[key] = checkpoint
        return len(checkpoint.meter or b"") + len(checkpoint.state or b"")

    def read(self, key: Key) -> Iterator[Checkpoint]:
        """See ``CheckpointStore``."""
        kept = self._kept.get(key)
        return iter(()) if kept is None else iter((kept,))

    def quarantine(self, key: Key) -> str:
        """See ``CheckpointStore``."""
        del self._kept[key]
        return "forgotten"

    def close(self, cleanly: bool) -> None:
        """See ``CheckpointStore``."""
