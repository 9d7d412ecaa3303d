"""Labels whose names are not known beforehand: attributes that match a glob, attributes of a resource.

A series table has a fixed list of labels. A few of them are held ready without a name, and get one when an attribute
first needs it. Series made before have no value there, so naming a label changes none of them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from pipeline.api import Label
from pipeline.model.series import SeriesTable
from processors.span_metrics.derived import derived_column

MOST = 32
"""Attribute keys that a set of globs may find, and of a resource in traces_target_info. A label that all series lack
costs two bytes in each of their keys."""


class OpenLabels:
    """``MOST`` labels that get their names in order of appearance.

    Args:
        purpose: Tells several sets of one processor apart.
        rename: From attribute key to label name.

    Attributes:
        labels: For the table.
        columns: The derived columns that the labels read.
    """

    def __init__(self, purpose: str, rename: Callable[[str], str] = str) -> None:
        self._rename = rename
        self.columns = tuple(derived_column(f"{purpose}.{number}") for number in range(MOST))
        self.labels = tuple(Label(column, (column,)) for column in self.columns)
        self.names: list[str] = []
        self._places: dict[str, int] = {}
        self._tables: list[tuple[SeriesTable, int]] = []

    def bind(self, table: SeriesTable) -> None:
        """Name the labels of this table from now on; it has all of ``labels``, one behind the other."""
        self._tables.append((table, table.labels.index(self.labels[0])))

    def place(self, key: str) -> int:
        """Which of the labels is that of an attribute key; -1: none is left, or a label of that name exists already."""
        name = self._rename(key)
        place = self._places.get(name)
        if place is None:
            if self.full or any(name in table.label_names for table, _ in self._tables):
                return -1
            place = self._places[name] = len(self.names)
            self.names.append(name)
            self._show((name,), place)
        return place

    @property
    def full(self) -> bool:
        """No label is left."""
        return len(self.names) == MOST

    def restore(self, names: Iterable[str]) -> None:
        """Take up ``names`` of an earlier run."""
        self.names = list(names)[:MOST]
        self._places = {name: place for place, name in enumerate(self.names)}
        self._show(self.names, 0)

    def _show(self, names: Sequence[str], place: int) -> None:
        for table, first in self._tables:
            shown = list(table.label_names)
            shown[first + place : first + place + len(names)] = names
            table.label_names = tuple(shown)
