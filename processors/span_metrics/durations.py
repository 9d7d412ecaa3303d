"""Durations of spans whose clocks may be anything.

| span | calls | duration | counted as |
|---|---|---|---|
| end before start | yes | 0, as the Collector does | ``negative_duration`` |
| start or end missing (0) | yes | not observed: it would be 56 years | ``missing_time`` |
| longer than ``max_span_duration`` | yes | not observed: one of them would spoil the sum for ever |
``duration_range`` |

Spans that ended long ago, or end in the future, count like any other where no slack is configured, under reasons of
their own (``late``, ``in_future``): their interval is over, but the totals are right.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from pipeline.api import SpanBatch
from pipeline.model import scan
from pipeline.model.records import Level

UInt64s = npt.NDArray[np.uint64]
Bools = npt.NDArray[np.bool_]
Count = Callable[[str, int], None]
"""Takes a reason and a number of spans."""

LATE_S = 30.0
"""From where on a span is reported as late or from the future: Tempo's default
``metrics_ingestion_time_range_slack``."""


class Durations(NamedTuple):
    """Durations of n spans.

    Attributes:
        nanos: uint64[n]; meaningless where not observed.
        observed: bool[n], spans that have a credible duration; None: all.
    """

    nanos: UInt64s
    observed: Bools | None

    def where(self, mask: Bools) -> Durations:
        """Those of some of the spans."""
        return Durations(self.nanos[mask], None if self.observed is None else self.observed[mask])


def durations(spans: SpanBatch, longest_ns: int, now_unix_nano: int, count: Count) -> Durations:
    """Durations, and the reasons of what was repaired or remarked on. Cost where nothing was: one look
    at each."""
    nanos, first_end, last_end, longest = _differences(spans)
    earliest, latest = window(now_unix_nano, LATE_S)
    if first_end > 0 and last_end < earliest:  # a replay: no need to look at each
        count("late", len(spans))
    elif first_end < earliest or last_end > latest:
        _count_late(spans["end_time_unix_nano"], earliest, latest, count)
    # If no end is within the limit of 1970, a difference within the limit has not wrapped, and no start is 0.
    if first_end > longest_ns and longest <= longest_ns:
        return Durations(nanos, None)
    return _repaired(spans["start_time_unix_nano"], spans["end_time_unix_nano"], nanos, longest_ns, count)


def _differences(spans: SpanBatch) -> tuple[UInt64s, int, int, int]:
    """uint64[n], end minus start, which wraps around where end precedes start; the first end, the last, the longest."""
    records = spans.records
    start, end = (spans.projection.field(column) for column in ("start_time_unix_nano", "end_time_unix_nano"))
    if start is None or end is None:
        raise KeyError("start_time_unix_nano and end_time_unix_nano have to be declared in `reads`")
    nanos = np.empty(len(spans), np.uint64)
    first, width = records.first[Level.ITEM], records.width[Level.ITEM]
    ends = scan.differences(records.words, first, width, start.word, end.word, spans.rows, len(spans), nanos)
    return nanos, *ends


def _repaired(start: UInt64s, end: UInt64s, nanos: UInt64s, longest_ns: int, count: Count) -> Durations:
    missing = (start == 0) | (end == 0)
    negative = ~missing & (end < start)
    nanos[negative] = 0
    too_long = ~missing & (nanos > longest_ns)
    for reason, mask in (("missing_time", missing), ("negative_duration", negative), ("duration_range", too_long)):
        count(reason, int(np.count_nonzero(mask)))
    unobserved = missing | too_long
    return Durations(nanos, ~unobserved if unobserved.any() else None)


def _count_late(end: UInt64s, earliest: int, latest: int, count: Count) -> None:
    # An end of 0 is no late end but a missing one.
    count("late", int(np.count_nonzero(end < earliest) - np.count_nonzero(end == 0)))
    count("in_future", int(np.count_nonzero(end > latest)))


def within(spans: SpanBatch, now_unix_nano: int, slack_s: float) -> Bools:
    """bool[n], spans that ended within the slack of now (Tempo's ingestion slack, both ways)."""
    end = spans["end_time_unix_nano"]
    earliest, latest = window(now_unix_nano, slack_s)
    inside: Bools = (end >= earliest) & (end <= latest)
    return inside


def window(now_unix_nano: int, slack_s: float) -> tuple[int, int]:
    """First and last end time within the slack of now."""
    slack = round(slack_s * 1e9)
    return max(now_unix_nano - slack, 0), min(now_unix_nano + slack, (1 << 64) - 1)
