"""What the filter does to a batch, step by step; each step drops what it is about.

A step of conditions takes them in order and asks each only about what is left, so that a condition that cannot be
evaluated for an item does not matter where an earlier one has dropped it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Protocol

import numpy as np

from pipeline.api import SpanBatch
from pipeline.model.batch import Batch
from pipeline.model.column import Bools
from pipeline.ottl import Condition, Tables, Truth, compile_condition
from processors.matching import MatchConfig, Matcher

OnFailure = Callable[[Condition, int, str], None]
"""Takes the condition, the number of rows that it could not be evaluated for, and a reason. Raises to refuse."""


class Step(Protocol):
    """A step.

    Attributes:
        reads: Columns needed.
        warnings: What is odd about its configuration.
    """

    reads: tuple[str, ...]
    warnings: tuple[str, ...]

    def apply(self, batch: Batch, now_unix_nano: int) -> Batch:
        """What goes on; may be empty."""


class DropIfAny:
    """Drop what any condition is true of.

    Args:
        context: What the conditions are about; ``spanevent`` takes events out of spans, all others drop items.
    """

    def __init__(self, context: str, texts: Sequence[str], on_failure: OnFailure) -> None:
        self._conditions = [compile_condition(text, context) for text in texts]
        self._is_about_events = context == "spanevent"
        self._on_failure = on_failure
        self.reads = tuple(dict.fromkeys(column for one in self._conditions for column in one.reads))
        self.warnings = tuple(warning for one in self._conditions for warning in one.warnings)

    def apply(self, batch: Any, now_unix_nano: int) -> Any:
        """The batch without what is dropped."""
        tables = Tables(batch, now_unix_nano)
        if self._is_about_events:
            assert isinstance(batch, SpanBatch)  # noqa: S101 - the configuration has events for traces alone
            return batch.without_events(self._dropped(lambda one: one.evaluate(tables)))
        dropped = self._dropped(lambda one: one.of_items(tables))
        return batch.where(~dropped) if np.count_nonzero(dropped) else batch

    def _dropped(self, evaluate: Callable[[Condition], Truth]) -> Bools:
        """bool[rows]"""
        dropped: Bools | None = None
        for condition in self._conditions:
            truth = evaluate(condition)
            if truth.failed is not None:
                failed = truth.failed if dropped is None else truth.failed & ~dropped
                if failed.any():
                    self._on_failure(condition, int(failed.sum()), truth.reason)
            dropped = truth.hits if dropped is None else dropped | truth.hits
            if np.count_nonzero(dropped) == len(dropped):
                break
        return np.zeros(0, bool) if dropped is None else dropped


class KeepMatching:
    """Drop what ``include`` leaves out and what ``exclude`` names."""

    warnings: tuple[str, ...] = ()

    def __init__(self, config: MatchConfig) -> None:
        self._matcher = Matcher(config)
        self.reads = self._matcher.reads

    def apply(self, batch: Any, now_unix_nano: int) -> Any:  # noqa: ARG002 - as all steps
        """The batch without what is dropped."""
        kept = self._matcher.mask(batch)
        return batch if kept is None else batch.where(kept)
