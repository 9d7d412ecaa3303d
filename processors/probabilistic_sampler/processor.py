"""ProbabilisticSampler: spans and log records → those that are kept, with the threshold that kept them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from pipeline.api import LogBatch, Processor, Settings, SpanBatch
from pipeline.model.attribute_text import value_text
from pipeline.model.column import Int32s
from processors import tracestate
from processors.probabilistic_sampler import randomness
from processors.probabilistic_sampler.config import Config as SamplerConfig
from processors.probabilistic_sampler.decision import (
    ATTRIBUTE,
    MISSING,
    POLICIES,
    TRACE_ID_HASH,
    TRACE_ID_W3C,
    Carried,
    Decision,
    Forced,
    Randomness,
    Sampler,
)
from processors.probabilistic_sampler.priority import log_priorities, span_priorities
from processors.tracestate import TraceState, randomness_text, threshold_text

COUNT = "otelcol_processor_probabilistic_sampler_count_{}_sampled"
"""As in the Collector."""
STATE, SPAN_PRIORITY = "trace_state", "span.sampling.priority"
LOG_THRESHOLD, LOG_RANDOMNESS = "log.sampling.threshold", "log.sampling.randomness"


class ProbabilisticSampler(Processor):
    """Keeps a share. It has no state: what becomes of an item follows from the item and the configuration alone."""

    Config = SamplerConfig
    adds = (STATE, LOG_THRESHOLD, LOG_RANDOMNESS)
    keyed_by = ("trace_id",)

    def __init__(self, config: SamplerConfig, settings: Settings) -> None:
        self._config = config
        self._sampler = Sampler(config)
        self._telemetry = settings.telemetry
        self._attribute = f"log.{config.from_attribute}" if config.from_attribute else ""
        self._priority = f"log.{config.sampling_priority}" if config.sampling_priority else ""
        optional = [column for column in (self._attribute, self._priority) if column]
        self.reads = ("trace_id", STATE, SPAN_PRIORITY, LOG_THRESHOLD, LOG_RANDOMNESS, *optional)

    def start(self) -> None:
        """Tell of keys that are without effect."""
        if self._attribute and not self._sampler.hashes:
            self._telemetry.logger.warning("from_attribute has no effect but in mode hash_seed")

    def process_traces(self, spans: SpanBatch) -> SpanBatch:
        """The spans that are kept, thresholds in their tracestate."""
        codes, states = _none(len(spans)), []
        if spans.present(STATE).any():
            codes, texts = spans.distinct(STATE)
            states = [tracestate.parse(text) for text in texts]
        carried = Carried(codes, states)
        found = self._of_trace_ids(spans["trace_id"])
        forced = None
        if spans.present(SPAN_PRIORITY).any():
            forced = span_priorities(*spans.distinct(SPAN_PRIORITY))
        decision = self._decide("traces", found, carried, forced)
        kept = spans.where(decision.kept)
        rows = np.flatnonzero(decision.writes)
        if not len(rows):
            return kept
        columns = [carried.codes[rows], decision.threshold[rows]]
        if self._sampler.hashes:
            columns.append(found.values[rows])
        written, texts = _tracestates([*states, TraceState()], columns)
        changes = _none(len(spans))
        changes[rows] = written
        editor = kept.edit()
        editor.set_codes(STATE, changes[decision.kept], texts)
        return editor.done()

    def process_logs(self, logs: LogBatch) -> LogBatch:
        """The log records that are kept, thresholds in their attributes."""
        carried = _carried_by(logs)
        found = self._of_logs(logs)
        forced = None
        if self._priority and logs.present(self._priority).any():
            forced = log_priorities(*logs.distinct(self._priority), self._config.sampling_precision)
        decision = self._decide("logs", found, carried, forced)
        kept, writes = logs.where(decision.kept), decision.writes[decision.kept]
        if not writes.any():
            return kept
        editor = kept.edit()
        values, codes = np.unique(decision.threshold[decision.kept], return_inverse=True)
        editor.set_codes(LOG_THRESHOLD, codes.astype(np.int32), [*map(threshold_text, values.tolist())], writes)
        if self._sampler.hashes:
            values, codes = np.unique(found.values[decision.kept], return_inverse=True)
            has_one = writes & (found.policy != MISSING)[decision.kept]
            editor.set_codes(LOG_RANDOMNESS, codes.astype(np.int32), [*map(randomness_text, values.tolist())], has_one)
        return editor.done()

    def _decide(self, signal: str, found: Randomness, carried: Carried, forced: Forced | None) -> Decision:
        decision = self._sampler.decide(found, carried, forced)
        names = (*POLICIES, self._config.from_attribute)
        counts = np.bincount(decision.policy * 2 + decision.kept, minlength=2 * len(names)).tolist()
        for number, count in enumerate(counts):
            if count:
                sampled = "true" if number % 2 else "false"
                self._telemetry.count(COUNT.format(signal), count, policy=names[number // 2], sampled=sampled)
        fate = "dropped" if self._config.fail_closed else "kept"
        for reason, items in decision.errors.items():
            self._telemetry.logger.limited(reason, f"{reason}; such items are {fate}", signal=signal, items=items)
        return decision

    def _of_trace_ids(self, trace_ids: Any) -> Randomness:
        hashes = self._sampler.hashes
        values = (
            randomness.of_hashes(trace_ids, self._config.hash_seed) if hashes else randomness.of_trace_ids(trace_ids)
        )
        policy = np.where(trace_ids.any(axis=1), TRACE_ID_HASH if hashes else TRACE_ID_W3C, MISSING)
        return Randomness(values, policy.astype(np.int8))

    def _of_logs(self, logs: LogBatch) -> Randomness:
        found = self._of_trace_ids(logs["trace_id"])
        if not self._sampler.hashes:
            return found
        if self._config.attribute_source == "record":
            found.policy[:] = MISSING
        if not self._attribute:
            return found
        codes, values = logs.distinct(self._attribute)
        bodies = [value if isinstance(value, bytes) else value_text(value).encode() for value in values]
        table = np.array([*(self._hash(body) for body in bodies), 0], np.uint64)
        usable = (found.policy == MISSING) & np.array([*map(bool, bodies), False])[codes]
        policy = np.where(usable, ATTRIBUTE, found.policy).astype(np.int8)
        return Randomness(np.where(usable, table[codes], found.values), policy)

    def _hash(self, body: bytes) -> int:
        text = np.frombuffer(body, np.uint8).reshape(1, -1)
        return int(randomness.of_hashes(text, self._config.hash_seed)[0])


def _none(n: int) -> Int32s:
    return np.full(n, -1, np.int32)


def _tracestates(states: Sequence[TraceState], columns: Sequence[Any]) -> tuple[Int32s, list[str]]:
    """The tracestates to write, as codes and texts. ``columns``: code of what the span had, threshold, and, where it is
    to be written too, randomness.
    """
    _, first, codes = np.unique(_joined(columns), return_index=True, return_inverse=True)
    texts = []
    for code, threshold, *marks in zip(*(column[first].tolist() for column in columns), strict=True):
        state = states[code]._replace(threshold=threshold)
        texts.append((state._replace(randomness=marks[0]) if marks else state).text())
    return codes.astype(np.int32), texts


def _joined(columns: Sequence[Any]) -> Any:
    """int64[n], equal where all columns are."""
    joined = np.zeros(len(columns[0]), np.int64)
    for column in columns:
        values, codes = np.unique(column, return_inverse=True)
        joined = joined * len(values) + codes
    return joined


def _carried_by(logs: LogBatch) -> Carried:
    """What log records say in their attributes; only texts that are not empty say something."""
    columns = (LOG_THRESHOLD, LOG_RANDOMNESS)
    if not any(logs.present(column).any() for column in columns):
        return Carried(_none(len(logs)), [])
    (th_codes, th_values), (rv_codes, rv_values) = (logs.distinct(column) for column in columns)
    _, first, codes = np.unique(_joined([th_codes, rv_codes]), return_index=True, return_inverse=True)
    states = []
    for row in first.tolist():
        th, rv = (
            values[codes_[row]] if codes_[row] >= 0 and isinstance(values[codes_[row]], str) else ""
            for codes_, values in ((th_codes, th_values), (rv_codes, rv_values))
        )
        threshold, found = tracestate.parse_threshold(th), tracestate.parse_randomness(rv)
        is_valid = not (th and threshold is None) and not (rv and found is None)
        states.append(TraceState(threshold, found, is_valid))
    return Carried(codes.astype(np.int32), states)
