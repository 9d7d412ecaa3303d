"""Which items are kept, and with which threshold: one rule for spans and log records.

::

    randomness R ──────────────┐
    said before (th, rv) ──────┼─▶ T ≤ R: kept, and T is written into the item
    configuration, priority ───┘

What items said before is looked at once per distinct text; everything else is columns.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from pipeline.model.column import Bools, Int32s
from pipeline.model.records import Words
from processors.probabilistic_sampler.config import Config
from processors.probabilistic_sampler.thresholds import ALWAYS, NEVER, decider
from processors.tracestate import ONE, TraceState

MISSING, TRACE_ID_HASH, TRACE_ID_W3C, RANDOMNESS, PRIORITY, ATTRIBUTE = range(6)
"""Policies: what a decision is based on."""
POLICIES = ("missing_randomness", "trace_id_hash", "trace_id_w3c", "sampling_randomness", "sampling_priority")
"""Their names in metrics; ``ATTRIBUTE`` has the attribute's name."""

Policies = npt.NDArray[np.signedinteger[Any]]

NOTHING = TraceState()
_LARGEST = ONE - 1


class Randomness(NamedTuple):
    """Where there is no ``rv``: uint64[n] of 56 bits, and int8[n] the policy."""

    values: Words
    policy: Policies


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
    policy: Policies
    writes: Bools
    threshold: Words
    errors: dict[str, int]


class _Said:
    """What is carried, per item."""

    def __init__(self, carried: Carried, threshold: Callable[[int | None], int]) -> None:
        states = [*carried.states, NOTHING]  # code -1 takes the last
        codes = carried.codes

        def words(values: Iterable[int]) -> Words:
            return np.fromiter(values, np.uint64, len(states))[codes]

        def bools(values: Iterable[bool]) -> Bools:
            return np.fromiter(values, np.bool_, len(states))[codes]

        self.is_valid = bools(state.is_valid for state in states)
        self.before = words(state.threshold or 0 for state in states)
        self.has_before = bools(state.threshold is not None for state in states)
        self.randomness = words(state.randomness or 0 for state in states)
        self.has_randomness = bools(state.randomness is not None for state in states)
        self.threshold = words(threshold(state.threshold) for state in states)
        """The one that the configuration asks for."""


class Sampler:
    """Decides for one configuration."""

    def __init__(self, config: Config) -> None:
        self._threshold = decider(config)
        self._on_error = np.uint64(NEVER if config.fail_closed else ALWAYS)
        self._is_never = self._threshold(None) == NEVER
        self.hashes = config.mode == "hash_seed" and not self._is_never

    def decide(self, found: Randomness, carried: Carried, forced: Forced | None) -> Decision:
        """See the module. Cost: some ten passes over columns, and one decision per distinct state."""
        said = _Said(carried, self._threshold)
        values, policy = self._randomness(found, said)
        contradicts = said.has_before & (said.before > values) & (policy != MISSING)
        is_marked = said.is_valid & (said.has_before | said.has_randomness)
        errors = {
            "tracestate or sampling attributes are malformed": ~said.is_valid,
            "there is no trace id or attribute to take randomness from": (policy == MISSING) & said.is_valid,
            **(
                {"a sampler before this one left its mark; use mode proportional or equalizing": is_marked}
                if self.hashes
                else {
                    "the threshold of a sampler before this one contradicts the randomness": contradicts & said.is_valid
                }
            ),
        }
        threshold = np.where(np.logical_or.reduce(list(errors.values())), self._on_error, said.threshold)
        if forced is not None:
            threshold = np.where(forced.mask, forced.thresholds, threshold)
            policy = np.where(forced.mask, PRIORITY, policy)
        kept = threshold <= values
        stays = said.has_before & ~contradicts
        final = np.where(stays, np.maximum(said.before, threshold), threshold)  # a share can only become smaller
        can_write = said.is_valid & ~is_marked if self.hashes else said.is_valid
        writes = kept & can_write & ~(stays & (final == said.before))
        counted = {reason: int(which.sum()) for reason, which in errors.items() if which.any()}
        return Decision(kept, policy, writes, final, counted)

    def _randomness(self, found: Randomness, said: _Said) -> Randomness:
        """What decides: what an item carries, unless the mode has its own rule; the largest where it is missing."""
        values, policy = found
        if self._is_never:
            policy = np.full(len(values), PRIORITY, np.int8)
        elif not self.hashes:
            policy = np.where(said.has_randomness, RANDOMNESS, policy)
            policy = np.where(said.is_valid, policy, MISSING)
            values = np.where(said.has_randomness, said.randomness, values)
        return Randomness(np.where((policy == MISSING) | self._is_never, np.uint64(_LARGEST), values), policy)
