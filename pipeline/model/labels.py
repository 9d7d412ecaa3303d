"""Labels: which columns of a batch become which attribute of a metric, and batches grouped by them."""

from __future__ import annotations

from functools import cached_property
from typing import Any, NamedTuple

import numpy as np

from pipeline.model.column import Int32s
from pipeline.model.columns import ATTRIBUTE_PREFIXES


class Label(NamedTuple):
    """A label of a metric: its attribute key, the columns tried in order, and the value where none has one (None: no
    label).
    """

    name: str
    columns: tuple[str, ...]
    default: str | None = None


_LABEL_NAMES = {
    "name": "span.name",
    "kind": "span.kind",
    "status_code": "status.code",
    "status_message": "status.message",
}


def label(column: str, default: str | None = None) -> Label:
    """The label of one column, named as the span metrics connector names it.

    >>> label("resource.service.name").name, label("span.http.route").name, label("kind").name
    ('service.name', 'http.route', 'span.kind')
    """
    for prefix in ATTRIBUTE_PREFIXES:
        if column.startswith(prefix):
            return Label(column.removeprefix(prefix), (column,), default)
    return Label(_LABEL_NAMES.get(column, column), (column,), default)


class Groups:
    """Items grouped by labels: what instruments take. ``spans`` is their batch, of any signal.

    ``ids`` and ``keys`` are local to the batch. Instruments do not use them: they resolve the labels in their own
    series table, once per table, and remember the result in ``memo``.
    """

    __slots__ = ("__dict__", "labels", "memo", "spans")

    def __init__(self, spans: Any, labels: tuple[Label, ...]) -> None:
        self.spans = spans
        self.labels = labels
        self.memo: dict[Any, Any] = {}

    @cached_property
    def _grouped(self) -> tuple[Int32s, list[tuple[str | None, ...]]]:
        n = len(self.spans)
        key = np.zeros(n, np.int64)
        columns = [self.spans.coalesce(one) for one in self.labels]
        for column in columns:
            key = key * (len(column.values) + 1) + column.codes + 1
            if key.size and key.max() > 1 << 40:  # keep the folded key small: renumber before it can overflow
                key = np.unique(key, return_inverse=True)[1].astype(np.int64)
        _, examples, ids = np.unique(key, return_index=True, return_inverse=True)
        cells = [column.tolist() for column in columns]
        keys = [tuple(column[example] for column in cells) for example in examples.tolist()]
        return ids.astype(np.int32), keys

    @property
    def ids(self) -> Int32s:
        """int32[n]: the group of each item."""
        return self._grouped[0]

    @property
    def keys(self) -> list[tuple[str | None, ...]]:
        """Label values per group."""
        return self._grouped[1]
