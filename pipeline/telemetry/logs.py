"""Structured logs on stderr, as text or JSON: a sentence and fields, at most one line per reason per ten seconds.

    2026-03-01T12:00:00.123Z  warn  receiver/otlp  request refused  {"reason": "malformed", "suppressed": 41}

Only logging's own machinery reads the time of a record; the limiter uses the engine's clock.
"""

from __future__ import annotations

import datetime
import json
import logging
import sys
import threading
import traceback
from collections.abc import Mapping, MutableMapping
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pipeline.api import Clock

LIMIT_INTERVAL_NANO = 10_000_000_000
MAX_REASONS = 256
ROOT = "weir"

_LOGGING_KEYS = {"exc_info", "stack_info", "stacklevel", "extra"}
_ENGINE = tuple(f"{Path(__file__).parents[1]}/{part}/" for part in ("service", "telemetry"))
"""Beginnings of the files whose frames call components."""
_LEVELS = {
    logging.DEBUG: "debug",
    logging.INFO: "info",
    logging.WARNING: "warn",
    logging.ERROR: "error",
    logging.CRITICAL: "fatal",
}


class ComponentLogger(logging.LoggerAdapter[logging.Logger]):
    """A logger whose keyword arguments become fields: ``logger.info("listening", endpoint="127.0.0.1:4317")``."""

    def __init__(self, component: str, clock: Clock) -> None:
        super().__init__(logging.getLogger(f"{ROOT}.{component.replace('.', '_')}"), {})
        self._component = component
        self._clock = clock
        self._lock = threading.Lock()
        self._last: dict[str, int] = {}
        self._suppressed: dict[str, int] = {}

    if TYPE_CHECKING:  # any keyword may be a field; logging's own signatures know four

        def debug(self, msg: object, *args: object, **fields: Any) -> None: ...
        def info(self, msg: object, *args: object, **fields: Any) -> None: ...
        def warning(self, msg: object, *args: object, **fields: Any) -> None: ...
        def error(self, msg: object, *args: object, **fields: Any) -> None: ...

    def process(self, msg: Any, kwargs: MutableMapping[str, Any]) -> tuple[Any, MutableMapping[str, Any]]:
        """Move keyword arguments that logging does not know into the fields of the record."""
        passed = {key: kwargs[key] for key in _LOGGING_KEYS & kwargs.keys()}
        fields = {key: value for key, value in kwargs.items() if key not in _LOGGING_KEYS}
        passed["extra"] = {"component": self._component, "fields": fields}
        return msg, passed

    def limited(self, reason: str, msg: str, *, level: int = logging.WARNING, **fields: object) -> None:
        """Log at most one line per reason per 10 s; the next line says how many were suppressed.

        Args:
            reason: A word out of a small set, never taken from the data.
            msg: A sentence without data in it.
            level: Of ``logging``.
            fields: Data. Keep payloads, secrets and peers' text out.
        """
        now = self._clock.monotonic_nano()
        with self._lock:
            if reason not in self._last and len(self._last) >= MAX_REASONS:
                reason = "other"
            last = self._last.get(reason)
            if last is not None and now - last < LIMIT_INTERVAL_NANO:
                self._suppressed[reason] = self._suppressed.get(reason, 0) + 1
                return
            self._last[reason] = now
            suppressed = self._suppressed.pop(reason, 0)
        if suppressed:
            fields["suppressed"] = suppressed
        message, passed = self.process(msg, {"reason": reason, **fields})
        self.logger.log(level, message, **passed)


class ConsoleFormatter(logging.Formatter):
    """Time, level, component, sentence and fields, separated by tabs as the Collector's console encoding does."""

    def format(self, record: logging.LogRecord) -> str:
        """One line; control characters are escaped, so data cannot forge a line."""
        parts = [_timestamp(record), _level(record), _component(record), _one_line(record.getMessage())]
        fields = _fields(record)
        if fields:
            parts.append(_one_line(json.dumps(fields, default=str, ensure_ascii=False)))
        return "\t".join(parts)


class JsonFormatter(logging.Formatter):
    """One JSON object a line, with the Collector's keys ``level``, ``ts``, ``msg``."""

    def format(self, record: logging.LogRecord) -> str:
        """One line of JSON."""
        line = {
            "level": _level(record),
            "ts": _timestamp(record),
            "logger": _component(record),
            "msg": record.getMessage(),
            **_fields(record),
        }
        return json.dumps(line, default=str)


def configure_logging(level: str = "info", encoding: str = "console", stream: IO[str] | None = None) -> None:
    """Send the logs of Weir, and warnings of libraries, to ``stream`` (stderr)."""
    logging.raiseExceptions = False  # a closed or full stderr must not stop the pipeline
    handler = logging.StreamHandler(stream or sys.stderr)
    handler.setFormatter(JsonFormatter() if encoding == "json" else ConsoleFormatter())
    weir = logging.getLogger(ROOT)
    weir.handlers[:] = [handler]
    weir.propagate = False
    weir.setLevel({"warn": "WARNING", "fatal": "CRITICAL"}.get(level, level.upper()))
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(logging.WARNING)


def place_of(error: BaseException) -> str:
    """``file.py:12 in function``: enough to find a fault without a page of traceback.

    The innermost frame; and where that is in code that a component called, the last frame in the component's own
    directory as well: ``json/decoder.py:355 in raw_decode, from my_plug_in/tags.py:41 in read``.
    """
    frames = [(frame.f_code, line) for frame, line in traceback.walk_tb(error.__traceback__)]
    if not frames:
        return "?"
    files = [code.co_filename for code, _ in frames]
    # what the engine calls is the component; below it come its own code and the libraries that it uses
    own = next((file for file in files if not file.startswith(_ENGINE)), files[-1])
    last = max(place for place, file in enumerate(files) if _directory(file) == _directory(own))
    where = [f"{'/'.join(code.co_filename.split('/')[-3:])}:{line} in {code.co_name}" for code, line in frames]
    return where[-1] if last == len(frames) - 1 else f"{where[-1]}, from {where[last]}"


def _directory(file: str) -> str:
    return file.rpartition("/")[0]


def _timestamp(record: logging.LogRecord) -> str:
    moment = datetime.datetime.fromtimestamp(record.created, datetime.UTC)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _level(record: logging.LogRecord) -> str:
    return _LEVELS.get(record.levelno, record.levelname.lower())


def _component(record: logging.LogRecord) -> str:
    return str(getattr(record, "component", record.name))


def _fields(record: logging.LogRecord) -> dict[str, Any]:
    given: Mapping[str, Any] = getattr(record, "fields", {})
    fields = dict(given)
    if record.exc_info and record.exc_info[1] is not None:
        error = record.exc_info[1]
        fields.setdefault("error", f"{type(error).__name__}: {error}")
        fields.setdefault("at", place_of(error))
    return fields


def _one_line(text: str) -> str:
    return "".join(character if character.isprintable() else repr(character)[1:-1] for character in text)
