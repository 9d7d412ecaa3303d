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
