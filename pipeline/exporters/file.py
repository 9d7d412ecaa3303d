"""``file``: all three signals into a file, as lines of OTLP JSON or as protobuf behind its length. Keys as the
Collector's; the ``file`` receiver and ``weir replay`` read it again.
"""

from __future__ import annotations

import threading
from functools import partial
from pathlib import Path
from typing import Annotated, ClassVar, Literal

from pydantic import Field, field_validator

from pipeline.api import Collect, ComponentConfig, Settings
from pipeline.config.durations import Duration
from pipeline.errors import ConfigError
from pipeline.exporters.delivery import Shipping
from pipeline.exporters.push import PushConfig, PushExporter
from pipeline.exporters.queue_config import QueueConfig
from pipeline.exporters.rotation import RotatingFile, RotationConfig
from pipeline.exporters.verdict import SENT, Verdict, drop, retry
from pipeline.otlp_records import encode_record

QUEUED = PushConfig(sending_queue=QueueConfig(num_consumers=1))
"""Retries too: a disk can be full for a while."""


class FileConfig(ComponentConfig):
    """The Collector's keys."""

    path: Path
    format: Literal["json", "proto"] = "json"
    """``proto``: one signal per file."""
    append: bool = False
    """False: begin anew at each start; with ``rotation`` always true."""
    rotation: RotationConfig | None = None
    flush_interval: Annotated[Duration, Field(gt=0)] = 1.0
    """Accepted for compatibility: each batch is handed to the kernel at once."""
    create_directory: bool = False
    """Make the directory of the path where it does not exist."""
    compression: Literal["none", ""] = ""

    @field_validator("compression", mode="before")
    @classmethod
    def _is_none(cls, value: object) -> object:
        if value not in ("none", "", None):
            raise ValueError("files are not compressed; take it out, and compress what rotation has put aside")
        return value


class FileExporter(PushExporter):
    """Writes."""

    Config: ClassVar[type[ComponentConfig]] = FileConfig

    def __init__(self, config: FileConfig, settings: Settings) -> None:
        super().__init__(QUEUED, settings)
        self._config = config
        self._file = RotatingFile(config.path, config.rotation, append=config.append)
        self._lock = threading.Lock()
        self._signal = ""

    def start(self, collect: Collect) -> None:
        """Open the file.

        Raises:
            ConfigError: It cannot be written.
        """
        try:
            if self._config.create_directory:
                self._config.path.parent.mkdir(parents=True, exist_ok=True)
            self._file.open()
        except OSError as error:
            raise ConfigError([f"path: {self._config.path}: {error.strerror}"]) from None
        super().start(collect)

    def shipping(self, signal: str) -> Shipping:
        """See ``PushExporter``."""
        return Shipping(signal, partial(self._send, signal), 0.0)

    def close(self) -> None:
        """Close the file."""
        with self._lock:
            self._file.close()

    def _send(self, signal: str, payload: bytes, items: int, timeout_s: float) -> Verdict:  # noqa: ARG002 - Shipping.send
        form = self._config.format
        record = encode_record(payload, signal, form)
        with self._lock:
            if form == "proto" and self._signal not in {"", signal}:
                return drop(
                    "mixed_signals", f"{self._config.path} holds {self._signal}; give {signal} a file of its own"
                )
            self._signal = signal
            try:
                self._file.write(record, self._settings.clock.unix_nano())
            except OSError as error:
                return retry("disk", f"{self._config.path}: {error.strerror}")
        return SENT
