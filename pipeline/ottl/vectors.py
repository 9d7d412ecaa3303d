"""Vectors: the values of one expression for the rows of a table.

Every vector can be told as codes into a list of distinct values, so that whatever is defined for one value
(``ottl/values.py``) is defined for a column, once per distinct value. Where a column is numbers, or is compared with a
constant, there are shorter ways; they give the same. What only compares cells with constants makes no vectors at all
(``ottl/decision.py``).
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from pipeline.model import scan
from pipeline.model.attribute_text import cell_value
from pipeline.model.column import Bools
from pipeline.model.records import Field, Level, Records, ValueType, Words
from pipeline.ottl.tables import Index, Tables
from pipeline.ottl.values import COMPARISONS, Duration, Failed, Identifier, Time, compare

MAX_REMEMBERED_BYTES = 512
"""Longer texts are not worth remembering."""
MAX_REMEMBERED = 10_000
"""Texts whose results a function remembers. When it has as many, it forgets all of them and begins anew."""


class Truth(NamedTuple):
    """What a condition says of n rows.

    Attributes:
        hits: bool[n]; False where it failed.
        failed: bool[n], or None where it failed nowhere.
        reason: Why it failed, in one of the rows.
    """

    hits: Bools
    failed: Bools | None = None
    reason: str = ""

    def spread(self, tables: Tables, above: Level, below: Level) -> Truth:
        """The same for the rows of a table below."""
        hits, failed, reason = self
        if failed is None:
            count = np.count_nonzero(hits)  # a tenth of what any() and all() cost
            if count in (0, len(hits)):
                return Truth(np.full(tables.size(below), count > 0))
        spread = tables.spread(hits, above, below)
        return Truth(spread, None if failed is None else tables.spread(failed, above, below), reason)


Distinct = tuple[Index, Sequence[Any]]
"""intp[n] codes, never below 0, and the values."""


class Vector(ABC):
    """Values of n rows."""

    @abstractmethod
    def __len__(self) -> int:
        """How many rows."""

    @abstractmethod
    def distinct(self) -> Distinct:
        """Codes and values; values may be ``Failed``."""

    @abstractmethod
    def take(self, index: Index) -> Vector:
        """The same for rows below."""

    def mapped(self, function: Callable[[Any], Any], memory: dict[Any, Any]) -> Encoded:  # noqa: ARG002
        """A function of each value.

        Args:
            memory: For results of texts, which vectors may look up by their bytes; the caller bounds it.
        """
        codes, values = self.distinct()
        return Encoded(codes, [function(value) for value in values])

    def compare(self, op: str, constant: Any) -> Truth:
        """Each value with a constant."""
        codes, values = self.distinct()
        return truth_of(codes, [outcome(compare, op, value, constant) for value in values])


def outcome(function: Callable[..., Any], op: str, left: Any, right: Any) -> Any:
    """A comparison, or the failure of one of its sides, the left one first."""
    if isinstance(left, Failed):
        return left
    return right if isinstance(right, Failed) else function(op, left, right)


def truth_of(codes: Index, outcomes: Sequence[Any]) -> Truth:
    """Truth from an outcome per distinct value: a bool or ``Failed``."""
    if Failed not in set(map(type, outcomes)):
        return Truth(np.array(outcomes, bool)[codes])
    failures = [type(one) is Failed for one in outcomes]
    reason: str = outcomes[failures.index(True)].reason
    hits = np.array([one is True for one in outcomes])
    return Truth(hits[codes], np.array(failures)[codes], reason)


class Encoded(Vector):
    """Codes and values as they are."""

    def __init__(self, codes: Index, values: Sequence[Any]) -> None:
        self._codes = codes
        self._values = values

    def __len__(self) -> int:
        return len(self._codes)

    def distinct(self) -> Distinct:
        """As given."""
        return self._codes, self._values

    def take(self, index: Index) -> Encoded:
        """The same for rows below."""
        return Encoded(self._codes[index], self._values)


def encoded(vector: Vector) -> Encoded:
    """Any vector as codes and values."""
    return vector if isinstance(vector, Encoded) else Encoded(*vector.distinct())


class Texts(Vector):
    """A text field: absent and empty are the same."""

    def __init__(self, tables: Tables, field: Field) -> None:
        self._tables = tables
        self._field = field

    def __len__(self) -> int:
        return self._tables.size(self._field.level)

    def distinct(self) -> Distinct:
        """Cost: a dictionary of the column."""
        codes, _, words = self._tables.codes(self._field)
        records = self._tables.records
        return codes, [records.slice(word).decode(errors="replace") for word in words]

    def mapped(self, function: Callable[[Any], Any], memory: dict[Any, Any]) -> Encoded:
        """Cost: a dictionary of the column; texts that were met before are only looked up."""
        codes, _, words = self._tables.codes(self._field)
        return Encoded(codes, remembered(function, self._tables.records, words, memory))

    def take(self, index: Index) -> Vector:
        """The same for rows below."""
        return encoded(self).take(index)


def remembered(
    function: Callable[[Any], Any], records: Records, words: list[int], memory: dict[bytes, Any]
) -> list[Any]:
    """A function of texts, given by their ranges. In the long run all of them have been met before."""
    payload = records.payload
    texts = [payload[word >> 32 : (word >> 32) + (word & 0xFFFF_FFFF)] for word in words]
    try:
        return [memory[text] for text in texts]
    except KeyError:
        results = []
    for text in texts:
        if text in memory:
            results.append(memory[text])
            continue
        results.append(function(text.decode(errors="replace")))
        if len(text) <= MAX_REMEMBERED_BYTES and len(memory) < MAX_REMEMBERED:
            memory[text] = results[-1]
    return results


def equal_texts(tables: Tables, field: Field, constant: str) -> Bools:
    """bool[n]: attributes with exactly this text. Cost: one native pass."""
    records = tables.records
    level, word, _ = field
    rows = tables.rows(level)
    n = records.count[level] if rows is None else len(rows)
    hits = np.empty(n, bool)
    if n:
        first, width = records.first[level] + word, records.width[level]
        wanted = constant.encode("utf-8", "surrogateescape")
        scan.equal_cells(records.payload, records.words, first, width, rows, n, True, wanted, hits.view(np.uint8))
    return hits


class Cells(Vector):
    """An attribute, or a log body: any type, nil where absent or empty."""

    def __init__(self, tables: Tables, field: Field) -> None:
        self._tables = tables
        self._field = field

    def __len__(self) -> int:
        return self._tables.size(self._field.level)

    def distinct(self) -> Distinct:
        """Cost: a dictionary of the column."""
        codes, kinds, words = self._tables.codes(self._field)
        records = self._tables.records
        values = [cell_value(records, kind, word) for kind, word in zip(kinds, words, strict=True)]
        return codes, [*values, None]  # code -1 takes the last

    def mapped(self, function: Callable[[Any], Any], memory: dict[Any, Any]) -> Encoded:
        """Cost: a dictionary of the column; texts that were met before are only looked up."""
        codes, kinds, words = self._tables.codes(self._field)
        records = self._tables.records
        if kinds.count(ValueType.STRING) == len(kinds):
            return Encoded(codes, [*remembered(function, records, words, memory), function(None)])
        pairs = zip(kinds, words, strict=True)
        results = [function(cell_value(records, kind, word)) for kind, word in pairs]
        return Encoded(codes, [*results, function(None)])

    def take(self, index: Index) -> Vector:
        """The same for rows below."""
        return encoded(self).take(index)


class Numbers(Vector):
    """Numbers of one type.

    Args:
        values: int64[n], int32[n], float64[n] or bool[n].
        kind: int, float, bool, ``Time`` or ``Duration``.
        nil: bool[n], rows without a value; None: none.
    """

    def __init__(self, values: npt.NDArray[Any], kind: type, nil: Bools | None = None) -> None:
        self.values = values
        self.kind = kind
        self.nil = nil

    def __len__(self) -> int:
        return len(self.values)

    def distinct(self) -> Distinct:
        """Cost: a sort."""
        values, codes = np.unique(self.values, return_inverse=True)
        cells: list[Any] = values.tolist()
        if self.kind in (Time, Duration):
            cells = [self.kind(value) for value in cells]
        if self.nil is not None:
            codes = np.where(self.nil, len(cells), codes)
            cells.append(None)
        return codes, cells

    def take(self, index: Index) -> Numbers:
        """The same for rows below."""
        return Numbers(self.values[index], self.kind, None if self.nil is None else self.nil[index])

    def compare(self, op: str, constant: Any) -> Truth:
        """Vectorised for numbers of the same type, and for ints beside floats."""
        number = comparable(self.kind, constant)
        if number is None:
            return super().compare(op, constant)
        values = self.values.astype(np.float64) if isinstance(number, float) and self.kind is int else self.values
        hits: Bools = COMPARISONS[op](values, number)
        return Truth(hits if self.nil is None else np.where(self.nil, op == "!=", hits))


def comparable(kind: type, constant: Any) -> Any:
    """A constant as the number that numpy compares with numbers of a kind; None where they are of different types."""
    other = type(constant)
    if kind in (Time, Duration):
        return constant[0] if other is kind else None
    if kind is bool:
        return constant if other is bool else None
    if other not in (int, float):
        return None
    return float(constant) if kind is float else constant


class Identifiers(Vector):
    """Trace or span ids; zeros where absent.

    Args:
        words: uint64[n, 1] or uint64[n, 2].
    """

    def __init__(self, words: Words) -> None:
        self._words = words

    def __len__(self) -> int:
        return len(self._words)

    def distinct(self) -> Distinct:
        """Cost: a set of the ids."""
        codes: dict[bytes, int] = {}
        size = self._words.shape[1] * 8
        data = np.ascontiguousarray(self._words).tobytes()
        ids = (data[at : at + size] for at in range(0, len(data), size))
        numbers = np.fromiter((codes.setdefault(one, len(codes)) for one in ids), np.intp, len(self))
        return numbers, [Identifier(one) for one in codes]

    def take(self, index: Index) -> Identifiers:
        """The same for rows below."""
        return Identifiers(self._words[index])

    def compare(self, op: str, constant: Any) -> Truth:
        """Ids with ids; all else is unequal."""
        size = self._words.shape[1] * 8
        if not isinstance(constant, Identifier) or len(constant.bytes) != size or op not in ("==", "!="):
            return Truth(np.full(len(self), op == "!="))
        hits = (self._words == np.frombuffer(constant.bytes, np.uint64)).all(1)
        return Truth(hits if op == "==" else ~hits)


def compare_vectors(op: str, left: Vector, right: Vector) -> Truth:
    """Row by row."""
    if isinstance(left, Numbers) and isinstance(right, Numbers) and left.nil is None and right.nil is None:
        numeric = {left.kind, right.kind} <= {int, float}
        if left.kind is right.kind or numeric:
            return Truth(COMPARISONS[op](left.values, right.values))
    codes, pairs = combinations((left, right))
    return truth_of(codes, [outcome(compare, op, *pair) for pair in pairs])


def combinations(vectors: Sequence[Vector]) -> tuple[Index, list[tuple[Any, ...]]]:
    """Codes and the distinct combinations of the values of several vectors of the same rows."""
    if len(vectors) == 1:
        codes, values = vectors[0].distinct()
        return codes, [(value,) for value in values]
    columns = [vector.distinct() for vector in vectors]
    numbers = np.stack([np.where(codes < 0, len(values) - 1, codes) for codes, values in columns], 1)
    unique, inverse = np.unique(numbers, axis=0, return_inverse=True)
    rows = [tuple(columns[i][1][code] for i, code in enumerate(row)) for row in unique.tolist()]
    return inverse.reshape(-1), rows
