"""Storage for sending queues, under the name and keys of the Collector's ``file_storage``.

    exporters:
      otlp: {endpoint: tempo:4317, sending_queue: {storage: file_storage}}
    extensions:
      file_storage: {directory: /var/lib/weir/queues}
    service: {extensions: [file_storage], …}

Each queue has an LMDB file of its own. Space in it is used again and never given back, so there is nothing to compact.
"""

from __future__ import annotations

import os
import re
from pathlib import Path

import lmdb
from pydantic import Field

from pipeline.api import ComponentConfig, Extension, Host, Settings
from pipeline.config.durations import Duration
from pipeline.errors import ConfigError
from pipeline.exporters.queued_on_disk import DiskStore
from pipeline.file_lock import lock_file
from pipeline.telemetry import ComponentTelemetry

LOST = "weir_exporter_lost_items"
_ODD = re.compile(r"[^A-Za-z0-9._-]")


class CompactionConfig(ComponentConfig):
    """``compaction``: taken, so that configurations of the Collector are; it has no effect."""

    on_start: bool = False
    on_rebound: bool = False
    directory: Path | None = None
    max_transaction_size: int = Field(default=65536, ge=0)
    rebound_needed_threshold_mib: int = Field(default=100, ge=0)
    rebound_trigger_threshold_mib: int = Field(default=10, ge=0)
    check_interval: Duration = 5.0
    cleanup_on_start: bool = False


class FileStorageConfig(ComponentConfig):
    """Keys of the Collector's ``filestorageextension``."""

    directory: Path = Path("/var/lib/weir/queues")
    """Of this process alone."""
    create_directory: bool = True
    fsync: bool = False
    """True: what is taken over is on the disk before the next batch is, which costs a write to it each time. False: it
    survives the end of the process, not that of the machine."""
    timeout: Duration = 1.0
    """Taken, so that configurations of the Collector are; a file that another process uses is an error at once."""
    compaction: CompactionConfig = CompactionConfig()


class FileStorage(Extension):
    """Gives sending queues a file each."""

    Config = FileStorageConfig

    def __init__(self, config: FileStorageConfig, settings: Settings) -> None:
        self._config = config
        self._telemetry = settings.telemetry
        self._lock: int | None = None

    def start(self, host: Host) -> None:  # noqa: ARG002 - signature of an extension
        """Take the directory for this process.

        Raises:
            ConfigError: It does not exist and is not to be made, cannot be written to, or another process has it.
        """
        directory = self._config.directory
        if not self._config.create_directory and not directory.is_dir():
            raise ConfigError([f"the directory {directory} does not exist; make it, or set create_directory: true"])
        self._lock = lock_file(directory / "in_use")

    def shutdown(self) -> None:
        """Give the directory up; the queues have closed their files."""
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    def open(self, queue: str, exporter: ComponentTelemetry) -> DiskStore:
        """The store of a queue. A file that cannot be read is put aside.

        Args:
            queue: Name, unique among all queues.
            exporter: Where to count and log what is lost.
        """
        path = self._config.directory / _ODD.sub(lambda odd: f"~{ord(odd[0]):x}~", queue)

        def report(what: str, items: int) -> None:
            exporter.count(LOST, items, reason="damaged")
            exporter.logger.limited("damaged", what, queue=queue, items=items)

        exporter.count(LOST, 0, reason="damaged")
        try:
            return DiskStore(path, fsync=self._config.fsync, report=report)
        except lmdb.Error as error:
            aside = path.with_name(f"{path.name}.quarantined")
            report(f"the file of a queue cannot be read and was put aside as {aside}: {error}", 0)
            _replace(path, aside)
            return DiskStore(path, fsync=self._config.fsync, report=report)


def _replace(path: Path, aside: Path) -> None:
    if aside.exists():
        for old in aside.iterdir():
            old.unlink()
        aside.rmdir()
    path.rename(aside)
