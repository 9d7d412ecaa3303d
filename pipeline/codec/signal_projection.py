"""What the decoders of all signals share: bytes of an export request ↔ a batch.

A signal is a table of messages (``codec/otlp_traces.py``, ``otlp_metrics.py``, ``otlp_logs.py``); the walker carries it
out, the batch reads what the walker wrote.
"""

from __future__ import annotations

from collections.abc import Iterable
from enum import IntEnum
from typing import Any, ClassVar, Generic, TypeVar

import numpy as np

from pipeline.codec.item_edits import ItemEdits
from pipeline.codec.otlp_encode import encode
from pipeline.codec.projection import (
    DEFAULT_LIMITS,
    Entry,
    Limits,
    Messages,
    Projection,
    attributes,
    raw,
    rows,
    string,
)
from pipeline.model.batch import Batch
from pipeline.model.column import Bools
from pipeline.model.columns import DERIVED
from pipeline.model.editor import Change
from pipeline.model.records import HEADER, Level, Records

B = TypeVar("B", bound=Batch)


def envelope(request: str, resource: str, scope: str, item: str) -> dict[str, dict[int, Entry]]:
    """The messages above the items, which differ between signals in nothing but their names."""
    return {
        request: {1: rows(Level.RESOURCE, resource)},
        resource: {1: raw("resource", "Resource"), 2: rows(Level.SCOPE, scope)},
        "Resource": {1: attributes("resource.")},
        scope: {1: raw("scope", "InstrumentationScope"), 2: rows(Level.ITEM, item), 3: string("scope.schema_url")},
        "InstrumentationScope": {
            1: string("scope.name"),
            2: string("scope.version"),
            3: attributes("scope.attributes."),
        },
    }


class SignalProjection(Projection, Generic[B]):
    """Decoder and encoder of one signal for a set of columns, shared by all threads that receive.

    Args:
        columns: Names from ``model/columns.py``.
        limits: What one request may hold.
    Raises:
        KeyError: The signal has no such column.
    """

    messages: ClassVar[Messages]
    batch: ClassVar[type[Any]]
    defects: ClassVar[type[IntEnum] | None] = None
    """What items are rejected for."""
    needed: ClassVar[tuple[str, ...]] = ()
    """Wire columns that are always decoded, because items are checked by them."""

    def __init__(self, columns: Iterable[str], limits: Limits = DEFAULT_LIMITS) -> None:
        wanted = set(columns)
        self.readable = frozenset(wanted)
        wire_columns = {need for column in wanted for need in DERIVED.get(column, (column,))}
        super().__init__(self.messages, wire_columns | set(self.needed), limits)
        self._edits = ItemEdits(self.messages, self.batch.item_level, self)

    def decode(self, payload: bytes) -> tuple[B, dict[str, int]]:
        """Decode one request.

        Args:
            payload: Uncompressed protobuf. The caller has already enforced the limit on its size.
        Returns:
            The items that can be accepted, and how many cannot be, by reason.
        Raises:
            MalformedPayload: Truncated field, invalid tag, invalid UTF-8 in a column, nesting. Carries the byte offset.
            PayloadTooLarge: More items than ``Limits`` allow.
        Cost: one pass over the bytes with the GIL released; a second one where the guess of the number of items was too
            low.
        """
        records, defects = self.walk(payload)
        batch: B = self.batch(records, self)
        defects += self.check(records)
        if not defects:
            return batch, {}
        return self._without_defects(batch)

    def check(self, records: Records) -> int:  # noqa: ARG002 - some signals need none
        """Raise defect bits that the walker cannot know of; the number of items that have any."""
        return 0

    def is_editable(self, column: str) -> bool:
        """Whether ``Batch.edit`` can change a column."""
        return self._edits.is_editable(column)

    def write(self, batch: B) -> Records:
        """The records of a batch with its edits written into the bodies of its rows."""
        return self._edits.write(batch)

    def refresh(self, batch: B, records: Records) -> None:
        """Let columns that hold messages whole show the edits of records that nobody else has."""
        self._edits.refresh(batch, records)

    def joined(self, records: Records, level: Level, row: int) -> bytes:
        """The resource or scope of a row of the table of resources or scopes, its parts joined."""
        return self._edits.joined(records, level, row)

    def change_keys(self, batch: B, prefix: str, change: Change, where: Bools) -> Records:
        """The records of a batch in which attributes below a prefix are changed or gone."""
        return self._edits.change_keys(batch, prefix, change, where)

    def encode(self, batch: B) -> bytes:
        """The items as an export request of the original bytes."""
        return encode(batch, self._edits)

    def _without_defects(self, batch: B) -> tuple[B, dict[str, int]]:
        header = batch.records.column(batch.item_level, HEADER)
        rejected: dict[str, int] = {}
        counted = np.zeros(len(header), bool)
        for defect in self.defects or ():
            bad = ((header & np.uint64(defect)) != 0) & ~counted
            if bad.any():
                rejected[defect.name.lower()] = int(bad.sum())
                counted |= bad
        return batch.where(~counted), rejected
