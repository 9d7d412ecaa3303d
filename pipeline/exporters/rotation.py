"""A file that is put aside when it has grown, and old ones removed: names and rules of the Collector's ``rotation``."""

from __future__ import annotations

import datetime
import os
from pathlib import Path

from pydantic import Field

from pipeline.api import ComponentConfig

DAY_S = 86_400


class RotationConfig(ComponentConfig):
    """``rotation``."""

    max_megabytes: int = Field(default=100, gt=0)
    max_days: int = Field(default=0, ge=0)
    """Older files are removed; 0: never."""
    max_backups: int = Field(default=100, ge=0)
    """So many old files are kept; 0: all."""
    localtime: bool = False
    """In the names of old files; else UTC."""


class RotatingFile:
    """Whole records only: what a full disk cuts off is taken back. One thread at a time.

    Args:
        path: The file that is written.
        rotation: None: it grows for ever.
        append: Go on behind what is there instead of beginning anew.
    """

    def __init__(self, path: Path, rotation: RotationConfig | None, *, append: bool) -> None:
        self._path = path
        self._rotation = rotation
        self._append = append or rotation is not None
        self._file = -1
        self._size = 0

    def open(self) -> None:
        """Raises OSError where the file cannot be written."""
        flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | (0 if self._append else os.O_TRUNC)
        self._file = os.open(self._path, flags, 0o600)
        self._size = os.fstat(self._file).st_size

    def write(self, record: bytes, unix_nano: int) -> None:
        """Append a record; afterwards it is the kernel's.

        Raises:
            OSError: Nothing of it was written.
        """
        rotation = self._rotation
        if rotation is not None and self._size and self._size + len(record) > rotation.max_megabytes << 20:
            self._rotate(rotation, unix_nano)
        left = memoryview(record)
        try:
            while left:
                left = left[os.write(self._file, left) :]
        except OSError:
            os.ftruncate(self._file, self._size)
            raise
        self._size += len(record)

    def close(self) -> None:
        """Works twice."""
        file, self._file = self._file, -1
        if file >= 0:
            os.close(file)

    def _rotate(self, rotation: RotationConfig, unix_nano: int) -> None:
        self.close()
        self._path.rename(self._backup(unix_nano, rotation.localtime))
        self._append = True
        self.open()
        backups = sorted(self._backups(), reverse=True)
        for number, backup in enumerate(backups):
            too_many = rotation.max_backups and number >= rotation.max_backups
            age_s = unix_nano / 1e9 - backup.stat().st_mtime
            if too_many or (rotation.max_days and age_s > rotation.max_days * DAY_S):
                backup.unlink(missing_ok=True)

    def _backup(self, unix_nano: int, local: bool) -> Path:
        """``spans.json`` is put aside as ``spans-2026-03-01T12-00-00.123.json``."""
        moment = datetime.datetime.fromtimestamp(unix_nano / 1e9, datetime.UTC)
        if local:
            moment = moment.astimezone()
        text = moment.strftime("%Y-%m-%dT%H-%M-%S.") + f"{moment.microsecond // 1000:03d}"
        name = self._path.with_name(f"{self._path.stem}-{text}{self._path.suffix}")
        number = 0
        while name.exists():
            number += 1
            name = self._path.with_name(f"{self._path.stem}-{text}-{number}{self._path.suffix}")
        return name

    def _backups(self) -> list[Path]:
        pattern = "-[0-9][0-9][0-9][0-9]-[0-9][0-9]-[0-9][0-9]T*"
        return [*self._path.parent.glob(f"{self._path.stem}{pattern}{self._path.suffix}")]
