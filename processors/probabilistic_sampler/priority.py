"""Priorities: attributes by which an item asks for a decision of its own.

Spans and log records differ, as in the Collector: the attribute ``sampling.priority`` of a span is OpenTracing's, 0 for
"drop" and more for "keep"; the attribute of a log record, whose name is configured, is a percentage. A percentage that
is 0, above 100 or no number says nothing: that is what the Collector does, other than its page says.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from pipeline.model.column import Int32s
from processors.probabilistic_sampler.decision import Forced
from processors.probabilistic_sampler.thresholds import ALWAYS, NEVER, threshold_of


def span_priorities(codes: Int32s, values: Sequence[Any]) -> Forced:
    """Of spans, by the codes and values of their attribute."""
    return _forced(codes, values, _span_threshold)


def log_priorities(codes: Int32s, values: Sequence[Any], precision: int) -> Forced:
    """Of log records."""
    return _forced(codes, values, lambda value: threshold_of(value / 100, precision) if _is_number(value) else None)


def _forced(codes: Int32s, values: Sequence[Any], decide: Callable[[Any], int | None]) -> Forced:
    thresholds = [*map(decide, values), None]
    mask = np.array([threshold is not None for threshold in thresholds])
    return Forced(mask[codes], np.array([threshold or 0 for threshold in thresholds], np.uint64)[codes])


def _span_threshold(value: Any) -> int | None:
    if isinstance(value, str):
        try:
            value = float(value) if value == value.strip() else None
        except ValueError:
            return None
    if not _is_number(value) or not value >= 0:
        return None
    return ALWAYS if value else NEVER


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)
