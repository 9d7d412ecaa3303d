"""LabelPlan: where a batch keeps the values of labels, as numbers that a native loop follows.

::

    plan   = labels, room for digits | per label: sources, default, source … | enum names     all int64
    source = level, word, kind, number, first enum name, enum names

Texts that are not in the payload (true, false, defaults, enum names) stand in ``texts``; they are given as ranges,
``offset << 32 | length``, no default as ``NO_TEXT``. In its room for digits the loop writes the numbers of a span,
``DIGITS`` bytes for each label.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import numpy as np

from pipeline.model.attribute_text import cell_text
from pipeline.model.columns import ENUM_NAMES, is_column, no_column
from pipeline.model.key_hash import SPARE
from pipeline.model.key_text import FIXED_TEXTS
from pipeline.model.label_cells import NO_TEXT
from pipeline.model.records import Field, Kind, Records, ValueType, Words
from pipeline.model.spans import Label

_LABEL_KINDS = (Kind.STRING, Kind.UINT, Kind.ENUM, Kind.ATTRIBUTE)
DIGITS = 32


class Fields(Protocol):
    """A projection."""

    def field(self, column: str) -> Field | None:
        """Where a column stands."""


class LabelPlan:
    """The plan for labels under one projection.

    Attributes:
        codes: int64, see above.
        texts: uint8.
        sources: Field of each source, by number.

    Raises:
        KeyError: A label's column is not in the projection, or cannot be a label.
    """

    def __init__(self, projection: Fields, labels: Sequence[Label]) -> None:
        self.sources: list[Field] = []
        self._texts = bytearray(FIXED_TEXTS)
        codes = [len(labels), 0]
        enums: list[tuple[int, str]] = []
        for label in labels:
            codes += [len(label.columns), self._text(label.default)]
            for column in label.columns:
                field = _field(projection, label, column)
                if field.kind == Kind.ENUM:
                    enums.append((len(codes) + 4, column))
                codes += [field.level, field.word, field.kind, len(self.sources), 0, 0]
                self.sources.append(field)
        for place, column in enums:
            codes[place : place + 2] = len(codes), len(ENUM_NAMES[column])
            for name in ENUM_NAMES[column]:
                codes.append(self._text(name))
        codes[1] = len(self._texts)
        self.codes = np.array(codes, np.int64)
        self.texts = np.frombuffer(bytes(self._texts) + bytes(len(labels) * DIGITS + SPARE), np.uint8).copy()

    def _text(self, text: str | None) -> int:
        """The range of a text."""
        if text is None:
            return NO_TEXT
        encoded = text.encode(errors="replace")
        place = len(self._texts)
        self._texts += encoded
        return place << 32 | len(encoded)


class SlowCells:
    """Values whose text takes Python (doubles, bytes, arrays, maps), formatted once per distinct value and source of a
    batch. ``texts`` begins with those of the plan.
    """

    def __init__(self, plan: LabelPlan, records: Records) -> None:
        self._plan = plan
        self._records = records
        self.first = np.full(len(plan.sources), -1, np.int64)
        self.words: Words = np.zeros(1, np.uint64)
        self.texts = plan.texts

    def format(self, source: int) -> None:
        """Format all such cells of one source."""
        field = self._plan.sources[source]
        records = self._records
        kinds = records.column(field.level, field.word)
        values = records.column(field.level, field.word + 1)
        slow = np.flatnonzero((kinds >= ValueType.DOUBLE) & (kinds <= ValueType.BYTES))
        ranges = np.zeros(len(kinds), np.uint64)
        texts = bytearray(self.texts.tobytes())
        seen: dict[tuple[int, int | bytes], int] = {}
        for row, kind, value in zip(slow.tolist(), kinds[slow].tolist(), values[slow].tolist(), strict=True):
            identity = (kind, value if kind == ValueType.DOUBLE else records.slice(value))
            if identity not in seen:
                text = cell_text(records, kind, value).encode(errors="replace")
                seen[identity] = len(texts) << 32 | len(text)
                texts += text
            ranges[row] = seen[identity]
        self.first[source] = len(self.words)
        self.words = np.concatenate((self.words, ranges))
        self.texts = np.frombuffer(bytes(texts) + bytes(SPARE), np.uint8).copy()


def _field(projection: Fields, label: Label, column: str) -> Field:
    field = projection.field(column)
    if field is None:
        known = "declare it in `reads`" if is_column(column) else no_column(column)
        raise KeyError(f"label {label.name!r} takes column {column!r}, which is not in this batch: {known}")
    if field.kind not in _LABEL_KINDS:
        raise KeyError(f"label {label.name!r} takes column {column!r}, which has no text form")
    return field
