"""Numbered rows with unique keys."""

from __future__ import annotations

import random

import numpy as np
import pytest

from pipeline.model.key_store import KeyStore, new_secret
from tests.kernels import MODES, use


def store(max_rows: int = 10_000) -> KeyStore:
    return KeyStore(64, new_secret(64), max_rows)


@pytest.fixture(autouse=True, params=MODES)
def _kernels(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    use(request.param, monkeypatch)


def test_a_key_is_found_under_its_row() -> None:
    keys = store()
    rows = {f"key {i}".encode(): keys.add(f"key {i}".encode()) for i in range(1000)}
    assert all(keys.find(key) == row for key, row in rows.items())
    assert keys.find(b"key 1000") == -1
    assert keys.live == 1000


def test_random_additions_and_removals_agree_with_a_dict() -> None:
    keys, expected, chance = store(), {}, random.Random(7)
    for _ in range(1500):
        key = f"{chance.randrange(120)}".encode() * chance.randrange(1, 9)
        if key in expected and chance.random() < 0.5:
            keys.remove(np.array([expected.pop(key)], np.int32))
        elif key not in expected:
            expected[key] = keys.add(key)
        assert keys.find(key) == expected.get(key, -1)
    assert sorted(keys.rows().tolist()) == sorted(expected.values())
    assert all(keys.find(key) == row and keys.key(row) == key for key, row in expected.items())


def test_freed_rows_are_used_again_before_new_ones() -> None:
    keys = store()
    for i in range(10):
        keys.add(bytes([i]))
    keys.remove(np.array([3, 7], np.int32))
    assert {keys.add(b"x"), keys.add(b"y")} == {3, 7}
    assert keys.add(b"z") == 10


def test_a_held_arena_is_not_written_where_it_is_read() -> None:
    keys = store()
    for i in range(500):
        keys.add(f"{i:05d}".encode() * 8)
    arena, start, length = keys.arena, int(keys.offsets[400]), int(keys.lengths[400])
    keys.remove(np.arange(450, dtype=np.int32))
    for i in range(500):
        keys.add(f"new {i:05d}".encode())
    assert arena[start : start + length].tobytes() == b"00400" * 8
    assert keys.arena is not arena


def test_capacity_follows_what_is_used_and_stops_at_the_limit() -> None:
    keys = store(max_rows=1000)
    for i in range(1000):
        keys.add(f"{i}".encode())
        assert keys.capacity <= max(64, i + 1 + (i + 1) // 2)
    assert keys.capacity == 1000
