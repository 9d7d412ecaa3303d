"""From columns to vectors: how each kind of path is read from the tables of a batch."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from pipeline.model.column import Bools
from pipeline.model.metrics import EXPONENTIAL_HISTOGRAM, GAUGE, HISTOGRAM, SUM, SUMMARY
from pipeline.model.records import Field, Kind, Level, ValueType
from pipeline.ottl.tables import Tables
from pipeline.ottl.values import Identifier, Time
from pipeline.ottl.vectors import Cells, Identifiers, Numbers, Texts, Vector

NUMBER_TYPES = (GAUGE, SUM)
COUNTED_TYPES = (HISTOGRAM, EXPONENTIAL_HISTOGRAM, SUMMARY)
TEMPORAL_TYPES = (SUM, HISTOGRAM, EXPONENTIAL_HISTOGRAM)

Read = Callable[[Tables, Field], Vector]


@dataclass(frozen=True)
class Reader:
    """How a path is read.

    Attributes:
        kind: Type of the values, nil aside; None: only the data tells.
        read: Makes the vector.
        needs: Columns that it reads besides that of the path.
    """

    kind: type | None
    read: Read
    needs: tuple[str, ...] = ()


def _integers(tables: Tables, field: Field) -> Vector:
    return Numbers(np.ascontiguousarray(tables.words(field.level, field.word)).view(np.int64), int)


def _enums(tables: Tables, field: Field) -> Vector:
    """Enums are int32 on the wire, where negative numbers are no names but valid."""
    words = tables.words(field.level, field.word)
    return Numbers(words.astype(np.uint32).view(np.int32), int)


def _times(tables: Tables, field: Field) -> Vector:
    return Numbers(np.ascontiguousarray(tables.words(field.level, field.word)).view(np.int64), Time)


def _identifiers(tables: Tables, field: Field) -> Vector:
    words = [tables.words(field.level, field.word + i) for i in range(2 if field.kind == Kind.ID16 else 1)]
    return Identifiers(np.stack(words, 1))


TEXT = Reader(str, Texts)
CELL = Reader(None, Cells)
INTEGER = Reader(int, _integers)
ENUM = Reader(int, _enums)
TIME = Reader(Time, _times)
IDENTIFIER = Reader(Identifier, _identifiers)


def _type_is(tables: Tables, level: Level, types: tuple[int, ...]) -> Bools:
    """bool[n]: rows whose metric has one of these types."""
    found = tables.words(Level.ITEM, tables.field("metric.type").word)
    hits = np.isin(found, np.array(types, np.uint64))
    return hits if level == Level.ITEM else hits[tables.index(Level.ITEM, level)]


def of_types(reader: Reader, types: tuple[int, ...]) -> Reader:
    """A path that only metrics of some types have; nil for all others."""

    def read(tables: Tables, field: Field) -> Vector:
        vector = reader.read(tables, field)
        assert isinstance(vector, Numbers)  # noqa: S101 - of the readers below, all are
        has = _type_is(tables, field.level, types)
        return vector if has.all() else Numbers(vector.values, vector.kind, ~has)

    return Reader(reader.kind, read, ("metric.type",))


def _booleans(tables: Tables, field: Field) -> Vector:
    return Numbers(tables.words(field.level, field.word) != 0, bool)


def _part(wanted: ValueType) -> Callable[[Tables, Field], Any]:
    def words(tables: Tables, field: Field) -> Any:
        """The value words of numbers of one type, 0 for those of another."""
        kinds = tables.words(field.level, field.word)
        return np.where(kinds == wanted, tables.words(field.level, field.word + 1), np.uint64(0))

    return words


_int_part, _double_part = _part(ValueType.INT), _part(ValueType.DOUBLE)

BOOLEAN = Reader(bool, _booleans)
IS_ZERO = Reader(bool, lambda tables, field: Numbers(tables.words(field.level, field.word) == 0, bool))
"""Whether an id is absent."""
INT_PART = Reader(int, lambda tables, field: Numbers(_int_part(tables, field).view(np.int64), int))
"""``value_int``: 0 where the value is a double."""
DOUBLE_PART = Reader(float, lambda tables, field: Numbers(_double_part(tables, field).view(np.float64), float))
"""``value_double``: 0 where the value is an int; also sums of histograms, 0 where absent."""
