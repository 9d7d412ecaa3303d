"""The processor: groups of statements per signal, and what to do where one cannot be carried out.

Source of behaviour and names: opentelemetry-collector-contrib, ``processor/transformprocessor``.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

from pipeline.api import LogBatch, MetricBatch, PermanentError, Processor, Settings, SpanBatch
from pipeline.model.column import Bools
from pipeline.ottl import Fault, Tables, compile_condition, compile_statement
from processors.transform.config import ErrorMode, StatementGroup, TransformConfig

FAILURES = "weir_processor_transform_statement_errors"
"""Items for which a statement, or a condition, could not be evaluated."""


class Group:
    """Statements that are carried out one after the other, each on what those before have left."""

    def __init__(self, config: StatementGroup, error_mode: ErrorMode) -> None:
        self.error_mode = config.error_mode or error_mode
        self.conditions = [compile_condition(text, config.context) for text in config.conditions]
        self.statements = [compile_statement(text, config.context) for text in config.statements]


class Transform(Processor):
    """Changes what statements say. Whoever comes later in the pipeline sees it changed."""

    Config = TransformConfig

    def __init__(self, config: TransformConfig, settings: Settings) -> None:
        self._clock = settings.clock
        self._telemetry = settings.telemetry
        self._groups = {
            signal: [Group(one, config.error_mode) for one in groups]
            for signal, groups in (
                ("traces", config.trace_statements),
                ("metrics", config.metric_statements),
                ("logs", config.log_statements),
            )
        }
        groups = [group for groups in self._groups.values() for group in groups]
        statements = [one for group in groups for one in group.statements]
        conditions = [one for group in groups for one in group.conditions]
        self.reads = _union([*(one.reads for one in statements), *(one.reads for one in conditions)])
        self.adds = _union(one.sets for one in statements)
        self._warnings = _union([*(one.warnings for one in statements), *(one.warnings for one in conditions)])

    def start(self) -> None:
        """Say what is odd about the statements."""
        for warning in self._warnings:
            self._telemetry.logger.warning("odd statement", problem=warning)

    def process_traces(self, spans: SpanBatch) -> SpanBatch:
        """The changed spans."""
        return self._changed(spans, "traces")  # type: ignore[no-any-return]

    def process_metrics(self, metrics: MetricBatch) -> MetricBatch:
        """The changed data points."""
        return self._changed(metrics, "metrics")  # type: ignore[no-any-return]

    def process_logs(self, logs: LogBatch) -> LogBatch:
        """The changed log records."""
        return self._changed(logs, "logs")  # type: ignore[no-any-return]

    def _changed(self, batch: Any, signal: str) -> Any:
        groups = self._groups[signal]
        if not groups:
            return batch
        now = self._clock.unix_nano()
        editor = batch.edit()
        for group in groups:
            chosen = self._chosen(group, editor.batch, now)
            if chosen is not None and not chosen.any():
                continue
            for statement in group.statements:
                for fault in statement.apply(editor, chosen, now):
                    self._failed(group.error_mode, statement.text, fault)
        return editor.done()

    def _chosen(self, group: Group, batch: Any, now: int) -> Bools | None:
        """bool[n]: the items that a group concerns; None: all."""
        if not group.conditions:
            return None
        tables = Tables(batch, now)
        chosen = np.zeros(len(batch), bool)
        for condition in group.conditions:
            hits, failed, reason = condition.of_items(tables)
            if failed is not None and (open_ones := failed & ~chosen).any():
                self._failed(group.error_mode, condition.text, Fault(int(open_ones.sum()), reason))
            chosen |= hits
        return chosen

    def _failed(self, mode: ErrorMode, text: str, fault: Fault) -> None:
        self._telemetry.count(FAILURES, fault.items, error_mode=mode)
        if mode == "propagate":
            raise PermanentError(f"statement cannot be carried out: {text}: {fault}")
        if mode == "ignore":
            self._telemetry.logger.limited(
                "statement_error",
                "a statement cannot be carried out for some items, which stay as they are",
                statement=text,
                error=str(fault),
                items=fault.items,
            )


def _union(several: Iterable[tuple[str, ...]]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(one for some in several for one in some))
