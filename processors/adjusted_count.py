"""How many spans a sampled span stands for, as a whole number.

Two sources, the first that says something wins:

1. W3C tracestate, ``ot=th:<hex>`` (OTEP 235): the span was kept because its 56 bits of randomness were not below the
   threshold T, so it stands for 2^56 / (2^56 - T) spans.
2. An attribute that holds the sampling ratio r in (0, 1] (Tempo's ``span_multiplier_key``), on the span or on its
   resource: 1 / r spans.

Counters and buckets are whole numbers here, so a fraction is rounded at random, up with the probability of the
fraction: no bias in the long run. The Collector throws dice for that; here the "dice" are a function of the trace
alone, therefore

* splitting, reordering or replaying batches gives the same numbers, on every replica, and
* all spans of one trace get the same count, so the two ends of an edge agree.

With ``rv`` (explicit randomness) in the tracestate the place of rv in [T, 2^56) decides, without it a hash of the trace
id. Comparing rv itself with the fraction would be biased, for a span that was kept never has an rv below T: at T = 0.6
each span would count 2 instead of 2.5 on average.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from pipeline.api import SpanBatch
from pipeline.model import scan
from processors import tracestate
from processors.tracestate import ONE


class Threshold(NamedTuple):
    """What a tracestate says about sampling."""

    threshold: int
    randomness: int | None = None

    def stands_for(self) -> tuple[int, float]:
        """The whole part of the adjusted count, and the probability that one is added; 0.0 or 1.0 where rv decides."""
        kept = ONE - self.threshold
        whole, rest = divmod(ONE, kept)
        if self.randomness is None or self.randomness < self.threshold:
            return whole, rest / kept
        return whole, float(self.randomness - self.threshold < rest)


def parse_tracestate(text: str) -> Threshold | None:
    """The sampling threshold in a W3C tracestate; None where there is none or it is malformed. A bad rv is ignored.

    >>> parse_tracestate("vendor=x, ot=th:8")
    Threshold(threshold=36028797018963968, randomness=None)
    """
    state = tracestate.parse(text)
    return None if state.threshold is None else Threshold(state.threshold, state.randomness)


class Adjusted(NamedTuple):
    """Adjusted counts of a batch.

    Attributes:
        counts: float64[n], whole numbers of at least 1.
        adjusted: bool[n], the span said how it was sampled (even if the count is 1).
    """

    counts: npt.NDArray[np.float64]
    adjusted: npt.NDArray[np.bool_]


class AdjustedCount:
    """Reads adjusted counts from spans.

    Args:
        tracestate: Look at ``ot=th:``.
        ratio_key: Attribute that holds the ratio, "" for none. The span's value comes before the resource's. A value
            that is not a number in (0, 1] says nothing.
    """

    def __init__(self, *, tracestate: bool = True, ratio_key: str = "") -> None:
        ratios = (f"span.{ratio_key}", f"resource.{ratio_key}") if ratio_key else ()
        self._sources = (*(("trace_state",) if tracestate else ()), *ratios)
        self.reads = (*self._sources, "trace_id") if self._sources else ()

    def of(self, spans: SpanBatch) -> Adjusted | None:
        """The adjusted counts, or None where every span stands for itself."""
        sources = [column for column in self._sources if _has_any(spans, column)]
        if not sources:
            return None
        n = len(spans)
        whole, chance = np.ones(n), np.zeros(n)
        adjusted = np.zeros(n, bool)
        for column in sources:
            if column == "trace_state":
                _from_tracestate(spans, whole, chance, adjusted)
            else:
                _from_ratio(spans, column, whole, chance, adjusted)
        if not adjusted.any():
            return None
        if chance.any():
            whole += _uniform(spans) < chance
        return Adjusted(whole, adjusted)


def _has_any(spans: SpanBatch, column: str) -> bool:
    """Whether any row of the batch's records has the column."""
    field = spans.projection.field(column)
    if field is None:
        return True
    records, level = spans.records, field.level
    first = records.first[level] + field.word
    return scan.any_set(records.words, first, records.width[level], records.count[level])


def _from_tracestate(
    spans: SpanBatch, whole: npt.NDArray[np.float64], chance: npt.NDArray[np.float64], adjusted: npt.NDArray[np.bool_]
) -> None:
    column = spans["trace_state"]
    parsed = [parse_tracestate(value) for value in column.values]
    if not any(parsed):
        return
    counts = [threshold.stands_for() if threshold else (1, 0.0) for threshold in parsed]
    counts.append((1, 0.0))  # code -1: no tracestate
    table = np.array(counts, np.float64)
    whole[:] = table[column.codes, 0]
    chance[:] = table[column.codes, 1]
    adjusted[:] = np.array([threshold is not None for threshold in parsed] + [False])[column.codes]


def _from_ratio(
    spans: SpanBatch,
    column: str,
    whole: npt.NDArray[np.float64],
    chance: npt.NDArray[np.float64],
    adjusted: npt.NDArray[np.bool_],
) -> None:
    ratio, valid = spans[column].float64()
    usable = valid & (ratio >= 1 / ONE) & (ratio <= 1) & ~adjusted
    if not usable.any():
        return
    chance[usable], whole[usable] = np.modf(1 / ratio[usable])
    adjusted |= usable


def _uniform(spans: SpanBatch) -> npt.NDArray[np.float64]:
    """float64[n] in [0, 1), equal within a trace: the finaliser of SplitMix64 over the two halves of the trace id."""
    halves = np.ascontiguousarray(spans["trace_id"]).view("<u8")
    mixed = halves[:, 0] * np.uint64(0x9E3779B97F4A7C15) ^ halves[:, 1]
    mixed = (mixed ^ (mixed >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    mixed = (mixed ^ (mixed >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    mixed ^= mixed >> np.uint64(31)
    uniform: npt.NDArray[np.float64] = (mixed >> np.uint64(11)) * 2.0**-53
    return uniform
