"""``file``: reads what the ``file`` exporter wrote, once, and hands it to the pipelines.

At recorded speed the pauses are those between the newest times of the requests; one longer than ``max_pause`` is cut
short, so that a night without traffic does not last a night.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping
from pathlib import Path
from typing import ClassVar, Literal

from pydantic import field_validator

from pipeline.api import ComponentConfig, Intake, Receiver, Settings
from pipeline.config.durations import Duration
from pipeline.errors import ConfigError, MalformedPayload, PayloadTooLarge, PermanentError, RetryableError
from pipeline.otlp_records import Record, content_of, format_of, read_records
from pipeline.receivers.signals import SIGNALS

TRANSPORT = "file"


class FileReceiverConfig(ComponentConfig):
    """What to read and how fast."""

    path: Path
    format: Literal["auto", "json", "proto"] = "auto"
    signal: str = "traces"
    """What a file of format ``proto`` holds."""
    speed: Literal["full", "recorded"] = "full"
    max_pause: Duration = 10.0

    @field_validator("signal")
    @classmethod
    def _is_signal(cls, value: str) -> str:
        if value not in SIGNALS:
            raise ValueError(f"write one of {', '.join(SIGNALS)}")
        return value


class Pace:
    """The pauses between requests at recorded speed."""

    def __init__(self, max_pause_s: float) -> None:
        self._max_pause_s = max_pause_s
        self._last = 0

    def pause_s(self, unix_nano: int) -> float:
        """Seconds to wait before a request whose newest item is of this time."""
        if not unix_nano:
            return 0.0
        last, self._last = self._last or unix_nano, max(self._last, unix_nano)
        return min(max(unix_nano - last, 0) / 1e9, self._max_pause_s)


class FileReceiver(Receiver):
    """Reads in a thread of its own."""

    Config: ClassVar[type[ComponentConfig]] = FileReceiverConfig
    signals: ClassVar[tuple[str, ...]] = tuple(SIGNALS)

    def __init__(self, config: FileReceiverConfig, settings: Settings) -> None:
        self._config = config
        self._telemetry = settings.telemetry
        self._pace = Pace(config.max_pause)
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None

    def start(self, intakes: Mapping[str, Intake]) -> None:
        """Begin to read.

        Raises:
            ConfigError: The file cannot be read.
        """
        try:
            form = format_of(self._config.path) if self._config.format == "auto" else self._config.format
            records = read_records(self._config.path, form, self._config.signal)
        except OSError as error:
            raise ConfigError([f"path: {self._config.path}: {error.strerror}"]) from None

        def run() -> None:
            requests = 0
            try:
                for record in records:
                    if self._stop.is_set():
                        break
                    requests += self._hand_over(record, intakes)
                else:
                    self._telemetry.logger.info("the file has been read", requests=requests)
            except (OSError, MalformedPayload) as error:
                self._telemetry.logger.error("the rest of the file cannot be read", error=str(error))
                self._telemetry.count("unreadable_files")

        self._thread = threading.Thread(target=run, name="weir-file-receiver", daemon=True)
        self._thread.start()

    def drain(self, timeout_s: float) -> None:
        """Stop reading; wait for the request under way."""
        self._stop.set()
        if self._thread is not None:
            self._thread.join(timeout_s)

    def shutdown(self) -> None:
        """The same without waiting."""
        self._stop.set()

    def _hand_over(self, record: Record, intakes: Mapping[str, Intake]) -> bool:
        """True if the pipelines took it."""
        if record.error or record.signal not in intakes:
            reason = "malformed" if record.error else "no_pipeline"
            self._telemetry.count("skipped_records", reason=reason)
            self._telemetry.logger.limited(reason, "a record is skipped", error=record.error, signal=record.signal)
            return False
        try:
            if self._config.speed == "recorded":
                self._stop.wait(self._pace.pause_s(content_of(record.payload, record.signal).unix_nano))
            while not self._stop.is_set():
                try:
                    intakes[record.signal].accept(record.payload, TRANSPORT)
                except RetryableError as error:
                    self._stop.wait(error.retry_after_s)
                else:
                    return True
        except (MalformedPayload, PermanentError, PayloadTooLarge) as error:
            self._telemetry.count("skipped_records", reason="refused")
            self._telemetry.logger.limited("refused", "a record is refused", error=str(error))
        return False
