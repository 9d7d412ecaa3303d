"""``memory_limiter``: refuse data before the process runs out of memory.

Keys and behaviour of the Collector's processor: every ``check_interval`` the memory of the process is compared with two
limits. Above the soft one (limit minus spike) data is refused with an error after which senders repeat it; above the
hard one garbage is collected too. List it first, so that a refused batch has been counted nowhere.

A percentage is of the memory that the process may use: of its cgroup where there is a limit, else of the machine.
"""

from __future__ import annotations

import gc
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, Self

from pydantic import ConfigDict, Field, model_validator

from pipeline.api import ComponentConfig, LogBatch, MetricBatch, Processor, RetryableError, Settings, SpanBatch
from pipeline.config.durations import Duration
from pipeline.telemetry.process import resident_bytes

MIB = 1 << 20
DEFAULT_SPIKE_PERCENT = 20
"""Of the limit; the Collector's default."""
RETRY_AFTER_S = 5.0

_CGROUP_LIMITS = (
    Path("/sys/fs/cgroup/memory.max"),  # cgroup v2
    Path("/sys/fs/cgroup/memory/memory.limit_in_bytes"),  # cgroup v1
)


class MemoryLimiterConfig(ComponentConfig):
    """Keys of the Collector's ``memorylimiterprocessor``; one of ``limit_mib`` and ``limit_percentage`` is required."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"check_interval": "1s", "limit_percentage": 75}]})

    check_interval: Duration = 1.0
    limit_mib: int = Field(default=0, ge=0)
    spike_limit_mib: int = Field(default=0, ge=0)
    limit_percentage: int = Field(default=0, ge=0, le=100)
    spike_limit_percentage: int = Field(default=0, ge=0, le=100)
    min_gc_interval_when_soft_limited: Duration = 10.0
    min_gc_interval_when_hard_limited: Duration = 0.0

    @model_validator(mode="after")
    def _complete(self) -> Self:
        if self.check_interval <= 0:
            raise ValueError("check_interval must be greater than zero")
        if not self.limit_mib and not self.limit_percentage:
            raise ValueError("limit_mib or limit_percentage must be greater than zero")
        if self.limit_mib and self.spike_limit_mib >= self.limit_mib:
            raise ValueError("spike_limit_mib must be smaller than limit_mib")
        if self.limit_percentage and self.spike_limit_percentage >= self.limit_percentage:
            raise ValueError("spike_limit_percentage must be smaller than limit_percentage")
        return self


class MemoryLimiter(Processor):
    """Refuses batches while memory is scarce."""

    Config = MemoryLimiterConfig

    read_bytes: Callable[[], int] = staticmethod(resident_bytes)
    """Memory in use; replaced in tests."""
    collect_garbage: Callable[[], Any] = staticmethod(gc.collect)

    def __init__(self, config: MemoryLimiterConfig, settings: Settings) -> None:
        self._config = config
        self._clock = settings.clock
        self._telemetry = settings.telemetry
        self.tick_interval_s = config.check_interval
        self.hard_bytes = self.soft_bytes = 0
        self.refuses = False
        self._last_gc_nano: int | None = None

    def start(self) -> None:
        """Find out how much memory there is."""
        self.hard_bytes, self.soft_bytes = limits_of(self._config, available_bytes())
        self._telemetry.gauge("otelcol_processor_memory_limiter_limit", lambda: self.soft_bytes, unit="By")
        for items in ("spans", "metric_points", "log_records"):
            for fate in ("accepted", "refused"):
                self._telemetry.count(f"{fate}_{items}", 0)
        self._telemetry.logger.info("memory limits", hard_mib=self.hard_bytes // MIB, soft_mib=self.soft_bytes // MIB)

    def process_traces(self, spans: SpanBatch) -> SpanBatch:
        """The batch, or ``RetryableError``."""
        self._admit("spans", len(spans))
        return spans

    def process_metrics(self, metrics: MetricBatch) -> MetricBatch:
        """The batch, or ``RetryableError``."""
        self._admit("metric_points", len(metrics))
        return metrics

    def process_logs(self, logs: LogBatch) -> LogBatch:
        """The batch, or ``RetryableError``."""
        self._admit("log_records", len(logs))
        return logs

    def tick(self, now_unix_nano: int) -> None:  # noqa: ARG002 - garbage collection is paced by the monotonic clock
        """Compare memory with the limits."""
        used = self.read_bytes()
        if used > self.soft_bytes and self._may_collect(used):
            self.collect_garbage()
            self._last_gc_nano = self._clock.monotonic_nano()
            used = self.read_bytes()
        refuses = used > self.soft_bytes
        if refuses != self.refuses:
            message = "memory is scarce; data is refused" if refuses else "memory is back below the soft limit"
            self._telemetry.logger.warning(message, used_mib=used // MIB, soft_mib=self.soft_bytes // MIB)
        self.refuses = refuses

    def _admit(self, items: str, n: int) -> None:
        if self.refuses:
            self._telemetry.count(f"refused_{items}", n)
            raise RetryableError("data refused due to high memory usage", RETRY_AFTER_S)
        self._telemetry.count(f"accepted_{items}", n)

    def _may_collect(self, used: int) -> bool:
        """Collecting garbage again at once rarely finds more, so there is a pause between two runs."""
        if self._last_gc_nano is None:
            return True
        config = self._config
        hard = used > self.hard_bytes
        pause = config.min_gc_interval_when_hard_limited if hard else config.min_gc_interval_when_soft_limited
        return self._clock.monotonic_nano() - self._last_gc_nano >= pause * 1e9


def limits_of(config: MemoryLimiterConfig, available: int) -> tuple[int, int]:
    """Hard and soft limit in bytes; ``limit_mib`` wins over ``limit_percentage``, as in the Collector."""
    if config.limit_mib:
        hard, spike = config.limit_mib * MIB, config.spike_limit_mib * MIB
    else:
        hard = available * config.limit_percentage // 100
        spike = available * config.spike_limit_percentage // 100
    return hard, hard - (spike or hard * DEFAULT_SPIKE_PERCENT // 100)


def available_bytes() -> int:
    """Memory that this process may use: its cgroup's limit, else that of the machine."""
    machine = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    for path in _CGROUP_LIMITS:
        try:
            text = path.read_text().strip()
        except OSError:
            continue
        if text.isdigit():
            return min(machine, int(text))
    return machine
