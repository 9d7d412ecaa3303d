"""The native join against a dictionary, compiled and uncompiled."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from processors.anomaly import span_join
from processors.anomaly.span_join import DUPLICATE, ROOT, UNKNOWN, WORDS
from tests.kernels import uncompiled

MODULES = {"compiled": span_join, "uncompiled": uncompiled("processors.anomaly.span_join")}


def random_spans(seed: int, n: int = 400) -> np.ndarray[Any, Any]:
    """Traces of random trees, some parents absent, some rows twice."""
    rng = np.random.default_rng(seed)
    words = np.zeros((n, WORDS), np.uint64)
    words[:, 0] = rng.integers(0, 8, n)
    words[:, 1] = 7
    words[:, 2] = rng.permutation(n) + 1
    words[:, 3] = rng.integers(0, n + 40, n)
    words[:, 4] = rng.integers(1, 1000, n)
    words[:, 5] = rng.integers(0, 1000, n)
    words[:, 6] = rng.integers(0, 12, n)
    again = rng.integers(0, n, 20)
    return np.concatenate((words, words[again]))


def joined(module: Any, words: np.ndarray[Any, Any], new: int, seed: int = 3) -> tuple[Any, ...]:
    n = len(words)
    parents, callees = np.empty((2, n), np.int32)
    children, remote = np.zeros((2, n), np.uint64)
    table = np.zeros(1 << (2 * new).bit_length(), np.int32)
    service_of = (np.arange(12) // 3).astype(np.int32)
    module.join(np.ascontiguousarray(words), new, table, seed, service_of, parents, children, remote, callees)
    return parents, children, remote, callees


def oracle(words: np.ndarray[Any, Any], new: int) -> dict[tuple[int, ...], tuple[int, int, int | None]]:
    """By content of each new span: sums over its children, and the id of the callee."""
    rows = [tuple(row) for row in words.tolist()]
    first = dict.fromkeys(rows[:new])
    parents = {(row[0], row[1], row[2]): row for row in first}
    children: dict[tuple[int, ...], list[tuple[int, ...]]] = {row: [] for row in first}
    for row in [*first, *rows[new:]]:
        parent = parents.get((row[0], row[1], row[3]))
        if parent is not None and row[3] not in (0, row[2]):
            children[parent].append(row)
    found = {}
    for row, its in children.items():
        remote = [child for child in its if child[6] // 3 != row[6] // 3]
        callee = min((child[2] for child in remote), default=None)
        found[row] = sum(child[5] for child in its), sum(child[5] for child in remote), callee
    return found


@pytest.mark.parametrize("mode", MODULES)
@pytest.mark.parametrize("seed", range(4))
def test_the_join_finds_what_a_dictionary_finds(mode: str, seed: int) -> None:
    words = random_spans(seed)
    new = 300 if seed % 2 else len(words)
    parents, children, remote, callees = joined(MODULES[mode], words, new)
    expected = oracle(words, new)
    seen = set()
    for i in range(new):
        if parents[i] == DUPLICATE:
            continue
        row = tuple(words[i].tolist())
        seen.add(row)
        callee = int(words[callees[i], 2]) if callees[i] >= 0 else None
        assert (int(children[i]), int(remote[i]), callee) == expected[row]
    assert seen == set(expected)


@pytest.mark.parametrize("mode", MODULES)
def test_roots_and_lost_parents_are_told_apart(mode: str) -> None:
    words = np.zeros((3, WORDS), np.uint64)
    words[:, 2] = (1, 2, 3)
    words[:, 3] = (0, 1, 9)
    assert joined(MODULES[mode], words, 3)[0].tolist() == [ROOT, 0, UNKNOWN]


def test_no_order_of_the_rows_and_no_seed_changes_a_sum() -> None:
    words = random_spans(9)
    shuffled = words[np.random.default_rng(5).permutation(len(words))]

    def by_content(words: np.ndarray[Any, Any], seed: int) -> dict[Any, Any]:
        parents, children, remote, _ = joined(span_join, words, len(words), seed)
        rows = [tuple(row) for row in words.tolist()]
        return {row: (int(children[i]), int(remote[i])) for i, row in enumerate(rows) if parents[i] != DUPLICATE}

    assert by_content(words, 3) == by_content(shuffled, 1 << 61)
