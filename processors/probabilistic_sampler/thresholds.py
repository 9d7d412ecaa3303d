"""From shares to thresholds, to the last bit as the Collector computes them: a fleet must decide alike.

Source: opentelemetry-collector-contrib, ``pkg/sampling`` and ``probabilisticsamplerprocessor``, v0.145.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from processors.probabilistic_sampler.config import Config
from processors.tracestate import DIGITS, ONE

NEVER = ONE
"""Above all randomness."""
ALWAYS = 0

_HASH_BUCKETS = 1 << 14
_BITS_PER_DIGIT = 4
_EXACT = 1 << 52
"""Doubles from here on are whole numbers."""


def threshold_of(share: float, precision: int) -> int | None:
    """The threshold for a share of items.

    Args:
        share: Of what passes.
        precision: Hexadecimal digits; leading digits that are all 0 or all f do not count.
    Returns:
        0 … 2^56; None where the share is not in [2^-56, 1].

    >>> [f"{threshold_of(share, 4):014x}" for share in (0.25, 1 / 3, 0.001)]
    ['c0000000000000', 'aaab0000000000', 'ffbe7700000000']
    """
    if not 1 / ONE <= share <= 1:
        return None
    if share == 1:
        return ALWAYS
    zeros = (max(0, -math.frexp(one)[1]) // _BITS_PER_DIGIT for one in (share, 1 - share))
    digits = min(DIGITS, precision + max(zeros))
    exact = share * ONE
    threshold = ONE - (int(exact) if exact >= _EXACT else math.floor(exact + 0.5))
    shift = _BITS_PER_DIGIT * (DIGITS - digits)
    return threshold if not shift else (threshold + (1 << shift - 1)) >> shift << shift


def hash_threshold(percentage: float) -> int:
    """The threshold of mode ``hash_seed``, which looks at 14 bits. Numbers of 32 bits, cut off, as there."""
    kept = int(np.float32(percentage) * np.float32(_HASH_BUCKETS / 100))
    return (_HASH_BUCKETS - kept) << 42


def decider(config: Config) -> Callable[[int | None], int]:
    """The threshold for items of which is known with what threshold they were kept before, if with any."""
    if not config.ratio:
        return lambda _: NEVER
    match config.mode:
        case "equalizing":
            own = threshold_of(config.ratio, config.sampling_precision)
            assert own is not None  # noqa: S101 - the configuration was checked
            return lambda incoming: own if incoming is None else max(own, incoming)
        case "proportional":
            return lambda incoming: _proportional(config, incoming)
    hashed = hash_threshold(config.percentage)
    return lambda _: hashed


def _proportional(config: Config, incoming: int | None) -> int:
    before = 1.0 if incoming is None else float(ONE - incoming) / ONE
    threshold = threshold_of(before * config.ratio, config.sampling_precision)
    return NEVER if threshold is None else threshold
