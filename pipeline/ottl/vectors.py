"""Vectors: the values of one expression for the rows of a table.

Every vector can be told as codes into a list of distinct values, so that whatever is defined for one value
(``ottl/values.py``) is defined for a column, once per distinct value. Where a column is numbers, or is compared with a
constant, there are shorter ways; they give the same.
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
from pipeline.model.records import Field, ValueType, Words
from pipeline.ottl.tables import Index, Tables
from pipeline.ottl.values import COMPARISONS, Duration, Failed, Identifier, Time, compare


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

    def take(self, index: Index) -> Truth:
        """The same for rows below."""
        if self.failed is None:
            if not self.hits.any():
                return Truth(np.zeros(len(index), bool))
            return Truth(self.hits[index])
        return Truth(self.hits[index], self.failed[index], self.reason)


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
    hits = np.fromiter((one is True for one in outcomes), bool, len(outcomes))[codes]
    failures = [one for one in outcomes if isinstance(one, Failed)]
    if not failures:
        return Truth(hits)
    failed = np.fromiter((isinstance(one, Failed) for one in outcomes), bool, len(outcomes))[codes]
    return Truth(hits, failed, failures[0].reason)


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
        codes, where = self._tables.codes(self._field)
        records = self._tables.records
        return codes, [records.slice(word).decode(errors="replace") for word in records.words[where].tolist()]

    def take(self, index: Index) -> Vector:
        """The same for rows below."""
        return encoded(self).take(index)

    def compare(self, op: str, constant: Any) -> Truth:
        """Equality without a dictionary."""
        if not isinstance(constant, str) or op not in ("==", "!="):
            return super().compare(op, constant)
        hits = equal_texts(self._tables, self._field, constant, typed=False)
        return Truth(hits if op == "==" else ~hits)


def equal_texts(tables: Tables, field: Field, constant: str, *, typed: bool) -> Bools:
    """bool[n]: cells with exactly this text. Cost: one native pass."""
    records = tables.records
    n = tables.size(field.level)
    hits = np.empty(n, bool)
    if n:
        scan.equal_cells(
            records.payload,
            records.words,
            records.first[field.level] + field.word,
            records.width[field.level],
            tables.rows(field.level),
            n,
            typed,
            constant.encode("utf-8", "surrogateescape"),
            hits.view(np.uint8),
        )
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
        codes, where = self._tables.codes(self._field)
        records = self._tables.records
        pairs = zip(records.words[where].tolist(), records.words[where + 1].tolist(), strict=True)
        values = [cell_value(records, kind, word) for kind, word in pairs]
        return codes, [*values, None]  # code -1 takes the last

    def take(self, index: Index) -> Vector:
        """The same for rows below."""
        return encoded(self).take(index)

    def compare(self, op: str, constant: Any) -> Truth:
        """Texts, numbers, booleans and nil without a dictionary."""
        kind = type(constant)
        if op in ("==", "!=") and kind is str:
            hits = equal_texts(self._tables, self._field, constant, typed=True)
        elif op in ("==", "!=") and constant is None:
            hits = self._nil()
        elif kind in (int, float, bool):
            return Truth(self._compare_number(op, constant))
        else:
            return super().compare(op, constant)
        return Truth(hits if op == "==" else ~hits)

    def _nil(self) -> Bools:
        kinds, words = self._words()
        nil: Bools = (kinds == ValueType.ABSENT) | (kinds == ValueType.EMPTY)
        nil |= (kinds == ValueType.BYTES) & (words & np.uint64(0xFFFF_FFFF) == 0)
        return nil

    def _compare_number(self, op: str, constant: float) -> Bools:
        kinds, words = self._words()
        relation = COMPARISONS[op]
        other = op == "!="
        if isinstance(constant, bool):
            return np.asarray(np.where(kinds == ValueType.BOOL, relation(words != 0, constant), other), bool)
        ints = words.view(np.int64)
        if isinstance(constant, float):
            ints = ints.astype(np.float64)
        result = np.where(kinds == ValueType.INT, relation(ints, constant), other)
        doubles = kinds == ValueType.DOUBLE
        if doubles.any():
            result = np.where(doubles, relation(words.view(np.float64), float(constant)), result)
        return np.asarray(result, bool)

    def _words(self) -> tuple[Words, Words]:
        field = self._field
        kinds = self._tables.words(field.level, field.word)
        return kinds, np.ascontiguousarray(self._tables.words(field.level, field.word + 1))


class Numbers(Vector):
    """Numbers of one type.

    Args:
        values: int64[n], float64[n] or bool[n].
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
