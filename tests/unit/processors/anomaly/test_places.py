"""Places: who has one of a bounded number, against a model that keeps a list."""

from __future__ import annotations

import numpy as np
import pytest

from processors.anomaly.places import Places

LIMIT = 40
IDLE_S = 60.0


def rows(*numbers: int) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    return np.array(numbers, np.int64)


def test_rows_beyond_the_limit_are_refused_and_counted() -> None:
    places = Places(3, IDLE_S)
    assert places.grant(rows(5, 900, 2, 8, 7), 0.0).tolist() == [0, 1, 2]
    assert places.of(rows(2, 5, 7, 8, 900, 10**6)).tolist() == [2, 0, -1, -1, 1, -1]
    assert (places.granted, places.refused, places.evicted) == (3, 2, 0)


def test_a_row_that_has_its_place_is_not_given_another() -> None:
    places = Places(3, IDLE_S)
    places.grant(rows(4), 0.0)
    assert places.grant(rows(4), 1.0).tolist() == []
    assert places.granted == 1


def test_a_place_that_is_idle_goes_to_who_asks_and_a_busy_one_does_not() -> None:
    places = Places(2, IDLE_S)
    places.grant(rows(0, 1), 0.0)
    places.see(places.of(rows(1)), 50.0)
    assert places.grant(rows(2), 59.0).tolist() == []
    assert places.grant(rows(2), 61.0).tolist() == [0]
    assert places.of(rows(0, 1, 2)).tolist() == [-1, 1, 0]
    assert places.evicted == 1


def test_no_place_at_all_refuses_everybody() -> None:
    places = Places(0, IDLE_S)
    assert places.grant(rows(0, 1), 0.0).tolist() == []
    assert places.of(rows(0)).tolist() == [-1]


@pytest.mark.parametrize("seed", range(5))
def test_whatever_happens_each_row_has_at_most_one_place_and_places_are_as_a_simple_model_says(seed: int) -> None:
    rng = np.random.default_rng(seed)
    places = Places(LIMIT, IDLE_S)
    owner: dict[int, int] = {}
    seen: dict[int, int] = {}
    for second in range(0, 3000, 10):
        asking = rng.choice(200, 12, replace=False)
        wanting = [row for row in asking.tolist() if row not in owner]
        idle = sorted((row for row in owner if seen[row] < second - IDLE_S), key=lambda row: (seen[row], owner[row]))
        short = len(wanting) - (LIMIT - len(owner))
        for row in idle[: max(short, 0)]:
            del owner[row]
        given = wanting[: LIMIT - len(owner)]
        new = places.grant(asking, float(second)).tolist()
        assert len(new) == len(given)
        owner |= dict(zip(given, new, strict=True))
        seen |= dict.fromkeys(given, second)
        gone = [row for row in owner if rng.random() < 0.02]
        places.release(rows(*gone))
        owner = {row: place for row, place in owner.items() if row not in gone}
        used = [row for row in owner if rng.random() < 0.3]
        places.see(places.of(rows(*used)), float(second))
        seen |= dict.fromkeys(used, second)
        assert places.of(np.arange(200)).tolist() == [owner.get(row, -1) for row in range(200)]
        assert len(set(owner.values())) == len(owner) <= LIMIT
