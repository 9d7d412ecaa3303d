"""Numbered rows with unique keys."""

from __future__ import annotations

import random

import numpy as np
import pytest

from pipeline.model.key_store import KeyStore, new_secret
from tests.kernels import MODES, use


def store(max_rows: int = 10_000) -> KeyStore:
    return KeyStore(new_secret(1, 100), max_rows)


def key(text: str) -> bytes:
    """The key of a series without resource and with one label."""
    value = text.encode()
    return b"\xff" * 4 + len(value).to_bytes(2, "little") + value


@pytest.fixture(autouse=True, params=MODES)
def _kernels(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    use(request.param, monkeypatch)


def test_a_key_is_found_under_its_row() -> None:
    keys = store()
    rows = {key(f"key {i}"): keys.add(key(f"key {i}")) for i in range(1000)}
    assert all(keys.find(one) == row for one, row in rows.items())
    assert keys.find(key("key 1000")) == -1
    assert keys.live == 1000


def test_random_additions_and_removals_agree_with_a_dict() -> None:
    keys, chance = store(), random.Random(7)
    expected: dict[bytes, int] = {}
    for _ in range(1500):
        one = key(f"{chance.randrange(120)}" * chance.randrange(1, 30))
        if one in expected and chance.random() < 0.5:
            keys.remove(np.array([expected.pop(one)], np.int32))
        elif one not in expected:
            expected[one] = keys.add(one)
        assert keys.find(one) == expected.get(one, -1)
    assert sorted(keys.rows().tolist()) == sorted(expected.values())
    assert all(keys.find(one) == row and keys.key(row) == one for one, row in expected.items())


def test_freed_rows_are_used_again_before_new_ones() -> None:
    keys = store()
    for i in range(10):
        keys.add(key(str(i)))
    keys.remove(np.array([3, 7], np.int32))
    assert {keys.add(key("x")), keys.add(key("y"))} == {3, 7}
    assert keys.add(key("z")) == 10


def test_a_held_arena_is_not_written_where_it_is_read() -> None:
    keys = store()
    for i in range(500):
        keys.add(key(f"{i:05d}" * 8))
    arena, start, length = keys.arena, int(keys.offsets[400]), int(keys.lengths[400])
    keys.remove(np.arange(450, dtype=np.int32))
    for i in range(500):
        keys.add(key(f"new {i:05d}"))
    assert arena[start : start + length].tobytes() == key("00400" * 8)
    assert keys.arena is not arena


def test_capacity_follows_what_is_used_and_stops_at_the_limit() -> None:
    keys = store(max_rows=1000)
    for i in range(1000):
        keys.add(key(f"{i}"))
        assert keys.capacity <= max(64, i + 1 + (i + 1) // 2)
    assert keys.capacity == 1000
