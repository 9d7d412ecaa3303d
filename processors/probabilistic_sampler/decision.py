"""Which items are kept, and with which threshold: one rule for spans and log records.

::

    randomness R ──────────────┐
    said before (th, rv) ──────┼─▶ T ≤ R: kept, and T is written into the item
    configuration, priority ───┘

What items said before is looked at once per distinct text; everything else is columns.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from pipeline.model.column import Bools, Int32s
from pipeline.model.records import Words
from processors.probabilistic_sampler.config import Config
from processors.probabilistic_sampler.thresholds import ALWAYS, NEVER, decider
from processors.tracestate import ONE, TraceState

MISSING, TRACE_ID_HASH, TRACE_ID_W3C, RANDOMNESS, PRIORITY, ATTRIBUTE = range(6)
"""Policies: what a decision is based on."""
POLICIES = ("missing_randomness", "trace_id_hash", "trace_id_w3c", "sampling_randomness", "sampling_priority")
"""Their names in metrics; ``ATTRIBUTE`` has the attribute's name."""

NOTHING = TraceState()
_LARGEST = ONE - 1


class Randomness(NamedTuple):
    """Where there is no ``rv``: uint64[n] of 56 bits, and int8[n] the policy."""

    values: Words
    policy: np.ndarray


class Carried(NamedTuple):
    """What items carry: int32[n] codes, -1 for nothing, and what each code says."""

    codes: Int32s
    states: Sequence[TraceState]


class Forced(NamedTuple):
    """Items whose threshold is decided by their priority: bool[n], and uint64[n] thresholds."""

    mask: Bools
    thresholds: Words


class Decision(NamedTuple):
    """What becomes of n items.

    Attributes:
        kept: bool[n].
        policy: int8[n].
        writes: bool[n], kept items in which ``threshold`` is to be written.
        threshold: uint64[n].
        errors: Message → number of items that were kept or dropped because of it.
    """

    kept: Bools
    policy: np.ndarray
    writes: Bools
    threshold: Words
    errors: dict[str, int]


class Sampler:
    """Decides for one configuration."""

    def __init__(self, config: Config) -> None:
        self._threshold = decider(config)
        self._on_error = NEVER if config.fail_closed else ALWAYS
        self._is_never = self._threshold(None) == NEVER
        self.hashes = config.mode == "hash_seed" and not self._is_never

    def decide(self, found: Randomness, carried: Carried, forced: Forced | None) -> Decision:
        """See the module. Cost: some ten passes over columns, and one decision per distinct state."""
        states = [*carried.states, NOTHING]  # code -1 takes the last
        codes = carried.codes
        is_valid = np.array([state.is_valid for state in states])[codes]
        before = np.array([state.threshold or 0 for state in states], np.uint64)[codes]
        has_before = np.array([state.threshold is not None for state in states])[codes]
        rv = np.array([state.randomness or 0 for state in states], np.uint64)[codes]
        has_rv = np.array([state.randomness is not None for state in states])[codes]
        own = np.array([self._threshold(state.threshold) for state in states], np.uint64)[codes]

        values, policy = found
        can_write = is_valid
        if self._is_never:
            policy = np.full(len(codes), PRIORITY, np.int8)
        elif self.hashes:
            can_write = is_valid & ~has_rv & ~has_before
        else:
            policy = np.where(has_rv, RANDOMNESS, policy)
            policy = np.where(is_valid, policy, MISSING)
            values = np.where(has_rv, rv, values)
        missing = policy == MISSING
        values = np.where(missing | self._is_never, np.uint64(_LARGEST), values)
        contradicts = has_before & (before > values) & ~missing
        errors = {
            "tracestate or sampling attributes are malformed": ~is_valid,
            "there is no trace id or attribute to take randomness from": missing & is_valid,
        }
        if self.hashes:
            errors["a sampler before this one left its mark; use mode proportional or equalizing"] = (
                is_valid & ~can_write
            )
        else:
            errors["the threshold of a sampler before this one contradicts the randomness"] = contradicts & is_valid
        failed = np.logical_or.reduce(list(errors.values()))
        threshold = np.where(failed, np.uint64(self._on_error), own)
        if forced is not None:
            threshold = np.where(forced.mask, forced.thresholds, threshold)
            policy = np.where(forced.mask, PRIORITY, policy)
        kept = threshold <= values
        stays = has_before & ~contradicts  # probability can only fall
        final = np.where(stays, np.maximum(before, threshold), threshold)
        writes = kept & can_write & ~(stays & (final == before))
        counted = {reason: int(which.sum()) for reason, which in errors.items() if which.any()}
        return Decision(kept, policy, writes, final, counted)
