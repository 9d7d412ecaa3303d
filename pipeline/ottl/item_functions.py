"""Functions that look at the item rather than at values: each belongs to a context.

Source: pkg/ottl/ottlfuncs/README.md (IsRootSpan, Now) and processor/filterprocessor/README.md (HasAttrKeyOnDatapoint,
HasAttrOnDatapoint) of the Collector.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from pipeline.model.column import Bools
from pipeline.model.records import Level, ValueType
from pipeline.ottl.plan import Column, Computed, Expression
from pipeline.ottl.readers import IS_ZERO
from pipeline.ottl.tables import Tables
from pipeline.ottl.values import Time
from pipeline.ottl.vectors import Numbers, equal_texts


@dataclass(frozen=True)
class ItemFunction:
    """One of them.

    Attributes:
        contexts: Where it can be used; empty: everywhere.
        parameters: Names of its arguments, which are constant texts.
        build: From their values to the columns that are read and the expression.
    """

    contexts: tuple[str, ...]
    parameters: tuple[str, ...]
    build: Callable[..., tuple[tuple[str, ...], Expression]]


def _is_root_span() -> tuple[tuple[str, ...], Expression]:
    return ("parent_span_id",), Column(Level.ITEM, "parent_span_id", IS_ZERO)


def _now() -> tuple[tuple[str, ...], Computed]:
    def compute(tables: Tables) -> Numbers:
        return Numbers(np.full(tables.size(Level.RESOURCE), tables.now_unix_nano, np.int64), Time)

    return (), Computed(Level.RESOURCE, Time, compute)


def _has_key(key: str) -> tuple[tuple[str, ...], Computed]:
    column = f"point.{key}"

    def compute(tables: Tables) -> Numbers:
        present = tables.words(Level.POINT, tables.field(column).word) != ValueType.ABSENT
        return Numbers(_any_point(tables, present), bool)

    return (column,), Computed(Level.ITEM, bool, compute)


def _has_attribute(key: str, value: str) -> tuple[tuple[str, ...], Computed]:
    column = f"point.{key}"

    def compute(tables: Tables) -> Numbers:
        field = tables.field(column)
        hits = equal_texts(tables, field, value)
        if not value:  # an attribute of another type counts as the empty text
            kinds = tables.words(Level.POINT, field.word)
            hits |= (kinds != ValueType.ABSENT) & (kinds != ValueType.STRING)
        return Numbers(_any_point(tables, hits), bool)

    return (column,), Computed(Level.ITEM, bool, compute)


def _any_point(tables: Tables, hits: Bools) -> Bools:
    """bool[metrics]: metrics of which any point in the batch is hit."""
    found = np.zeros(tables.size(Level.ITEM), bool)
    found[tables.index(Level.ITEM, Level.POINT)[hits]] = True
    return found


ITEM_FUNCTIONS = {
    "HasAttrKeyOnDatapoint": ItemFunction(("metric",), ("key",), _has_key),
    "HasAttrOnDatapoint": ItemFunction(("metric",), ("key", "value"), _has_attribute),
    "IsRootSpan": ItemFunction(("span",), (), _is_root_span),
    "Now": ItemFunction((), (), _now),
}
