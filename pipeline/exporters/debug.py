"""``debug``: writes what passes to the log or to a console. Keys and defaults as the Collector's exporter."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, ClassVar, Literal

import numpy as np
from google.protobuf.message import Message
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from pydantic import Field

from pipeline.api import Collect, ComponentConfig, Exporter, LogBatch, MetricBatch, Settings, SpanBatch
from pipeline.exporters import debug_text
from pipeline.model.batch import Batch

if TYPE_CHECKING:
    from pipeline.api import Clock

REQUESTS: dict[str, type[Message]] = {
    "traces": ExportTraceServiceRequest,
    "metrics": ExportMetricsServiceRequest,
    "logs": ExportLogsServiceRequest,
}
SECOND_NS = 1_000_000_000


class DebugConfig(ComponentConfig):
    """The Collector's keys."""

    written_otherwise: ClassVar[Mapping[str, str]] = {"loglevel": "write verbosity: basic, normal or detailed"}

    verbosity: Literal["basic", "normal", "detailed"] = "basic"
    """``basic``: one line per batch; ``normal``: one more per item; ``detailed``: everything, decoding every item."""
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
    """Shows spans, data points and log records."""

    Config = DebugConfig
    signals: ClassVar[tuple[str, ...]] = ("traces", "metrics", "logs")

    def __init__(self, config: DebugConfig, settings: Settings) -> None:
        self._config = config
        self._verbosity = self.verbosity(config)
        self._logger = settings.telemetry.logger
        self._samplers = {
            signal: Sampler(settings.clock, config.sampling_initial, config.sampling_thereafter)
            for signal in self.signals
        }

    @staticmethod
    def verbosity(config: DebugConfig) -> Literal["basic", "normal", "detailed"]:
        """What is shown."""
        return config.verbosity

    def start(self, collect: Collect) -> None:
        """Nothing to begin."""

    def export_traces(self, spans: SpanBatch) -> None:
        """Show a batch of spans."""
        self._show(spans, "Traces", {"resource spans": spans.resource_rows})

    def export_metrics(self, metrics: MetricBatch) -> None:
        """Show a batch of metrics."""
        self._show(metrics, "Metrics", {"resource metrics": metrics.resource_rows, "metrics": metrics.metric_rows})

    def export_logs(self, logs: LogBatch) -> None:
        """Show a batch of log records."""
        self._show(logs, "Logs", {"resource logs": logs.resource_rows})

    def _show(self, batch: Batch, title: str, parents: dict[str, Any]) -> None:
        if self._samplers[batch.signal].allows():
            counts = {name: len(np.unique(rows)) for name, rows in parents.items()}
            self._write(title, {**counts, batch.items: len(batch)}, lambda: self._lines(batch))

    def _lines(self, batch: Batch) -> Iterator[str]:
        is_short = self._verbosity == "normal"
        request = REQUESTS[batch.signal].FromString(batch.to_otlp())
        return debug_text.in_short(request) if is_short else debug_text.in_detail(request)

    def _write(self, title: str, counts: dict[str, Any], lines: Callable[[], Iterator[str]]) -> None:
        is_basic = self._verbosity == "basic"
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
