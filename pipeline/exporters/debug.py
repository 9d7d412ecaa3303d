"""``debug``: writes what passes to the log or to a console. Keys and defaults as the Collector's exporter."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, ClassVar, Literal

import numpy as np
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from pydantic import Field

from pipeline.api import Collect, ComponentConfig, Exporter, MetricSnapshot, Settings, SpanBatch
from pipeline.exporters import debug_text

if TYPE_CHECKING:
    from pipeline.api import Clock

SECOND_NS = 1_000_000_000


class DebugConfig(ComponentConfig):
    """The Collector's keys."""

    verbosity: Literal["basic", "normal", "detailed"] = "basic"
    """``basic``: one line per batch; ``normal``: one more per item; ``detailed``: everything, decoding every span."""
    sampling_initial: int = Field(default=2, ge=0)
    """Batches shown in each second before sampling begins."""
    sampling_thereafter: int = Field(default=1, ge=0)
    """Of the batches after these every n-th is shown; 1 shows all, 0 none."""
    use_internal_logger: bool = True
    """Write to Weir's log, with its level and encoding; else to ``output_paths``."""
    output_paths: tuple[Literal["stdout", "stderr"], ...] = ("stdout",)


class Sampler:
    """zap's sampling, which the Collector uses: the first few of each second, then every n-th."""

    def __init__(self, clock: Clock, initial: int, thereafter: int) -> None:
        self._clock = clock
        self._initial = initial
        self._thereafter = thereafter
        self._second = -1
        self._count = 0

    def allows(self) -> bool:
        """Whether to show one more."""
        second = self._clock.monotonic_nano() // SECOND_NS
        if second != self._second:
            self._second, self._count = second, 0
        self._count += 1
        beyond = self._count - self._initial
        return beyond <= 0 or (self._thereafter > 0 and beyond % self._thereafter == 0)


class DebugExporter(Exporter):
    """Shows spans and metrics."""

    Config = DebugConfig
    signals: ClassVar[tuple[str, ...]] = ("traces", "metrics")

    def __init__(self, config: DebugConfig, settings: Settings) -> None:
        self._config = config
        self._logger = settings.telemetry.logger
        self._samplers = {
            signal: Sampler(settings.clock, config.sampling_initial, config.sampling_thereafter)
            for signal in self.signals
        }

    def start(self, collect: Collect) -> None:
        """Nothing to begin."""

    def export_traces(self, spans: SpanBatch) -> None:
        """Show a batch of spans."""
        if not self._samplers["traces"].allows():
            return
        resources = len(np.unique(spans.resource_rows))
        self._write("Traces", {"resource spans": resources, "spans": len(spans)}, lambda: self._spans(spans))

    def export_metrics(self, metrics: MetricSnapshot) -> None:
        """Show a batch of metrics."""
        if not self._samplers["metrics"].allows():
            return
        resources = {int(row) for metric in metrics.metrics for row in np.unique(metric.series.resource)}
        counts = {"resource metrics": len(resources), "metrics": len(metrics.metrics), "data points": len(metrics)}
        self._write("Metrics", counts, lambda: self._metrics(metrics))

    def _spans(self, spans: SpanBatch) -> Iterator[str]:
        request = ExportTraceServiceRequest.FromString(spans.to_otlp())
        short = self._config.verbosity == "normal"
        return debug_text.spans_in_short(request) if short else debug_text.spans_in_detail(request)

    def _metrics(self, metrics: MetricSnapshot) -> Iterator[str]:
        short = self._config.verbosity == "normal"
        return debug_text.metrics_in_short(metrics) if short else debug_text.metrics_in_detail(metrics)

    def _write(self, title: str, counts: dict[str, Any], lines: Callable[[], Iterator[str]]) -> None:
        is_basic = self._config.verbosity == "basic"
        if self._config.use_internal_logger:
            self._logger.info(title, **counts)
            for line in () if is_basic else lines():
                self._logger.info("%s", line)
            return
        text = "\n".join([f"{title}\t{counts}", *(() if is_basic else lines())]) + "\n"
        for path in self._config.output_paths:
            stream = sys.stdout if path == "stdout" else sys.stderr
            stream.write(text)
            stream.flush()
