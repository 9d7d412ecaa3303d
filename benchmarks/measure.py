"""Rows, clocks, and measuring in turns."""

from __future__ import annotations

import gc
import json
import resource
import statistics
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

MICRO = 1e6


@dataclass(frozen=True)
class Row:
    """One line of the result.

    Attributes:
        name: What was measured; the first part, up to a slash, is its group.
        value, unit: The median.
        yardstick: The median of what it is compared with, in the same unit.
        ratio: Median of the ratios of neighbouring measurements, which is steadier than the ratio of the medians.
        limit: The largest ratio that is wanted, or None where the row only informs. ``limit_value``: the same for the
            value itself.
        against: The yardstick in words.
    """

    name: str
    value: float
    unit: str
    yardstick: float | None = None
    ratio: float | None = None
    limit: float | None = None
    limit_value: float | None = None
    against: str = ""

    @property
    def ok(self) -> bool | None:
        """Whether the limit holds; None without one."""
        verdicts = [
            measured <= limit
            for measured, limit in ((self.ratio, self.limit), (self.value, self.limit_value))
            if measured is not None and limit is not None
        ]
        return all(verdicts) if verdicts else None

    def line(self, about: Mapping[str, object]) -> str:
        """Return the row as one line of JSON, with ``about`` the run."""
        return json.dumps({**asdict(self), "ok": self.ok, **about})


@dataclass(frozen=True)
class Settings:
    """How thoroughly to measure.

    Attributes:
        quick: A smoke run: everything is exercised, and the figures mean nothing.
        scratch: A directory for configurations and logs.
    """

    quick: bool
    scratch: Path

    @property
    def repetitions(self) -> int:
        """Turns of a measurement in this process."""
        return 2 if self.quick else 15

    @property
    def server_repetitions(self) -> int:
        """Turns of a measurement of servers."""
        return 2 if self.quick else 9

    def amount(self, thorough: int) -> int:
        """Scale a number of requests or series."""
        return max(thorough // 50, 1) if self.quick else thorough


Group = Callable[[Settings], Iterable[Row]]


def cpu_seconds() -> float:
    """User and system time of this process."""
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


def cpu_of(work: Callable[[], object]) -> float:
    """Return the CPU seconds of one call, with the garbage of earlier calls out of the way."""
    gc.collect()
    gc.disable()
    try:
        begin = cpu_seconds()
        work()
        return cpu_seconds() - begin
    finally:
        gc.enable()


def in_turns(repetitions: int, candidates: Mapping[str, Callable[[], float]]) -> dict[str, list[float]]:
    """Measure the candidates one after another, again and again; the first round warms up and is not counted."""
    results: dict[str, list[float]] = {name: [] for name in candidates}
    for turn in range(repetitions + 1):
        for name, measure in candidates.items():
            measured = measure()
            if turn:
                results[name].append(measured)
    return results


def cpu_in_turns(repetitions: int, scale: float, works: Mapping[str, Callable[[], object]]) -> dict[str, list[float]]:
    """Measure the CPU seconds of each work in turns, times ``scale``."""

    def timed(work: Callable[[], object]) -> Callable[[], float]:
        return lambda: cpu_of(work) * scale

    return in_turns(repetitions, {name: timed(work) for name, work in works.items()})


def compare(
    name: str,
    unit: str,
    values: list[float],
    yardsticks: list[float],
    *,
    against: str,
    limit: float | None = None,
) -> Row:
    """Make a row of two series of neighbouring measurements."""
    ratios = [value / yardstick for value, yardstick in zip(values, yardsticks, strict=True)]
    return Row(
        name,
        statistics.median(values),
        unit,
        yardstick=statistics.median(yardsticks),
        ratio=statistics.median(ratios),
        limit=limit,
        against=against,
    )
