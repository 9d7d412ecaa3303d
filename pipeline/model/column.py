"""Column: one column of a batch as codes into a list of distinct values."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence

import numpy as np
import numpy.typing as npt

from pipeline.model.records import ValueType, Words

Int32s = npt.NDArray[np.int32]
Int64s = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]

_NO_CODE = -2
"""No cell has it; -1 are those that are absent."""
_FEW = 3
"""So many comparisons of 512 codes take less time than one gather."""


class Column:
    """A dictionary-encoded column of n cells.

    Attributes:
        codes: int32[n], index into ``values``; -1 where the cell is absent.
        values: The distinct values in their string form. Without duplicates.
    """

    __slots__ = ("_cells", "codes", "values")

    def __init__(self, codes: Int32s, values: Sequence[str], cells: Callable[[], Words] | None = None) -> None:
        """``cells`` gives uint64[2, n], type and value of attributes, when somebody asks for numbers."""
        self.codes = codes
        self.values = values
        self._cells = cells

    def take(self, rows: Int32s) -> Column:
        """The cells at ``rows``, int32[m]: a column of m cells with the same values."""
        cells = self._cells
        return Column(self.codes[rows], self.values, None if cells is None else lambda: cells()[:, rows])

    def __len__(self) -> int:
        return len(self.codes)

    def __eq__(self, other: object) -> Bools:  # type: ignore[override]
        """bool[n]: cells whose string form is ``other``. Absent cells are equal to nothing.

        Raises:
            TypeError: ``other`` is no string: 200 is "200" here, and ``int64()`` gives numbers.
        """
        _must_be_text(other)
        found: Bools = self.codes == (self.values.index(other) if other in self.values else _NO_CODE)
        return found

    def __ne__(self, other: object) -> Bools:  # type: ignore[override]
        return ~(self == other)

    __hash__ = None  # type: ignore[assignment]

    def isin(self, wanted: Collection[str]) -> Bools:
        """bool[n]: cells whose string form is among ``wanted``. Absent cells never are. Cost: per distinct value, then
        one gather.
        """
        if isinstance(wanted, str):
            raise TypeError(f"isin takes a collection of strings, not the string {wanted!r}")
        hits = [code for code, value in enumerate(self.values) if value in wanted]
        if not hits:
            for one in wanted:  # the first will do: nobody mixes them
                _must_be_text(one)
                break
        return self._having(hits)

    def test(self, predicate: Callable[[str], object]) -> Bools:
        """bool[n]: ``predicate(value)`` of each cell, called once per distinct value; False where absent."""
        return self._having([code for code, value in enumerate(self.values) if predicate(value)])

    def map(self, function: Callable[[str], str | None]) -> Column:
        """The column of ``function(value)``, called once per distinct value; absent where that is None, or the cell is.

        ``spans.with_column("span.team", spans["resource.service.name"].map(team_of.get))``
        """
        texts = [function(value) for value in self.values]
        code_of = {text: code for code, text in enumerate(dict.fromkeys(text for text in texts if text is not None))}
        codes = [-1 if text is None else code_of[text] for text in texts]
        renumber = np.array([*codes, -1], np.int32)  # code -1 takes the last
        return Column(renumber[self.codes], list(code_of))

    def _having(self, hits: list[int]) -> Bools:
        """bool[n]: cells with one of these codes."""
        if len(hits) <= _FEW:
            found: Bools = self.codes == (hits[0] if hits else _NO_CODE)
            for hit in hits[1:]:
                found |= self.codes == hit
            return found
        is_hit = np.zeros(len(self.values) + 1, bool)  # code -1 takes the last
        is_hit[hits] = True
        return is_hit[self.codes]

    def present(self) -> Bools:
        """bool[n]: cells that have a value."""
        return self.codes >= 0

    def tolist(self) -> list[str | None]:
        """The cells as Python objects."""
        values: list[str | None] = [*self.values, None]
        return [values[code] for code in self.codes.tolist()]

    def int64(self) -> tuple[Int64s, Bools]:
        """(int64[n], bool[n]): integer attributes; 0 and False where the cell is absent or of another type."""
        kinds, words = self._typed()
        valid = kinds == ValueType.INT
        return np.where(valid, words, 0).astype(np.uint64).view(np.int64), valid

    def float64(self) -> tuple[Floats, Bools]:
        """(float64[n], bool[n]): numeric attributes, integers converted; NaN and False elsewhere."""
        kinds, words = self._typed()
        ints = kinds == ValueType.INT
        doubles = kinds == ValueType.DOUBLE
        words = np.ascontiguousarray(words)
        values = np.where(ints, words.view(np.int64).astype(np.float64), words.view(np.float64))
        return np.where(ints | doubles, values, np.nan), ints | doubles

    def bool(self) -> tuple[Bools, Bools]:
        """(bool[n], bool[n]): boolean attributes; False and False elsewhere."""
        kinds, words = self._typed()
        valid = kinds == ValueType.BOOL
        return valid & (words != 0), valid

    def _typed(self) -> tuple[Words, Words]:
        if self._cells is None:
            raise TypeError("only attribute columns have types")
        kinds, words = self._cells()
        return kinds, words


def checked_mask(mask: Bools, n: int, items: str) -> Bools:
    """A mask, which Python could also take for row numbers or for what is not zero.

    Raises:
        TypeError, ValueError: It is not bool[n].
    """
    if not isinstance(mask, np.ndarray) or mask.dtype.char != "?" or mask.ndim != 1:
        given = f"{mask.dtype}{[*mask.shape]}" if isinstance(mask, np.ndarray) else f"a {type(mask).__name__}"
        raise TypeError(
            f'a mask is a numpy array, bool[{n}], not {given}: compare columns, as in spans["name"] == "x", and join '
            "masks with & | ~"
        )
    if len(mask) != n:
        raise ValueError(f"mask has {len(mask)} entries for {n} {items}")
    return mask


def _must_be_text(given: object) -> None:
    if not isinstance(given, (str, bytes)):
        raise TypeError(
            f'cells are compared with strings, not with {type(given).__name__}: write "200" for 200, use int64() or '
            "float64() for numbers, and present() for absence"
        )


def merge_equal(codes: Int32s, values: list[str]) -> tuple[Int32s, list[str]]:
    """Cells of different types can have one string form (200 and "200"): give them one code."""
    if len(set(values)) == len(values):
        return codes, values
    unique = {value: number for number, value in enumerate(dict.fromkeys(values))}
    renumber = np.array([*(unique[value] for value in values), -1], np.int32)
    return renumber[codes], list(unique)


def first_present(column: Column, other: Column) -> Column:
    """The cells of ``column``, and those of ``other`` where it has none."""
    shift = len(column.values)
    moved = np.where(other.codes >= 0, other.codes + shift, -1)
    codes = np.where(column.codes >= 0, column.codes, moved).astype(np.int32)
    return Column(*merge_equal(codes, [*column.values, *other.values]))
