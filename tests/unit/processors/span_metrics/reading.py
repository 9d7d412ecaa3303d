"""Reads what a harness measured into the shape of the oracle."""

from __future__ import annotations

from typing import Any

from pipeline.testing import Harness
from tests.oracles.red import Key, Series

CALLS = "traces.span.metrics.calls"
DURATION = "traces.span.metrics.duration"


def key_of(labels: dict[str, str]) -> Key:
    return tuple(sorted(labels.items()))


def series_of(
    run: Harness[Any], calls: str = CALLS, duration: str = DURATION, per_ns: float = 1e6
) -> dict[Key, Series]:
    """Series with at least one call, those of equal labels and different resources added up."""
    found: dict[Key, Series] = {}
    for point in run.metrics():
        one = found.setdefault(key_of(point.labels), Series())
        if point.name == calls:
            one.calls += int(point.value)
        elif point.name == duration:
            counts = [int(count) for count in point.value["counts"]]
            one.buckets = [a + b for a, b in zip(one.buckets or [0] * len(counts), counts, strict=True)]
            one.sum_ns += round(point.value["sum"] * per_ns)
    return {key: one for key, one in found.items() if one.calls}


def calls_of(run: Harness[Any], label: str, name: str = CALLS) -> dict[str | None, float]:
    """Calls by the value of one label, without those at 0."""
    found: dict[str | None, float] = {}
    for point in run.metrics():
        if point.name == name and point.value:
            found[point.labels.get(label)] = found.get(point.labels.get(label), 0) + point.value
    return found


def reasons_of(run: Harness[Any], name: str = "sanitized_spans") -> dict[str, float]:
    """What the processor counted about itself, by reason."""
    samples = ((labels, value) for sample, labels, value in run.own.samples() if name in sample)
    return {labels["reason"]: value for labels, value in samples}
