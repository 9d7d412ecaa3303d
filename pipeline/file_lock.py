"""A file that says: this directory is in use."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path

from pipeline.errors import ConfigError


def lock_file(path: Path) -> int:
    """Make a file, and the directory that it is in, and lock it for this process alone. Returns its descriptor; closing
    it, or the end of the process, gives the lock up.

    Raises:
        ConfigError: The directory cannot be made or written to, or another process has the lock.
    """
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise ConfigError([f"cannot use the directory {path.parent}: {error.strerror}"]) from error
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        os.close(descriptor)
        raise ConfigError([f"another process uses the directory {path.parent}; give each its own"]) from error
    return descriptor
