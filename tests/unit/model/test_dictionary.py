"""Dictionary encoding of cells, compiled and uncompiled, against a Python dictionary."""

import importlib
from types import ModuleType

import numpy as np
import pytest

from pipeline.model.records import ValueType
from tests.kernels import MODES, uncompiled

NAME = "pipeline.model.dictionary"


@pytest.fixture(params=MODES)
def kernel(request: pytest.FixtureRequest) -> ModuleType:
    return importlib.import_module(NAME) if request.param == "compiled" else uncompiled(NAME)


def cells_of(rng: np.random.Generator, n: int, values: int) -> tuple[bytes, list[tuple[int, int]]]:
    """Texts, integers that look like ranges of texts, and absent cells; equal texts stand in several places."""
    payload, cells = b"", []
    for _ in range(n):
        kind = int(rng.choice([ValueType.ABSENT, ValueType.STRING, ValueType.INT]))
        text = b"x" * int(rng.integers(values))
        cells.append((kind, len(payload) << 32 | len(text) if kind == ValueType.STRING else int(rng.integers(values))))
        payload += text
    return payload, cells


@pytest.mark.parametrize("n", [0, 1, 3, 200])
@pytest.mark.parametrize("chosen", [False, True])
def test_equal_cells_have_one_code_and_others_have_others(kernel: ModuleType, n: int, chosen: bool) -> None:
    rng = np.random.default_rng([n, chosen])
    payload, cells = cells_of(rng, n, 12)
    first, width = 5, 4
    words = np.zeros(first + n * width, np.uint64)
    for row, cell in enumerate(cells):
        words[first + row * width : first + row * width + 2] = cell
    rows = rng.integers(n, size=n // 2).astype(np.int32) if chosen and n else None
    order = range(n) if rows is None else rows.tolist()

    def plain(kind: int, word: int) -> tuple[int, object]:
        return kind, payload[word >> 32 : (word >> 32) + (word & 0xFFFF_FFFF)] if kind == ValueType.STRING else word

    codes, kinds, found = kernel.encode(payload, words, first, width, rows, len(order), True)
    known: dict[tuple[int, object], int] = {}
    expected = [-1 if not cells[row][0] else known.setdefault(plain(*cells[row]), len(known)) for row in order]
    assert codes.tolist() == expected
    assert [plain(kind, word) for kind, word in zip(kinds, found, strict=True)] == list(known)


def test_texts_have_no_types_and_an_empty_one_is_a_value(kernel: ModuleType) -> None:
    words = np.array([0 << 32 | 2, 2 << 32 | 2, 4 << 32], np.uint64)
    codes, kinds, found = kernel.encode(b"abab", words, 0, 1, None, 3, False)
    assert codes.tolist() == [0, 0, 1]
    assert (kinds, found) == ([ValueType.STRING] * 2, [2, 4 << 32])
