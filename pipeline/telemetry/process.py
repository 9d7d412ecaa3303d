"""Metrics about the operating system's view of this process."""

from __future__ import annotations

import os
import resource
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from pipeline.telemetry.own_metrics import OwnMetrics

if TYPE_CHECKING:
    from pipeline.api import Clock

_STATM = Path("/proc/self/statm")

PROCESS_UPTIME, PROCESS_CPU = "otelcol_process_uptime", "otelcol_process_cpu_seconds"
PROCESS_MEMORY = "otelcol_process_memory_rss"
"""The Collector's names."""


def resident_bytes() -> int:
    """Memory of this process that is in RAM. Where /proc is missing: the peak so far."""
    try:
        return int(_STATM.read_bytes().split()[1]) * resource.getpagesize()
    except OSError:
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        return peak if sys.platform == "darwin" else peak * 1024


def cpu_seconds() -> float:
    """User and system time of all threads so far."""
    times = os.times()
    return times.user + times.system


def observe_process(metrics: OwnMetrics, clock: Clock) -> None:
    """Expose uptime, CPU time and memory under the Collector's names."""
    started = clock.monotonic_nano()
    metrics.observe(
        PROCESS_UPTIME,
        "counter",
        lambda: (clock.monotonic_nano() - started) / 1e9,
        unit="s",
        description="Uptime of the process",
    )
    metrics.observe(PROCESS_CPU, "counter", cpu_seconds, unit="s", description="Total CPU user and system time")
    metrics.observe(
        PROCESS_MEMORY,
        "gauge",
        resident_bytes,
        unit="By",
        description="Total physical memory (resident set size)",
    )
