"""The processor: steps per signal, what to do where a condition fails, and how much was dropped.

Source of behaviour and names: opentelemetry-collector-contrib, ``processor/filterprocessor``.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Any

from pipeline.api import LogBatch, MetricBatch, PermanentError, Processor, Settings, SpanBatch
from pipeline.ottl import CONTEXTS, Condition
from processors.filter.config import ErrorMode, FilterConfig
from processors.filter.steps import DropIfAny, KeepMatching, Step

COUNTERS = {"traces": "spans.filtered", "metrics": "datapoints.filtered", "logs": "logs.filtered"}
"""Signal → what was dropped, under the Collector's names: ``otelcol_processor_filter_spans.filtered``."""
FAILURES = "weir_processor_filter_condition_errors"
"""Items for which a condition could not be evaluated."""


class Filter(Processor):
    """Drops what conditions are true of. Spans whose events are all dropped stay; metrics without points do not."""

    Config = FilterConfig

    def __init__(self, config: FilterConfig, settings: Settings) -> None:
        self._clock = settings.clock
        self._telemetry = settings.telemetry
        self._id = settings.id
        self._steps: dict[str, list[Step]] = {
            "traces": [*self._conditions(config, "trace"), *self._matches([config.spans])],
            "metrics": [*self._conditions(config, "metric"), *self._matches(config.metrics.matches())],
            "logs": [*self._conditions(config, "log"), *self._matches(config.logs.matches())],
        }
        steps = (step for steps in self._steps.values() for step in steps)
        self.reads = tuple(dict.fromkeys(column for step in steps for column in step.reads))

    def start(self) -> None:
        """Show the counters of what is filtered before anything was, and say what is odd about the conditions."""
        for signal, steps in self._steps.items():
            if steps:
                self._telemetry.count(COUNTERS[signal], 0, filter=self._id)
            for warning in (warning for step in steps for warning in step.warnings):
                self._telemetry.logger.warning("odd condition", problem=warning)

    def process_traces(self, spans: SpanBatch) -> SpanBatch:
        """The spans that no condition is true of, without the events that one is true of."""
        return self._filtered(spans, "traces")  # type: ignore[no-any-return]

    def process_metrics(self, metrics: MetricBatch) -> MetricBatch:
        """The data points that no condition is true of."""
        return self._filtered(metrics, "metrics")  # type: ignore[no-any-return]

    def process_logs(self, logs: LogBatch) -> LogBatch:
        """The log records that no condition is true of."""
        return self._filtered(logs, "logs")  # type: ignore[no-any-return]

    def _filtered(self, batch: Any, signal: str) -> Any:
        before = len(batch)
        now = self._clock.unix_nano()
        for step in self._steps[signal]:
            batch = step.apply(batch, now)
            if not len(batch):
                break
        if len(batch) != before:
            self._telemetry.count(COUNTERS[signal], before - len(batch), filter=self._id)
        return batch

    def _conditions(self, config: FilterConfig, signal: str) -> Iterator[Step]:
        """Higher levels first: what is dropped there is not looked at below."""
        groups = getattr(config, f"{signal}_conditions")
        for group in sorted(groups, key=lambda one: CONTEXTS[one.context].level):
            mode = group.error_mode or config.error_mode
            yield DropIfAny(group.context, group.conditions, partial(self._on_failure, mode))
        block = getattr(config, f"{signal}s")
        for key, context in (
            ("resource", "resource"),
            ("span", "span"),
            ("spanevent", "spanevent"),
            ("metric", "metric"),
            ("datapoint", "datapoint"),
            ("log_record", "log"),
        ):
            if texts := getattr(block, key, ()):
                yield DropIfAny(context, texts, partial(self._on_failure, config.error_mode))

    def _matches(self, configs: list[Any]) -> Iterator[Step]:
        for config in configs:
            if config.include is not None or config.exclude is not None:
                yield KeepMatching(config)

    def _on_failure(self, mode: ErrorMode, condition: Condition, items: int, reason: str) -> None:
        self._telemetry.count(FAILURES, items, error_mode=mode)
        if mode == "propagate":
            raise PermanentError(f"condition cannot be evaluated: {condition.text}: {reason}")
        if mode == "ignore":
            self._telemetry.logger.limited(
                "condition_error",
                "a condition cannot be evaluated for some items and counts as false for them",
                condition=condition.text,
                error=reason,
                items=items,
            )
