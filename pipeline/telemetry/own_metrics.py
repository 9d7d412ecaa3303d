"""Numbers about this process, as plain Python numbers until somebody looks.

Counting happens on the batch path, so it is one addition. Names, attributes and exposition belong to a scrape:
``exposition.py`` turns each family into an observable instrument of the OpenTelemetry SDK, whose callback reads the
numbers.
"""

from __future__ import annotations

import bisect
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Literal

from pipeline.telemetry.descriptions import description_of

Attributes = tuple[tuple[str, str], ...]
Read = Callable[[], float]
Kind = Literal["counter", "gauge", "histogram"]

MAX_CELLS = 1_000
"""Attribute sets per family. Attributes come from code, not from data; the limit holds should that ever fail."""

OVERFLOW: Attributes = (("otel_metric_overflow", "true"),)

DURATION_BOUNDS_S = (
    0.00001,
    0.000025,
    0.00005,
    0.0001,
    0.00025,
    0.0005,
    0.001,
    0.0025,
    0.005,
    0.01,
    0.025,
    0.05,
    0.1,
    0.5,
    1.0,
)
"""A processor takes some ten microseconds per batch; a second is a fault."""


class Cell:
    """One number that only grows. ``cell.value += n``, under a lock of the caller's where several threads add."""

    __slots__ = ("value",)

    def __init__(self) -> None:
        self.value: float = 0

    def __call__(self) -> float:
        return self.value


class Durations:
    """A histogram of durations in plain integers.

    The SDK has no observable histogram, and its synchronous one costs more than what it measures here.
    """

    __slots__ = ("counts", "total_ns")
    BOUNDS_NS = tuple(round(bound * 1e9) for bound in DURATION_BOUNDS_S)

    def __init__(self) -> None:
        self.counts = [0] * (len(self.BOUNDS_NS) + 1)
        self.total_ns = 0

    def record(self, nanoseconds: int) -> None:
        """Count one duration."""
        self.counts[bisect.bisect_left(self.BOUNDS_NS, nanoseconds)] += 1
        self.total_ns += nanoseconds


@dataclass
class Family:
    """All numbers of one name."""

    name: str
    kind: Kind
    unit: str = ""
    description: str = ""
    readings: dict[Attributes, Read] = field(default_factory=dict)
    durations: dict[Attributes, Durations] = field(default_factory=dict)


class OwnMetrics:
    """The registry of one engine. Creating is locked; reading and adding are not."""

    def __init__(self) -> None:
        self._families: dict[str, Family] = {}
        self._lock = threading.Lock()

    def counter(self, name: str, *, unit: str = "", description: str = "", **attributes: str) -> Cell:
        """The cell for a name and attributes, created when it is new. ``name`` without ``_total``."""
        read = self._reading(name, "counter", unit, description, attributes, Cell)
        if not isinstance(read, Cell):
            raise TypeError(f"{name} {attributes} is read from elsewhere")
        return read

    def observe(
        self, name: str, kind: Kind, read: Read, *, unit: str = "", description: str = "", **attributes: str
    ) -> None:
        """Read a number from ``read`` whenever somebody looks; replaces an earlier ``read`` of the same attributes."""
        with self._lock:
            self._family(name, kind, unit, description).readings[_key(attributes)] = read

    def durations(self, name: str, *, description: str = "", **attributes: str) -> Durations:
        """The histogram for a name and attributes, in seconds."""
        with self._lock:
            family = self._family(name, "histogram", "s", description)
            return family.durations.setdefault(_key(attributes), Durations())

    def families(self) -> list[Family]:
        """All families so far."""
        with self._lock:
            return list(self._families.values())

    def samples(self) -> Iterator[tuple[str, dict[str, str], float]]:
        """Name, attributes and value of every counter and gauge; for tests and ``status``."""
        for family in self.families():
            for attributes, read in list(family.readings.items()):
                yield family.name, dict(attributes), read()

    def value(self, name: str, **attributes: str) -> float:
        """One number, 0 if nothing has been counted. For tests."""
        return sum(
            value for found, labels, value in self.samples() if found == name and attributes.items() <= labels.items()
        )

    def _reading(
        self, name: str, kind: Kind, unit: str, description: str, attributes: dict[str, str], create: Callable[[], Read]
    ) -> Read:
        key = _key(attributes)
        with self._lock:
            readings = self._family(name, kind, unit, description).readings
            if key not in readings and len(readings) >= MAX_CELLS:
                key = OVERFLOW
            if key not in readings:
                readings[key] = create()
            return readings[key]

    def _family(self, name: str, kind: Kind, unit: str, description: str) -> Family:
        family = self._families.get(name)
        if family is None:
            family = self._families[name] = Family(name, kind, unit, description or description_of(name))
        elif family.kind != kind:
            raise ValueError(f"{name} is a {family.kind}, not a {kind}")
        return family


def _key(attributes: dict[str, str]) -> Attributes:
    return tuple(sorted((key, str(value)) for key, value in attributes.items()))
