"""The sums of a tick's spans against dictionaries, compiled and uncompiled."""

from __future__ import annotations

import math
from collections import defaultdict
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from processors.anomaly import span_sums, span_words
from processors.anomaly.span_join import DUPLICATE, WORDS
from tests.kernels import uncompiled

MODULES = {"compiled": span_sums, "uncompiled": uncompiled("processors.anomaly.span_sums")}
SPLITS = {"compiled": span_words, "uncompiled": uncompiled("processors.anomaly.span_words")}
OPERATIONS = 12
SERVICE_OF = (np.arange(OPERATIONS) // 3).astype(np.int32)
INTERNAL, SERVER, CLIENT, PRODUCER, CONSUMER = range(1, 6)


def drawn(seed: int, n: int = 300) -> tuple[Any, ...]:
    """Spans as ``join`` leaves them: some twice, some failed, some with a callee that waits."""
    rng = np.random.default_rng(seed)
    new = n - 40
    words = np.zeros((n, WORDS), np.uint64)
    words[:, 2] = np.arange(n)
    words[:, 5] = (10 ** rng.uniform(2, 11, n)).astype(np.uint64)
    kinds = rng.integers(INTERNAL, CONSUMER + 1, OPERATIONS)
    operations = rng.integers(0, OPERATIONS, n)
    failed = rng.random(n) < 0.2
    words[:, 6] = (kinds[operations] << 8 | failed).astype(np.uint64) << np.uint64(32) | operations.astype(np.uint64)
    parents = np.where(rng.random(n) < 0.1, DUPLICATE, 0).astype(np.int32)
    callees = np.where(rng.random(n) < 0.5, rng.integers(0, n, n), -1).astype(np.int32)
    children = (words[:, 5] * rng.choice([0.0, 0.3, 2.0], n)).astype(np.uint64)
    remote = (children * rng.random(n)).astype(np.uint64)
    return words, new, parents, children, remote, callees


def steps(nano: int) -> int:
    return round(math.log10(max(nano / 1e6, 0.01)) * 4096)


def oracle(spans: tuple[Any, ...]) -> tuple[dict[int, list[int]], dict[tuple[int, int], list[int]]]:
    """Sums by operation, and by operation and service of the callee, those that are not 0."""
    as_lists: list[Any] = [one if isinstance(one, int) else one.tolist() for one in spans]
    words, new, parents, children, remote, callees = as_lists
    sums: dict[int, list[int]] = defaultdict(lambda: [0] * 6)
    pairs: dict[tuple[int, int], list[int]] = defaultdict(lambda: [0] * 3)
    for i in range(new):
        if parents[i] == DUPLICATE:
            continue
        operation, flags, duration = words[i][6] & 0xFFFF_FFFF, words[i][6] >> 32, words[i][5]
        calls_other = callees[i] >= 0 and flags >> 8 in (CLIENT, PRODUCER)
        failed = flags & 1
        own = sums[operation]
        own[0] += 1
        own[1] += failed
        own[2] += calls_other
        if failed:
            continue
        value = steps(duration - (remote[i] if calls_other else children[i]))
        of = pairs[operation, int(SERVICE_OF[words[callees[i]][6] & 0xFFFF_FFFF])] if calls_other else own
        for at, more in ((-3, 1), (-2, value), (-1, value * value)):
            of[at] += more
    return sums, pairs


@pytest.mark.parametrize("mode", MODULES)
@pytest.mark.parametrize("seed", range(4))
def test_sums_are_those_of_dictionaries(mode: str, seed: int) -> None:
    spans = drawn(seed)
    sums = np.zeros((span_sums.KEPT, OPERATIONS), np.int64)
    heads = np.full(OPERATIONS, -1, np.int32)
    pairs = np.empty((len(spans[0]), span_sums.KEPT), np.int64)
    found = MODULES[mode].add_up(*spans, SERVICE_OF, sums, heads, pairs)
    expected, expected_pairs = oracle(spans)
    assert {number: row for number, row in enumerate(sums.T.tolist()) if any(row)} == expected
    assert {(row[0], row[1]): row[2:5] for row in pairs[:found].tolist()} == expected_pairs
    assert len(expected_pairs) > OPERATIONS


@given(nano=st.integers(-5, 1 << 42))
def test_logarithms_are_those_of_the_library_but_for_halves(nano: int) -> None:
    exact = math.log10(max(nano, 10_000) / 1e6) * 4096
    taken = uncompiled("processors.anomaly.span_sums").logarithm(nano)
    assert abs(taken - exact) <= 0.5 + 1e-6


@pytest.mark.parametrize("mode", SPLITS)
def test_a_split_moves_what_ends_before_and_keeps_both_orders(mode: str) -> None:
    rng = np.random.default_rng(1)
    words = rng.integers(0, 100, (200, WORDS)).astype(np.uint64)
    before, out = words.copy(), np.zeros((200, WORDS), np.uint64)
    moved = SPLITS[mode].split(words, 150, 40, out)
    ends = before[:150, 4] < 40
    assert np.array_equal(out[:moved], before[:150][ends])
    assert np.array_equal(words[: 150 - moved], before[:150][~ends])
    assert np.array_equal(words[150:], before[150:])
