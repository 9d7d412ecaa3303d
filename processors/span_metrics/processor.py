"""SpanMetrics: request, error and duration metrics from spans.

    spans → filter → repair → durations ─┬→ the Collector's metrics
                                         └→ Tempo's metrics

The same batch goes on unchanged. State is all in the instruments; besides them a snapshot holds the names that labels
of globs and of traces_target_info have got.
"""

from __future__ import annotations

import json
from functools import partial
from typing import Any, ClassVar

import numpy as np

from pipeline.api import Processor, Settings, SpanBatch
from processors.span_filter import SpanFilter
from processors.span_metrics import config as configuration
from processors.span_metrics.durations import LATE_S, Durations, durations, within
from processors.span_metrics.otelcol import OtelcolMetrics
from processors.span_metrics.repair import (
    SERVICE_COLUMN,
    nameless_resources,
    with_span_names,
    without_service_name,
)
from processors.span_metrics.tempo import STALE_S, TempoMetrics

OUTSIDE_SLACK = "outside_metrics_ingestion_slack"
"""Tempo's reason for spans that it discards."""

Flavour = OtelcolMetrics | TempoMetrics

READS = (SERVICE_COLUMN, "name", "start_time_unix_nano", "end_time_unix_nano")


class SpanMetrics(Processor):
    """Request, error and duration metrics from spans, in the Collector's or in Tempo's flavour.

    About itself it counts ``sanitized_spans{reason}``, spans that are in the metrics after a repair or with a remark
    (``no_service``, ``negative_duration``, ``missing_time``, ``duration_range``, ``late``, ``in_future``,
    ``glob_keys``, ``target_info_keys``), and ``discarded_spans{reason}``, spans that are not
    (``span_metrics_filtered``, ``no_service``, ``outside_metrics_ingestion_slack``).
    """

    Config = configuration.Config
    emits_metrics: ClassVar[bool] = True
    saved_while_running = False
    scope_name: ClassVar[str] = "spanmetricsconnector"
    keyed_by = (SERVICE_COLUMN,)

    def __init__(self, config: configuration.Config, settings: Settings) -> None:
        self._config = config
        self._clock = settings.clock
        self._sanitized = partial(_count, settings, "sanitized_spans")
        self._discarded = partial(_count, settings, "discarded_spans")
        self._filter = SpanFilter(config.filter_policies)
        self._longest_ns = round(config.max_span_duration * 1e9)
        self._otelcol = OtelcolMetrics(config, settings, self._sanitized) if config.otelcol else None
        self._tempo = TempoMetrics(config, settings, self._sanitized) if config.tempo else None
        self._flavours = [flavour for flavour in (self._otelcol, self._tempo) if flavour is not None]
        self._by_slack: dict[float, list[Flavour]] = {}
        for flavour in self._flavours:
            self._by_slack.setdefault(_slack_s(config, flavour), []).append(flavour)
        reads = (*READS, *self._filter.reads, *(column for flavour in self._flavours for column in flavour.reads))
        self.reads = tuple(dict.fromkeys(reads))
        self.metrics_flush_interval_s = config.metrics_flush_interval
        self.pushes_deltas = config.aggregation_temporality == configuration.DELTA
        expires_s = config.series_expiration or (STALE_S if config.tempo and config.series_expiration is None else 0.0)
        self.tick_interval_s = min(60.0, expires_s / 4) if expires_s else None

    def start(self) -> None:
        """Look through what a checkpoint brought back."""
        for flavour in self._flavours:
            if flavour.zero_errors is not None:
                flavour.zero_errors.adopt()

    def process_traces(self, spans: SpanBatch) -> SpanBatch:
        """Measure; the batch goes on as it came."""
        eligible = self._eligible(spans)
        if len(eligible):
            self._measure(eligible)
        return spans

    def tick(self, now_unix_nano: int) -> None:  # noqa: ARG002 - idleness is monotonic
        """Keep the error counters at 0 as long as their twins."""
        for flavour in self._flavours:
            if flavour.zero_errors is not None:
                flavour.zero_errors.keep_alive()

    def snapshot(self) -> bytes:
        """The names of open labels."""
        state: dict[str, Any] = {"labels": [flavour.labels.state() for flavour in self._flavours]}
        if self._tempo is not None and self._tempo.target_info is not None:
            state["target_info"] = self._tempo.target_info.state()
        return json.dumps(state).encode()

    def restore(self, state: bytes) -> None:
        """Take up names of open labels."""
        names: dict[str, Any] = json.loads(state)
        for flavour, labels in zip(self._flavours, names["labels"], strict=True):
            flavour.labels.restore(labels)
        if self._tempo is not None and self._tempo.target_info is not None:
            self._tempo.target_info.restore(names["target_info"])

    def _eligible(self, spans: SpanBatch) -> SpanBatch:
        """The spans that metrics are made of."""
        if not self._filter:
            return spans
        passed = self._filter.mask(spans)
        kept = spans.where(passed)
        if len(kept) < len(spans):
            self._discarded("span_metrics_filtered", len(spans) - len(kept))
        return kept

    def _measure(self, spans: SpanBatch) -> None:
        nameless = nameless_resources(spans)
        if nameless is not None:
            affected = nameless[spans.resource_rows]
            number = int(np.count_nonzero(affected))
            if self._config.skip_resources_without_service_name:
                self._discarded("no_service", number)
                spans = spans.where(~affected)
                if not len(spans):
                    return
            elif number:
                self._sanitized("no_service", number)
                spans = without_service_name(spans, nameless)
        now = self._clock.unix_nano()
        spans = with_span_names(spans)
        measured = durations(spans, self._longest_ns, now, self._sanitized)
        for slack_s, flavours in self._by_slack.items():
            kept, durations_kept = self._within_slack(spans, measured, now, slack_s)
            for flavour in flavours if len(kept) else ():
                flavour.observe(kept, durations_kept)

    def _within_slack(
        self, spans: SpanBatch, measured: Durations, now: int, slack_s: float
    ) -> tuple[SpanBatch, Durations]:
        """The spans that ended within the slack, if there is one."""
        inside = within(spans, now, slack_s) if slack_s else None
        if inside is None or inside.all():
            return spans, measured
        self._discarded(OUTSIDE_SLACK, int(np.count_nonzero(~inside)))
        return spans.where(inside), measured.where(inside)


def _slack_s(config: configuration.Config, flavour: Flavour) -> float:
    """The ingestion slack of a flavour; 0: none."""
    if config.ingestion_time_range_slack is not None:
        return config.ingestion_time_range_slack
    return LATE_S if isinstance(flavour, TempoMetrics) else 0.0


def _count(settings: Settings, name: str, reason: str, number: int) -> None:
    if number:
        settings.telemetry.count(name, number, reason=reason)
