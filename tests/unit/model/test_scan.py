"""Looks at columns of words, compiled and uncompiled, against numpy."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.model import scan
from tests.kernels import MODES, uncompiled

KERNELS = {"compiled": scan, "uncompiled": uncompiled("pipeline.model.scan")}
WORDS = st.lists(st.sampled_from([0, 1, 5 << 32, 7 << 32 | 3, 2**64 - 1]), min_size=4, max_size=40)


@pytest.mark.parametrize("mode", MODES)
@given(words=WORDS, at=st.integers(0, 1))
@settings(max_examples=60, deadline=None)
def test_columns_of_words_are_looked_at_as_numpy_does(mode: str, words: list[int], at: int) -> None:
    kernel, width = KERNELS[mode], 2
    array = np.array(words, np.uint64)
    n = (len(words) - at - 1) // width
    column = array[at::width][:n]
    following = array[at + 1 :: width][:n]
    lengths = column & np.uint64(0xFFFF_FFFF)
    assert bool(kernel.any_set(array, at, width, n)) == bool(column.any())
    assert bool(kernel.any_empty(array, at, width, n)) == bool((lengths == 0).any())
    texts = (column == 1) & ((following & np.uint64(0xFFFF_FFFF)) != 0)
    assert bool(kernel.all_texts(array, at, width, n)) == bool(texts.all())


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("rows", [None, np.array([2, 0], np.int32)])
def test_differences_wrap_around_and_come_with_their_extremes(mode: str, rows: np.ndarray | None) -> None:
    words = np.array([9, 10, 30, 9, 50, 40, 9, 5, 5], np.uint64)
    n = 3 if rows is None else len(rows)
    out = np.empty(n, np.uint64)
    extremes = KERNELS[mode].differences(words, 0, 3, 1, 2, rows, n, out)
    expected = [20, 2**64 - 10, 0] if rows is None else [0, 20]
    assert out.tolist() == expected
    assert extremes == ((5, 40, 2**64 - 10) if rows is None else (5, 30, 20))


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("rows", [None, np.array([3, 0, 0], np.int32)])
def test_numbers_of_enums_are_codes_and_unknown_ones_the_first(mode: str, rows: np.ndarray | None) -> None:
    words = np.array([9, 2, 9, 5, 9, 2**63, 9, 4], np.uint64)
    n = 4 if rows is None else len(rows)
    out = np.full(n, -7, np.int32)
    KERNELS[mode].codes(words, 1, 2, rows, n, 5, out)
    assert out.tolist() == ([2, 0, 0, 4] if rows is None else [4, 2, 2])


PAYLOAD = b"GETPOSTGETGE"
RANGES = st.sampled_from([0, 3, 3 << 32 | 4, 7 << 32 | 3, 10 << 32 | 2])


def rows_of(n: int, chosen: list[int]) -> np.ndarray | None:
    return np.array([one % n for one in chosen], np.int32) if chosen else None


CHOSEN = st.lists(st.integers(0, 100), max_size=6)


@pytest.mark.parametrize("mode", MODES)
@given(
    cells=st.lists(st.tuples(st.integers(0, 8), RANGES), min_size=1, max_size=10), chosen=CHOSEN, typed=st.booleans()
)
@settings(max_examples=60, deadline=None)
def test_cells_with_a_text_are_found(mode: str, cells: list[tuple[int, int]], chosen: list[int], typed: bool) -> None:
    words = np.array([word for cell in cells for word in cell], np.uint64)
    rows = rows_of(len(cells), chosen)
    wanted = rows.tolist() if rows is not None else range(len(cells))
    for text in (b"GET", b"POST", b"GE", b"", b"GETP"):
        out = np.full(len(wanted), 7, np.uint8)
        KERNELS[mode].equal_cells(PAYLOAD, words, 0 if typed else 1, 2, rows, len(wanted), typed, text, out)
        texts = [PAYLOAD[word >> 32 :][: word & 0xFFFF_FFFF] for _, word in cells]
        expected = [texts[row] == text and (not typed or cells[row][0] == 1) for row in wanted]
        assert out.tolist() == expected


@pytest.mark.parametrize("mode", MODES)
@given(
    scopes=st.lists(st.integers(0, 2), min_size=1, max_size=4),
    items=st.lists(st.integers(0, 3), min_size=1),
    chosen=CHOSEN,
)
@settings(max_examples=60, deadline=None)
def test_what_is_known_above_is_known_below(mode: str, scopes: list[int], items: list[int], chosen: list[int]) -> None:
    items = [item % len(scopes) for item in items]
    known = np.array([1, 0, 1], np.uint8)
    words = np.array([word for row in (*scopes, *items) for word in (row, 99)], np.uint64)
    rows = rows_of(len(items), chosen)
    wanted = rows.tolist() if rows is not None else range(len(items))
    out = np.full(len(wanted), 7, np.uint8)
    steps = np.array([2 * len(scopes), 2, 0, 2], np.int64)
    KERNELS[mode].spread(words, steps, 2, rows, len(wanted), known, out)
    assert out.tolist() == [known[scopes[items[row]]] for row in wanted]
