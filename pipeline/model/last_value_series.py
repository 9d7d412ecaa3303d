"""Families, parts and series of ``LastValues``: where the newest values stand."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from pipeline.model.snapshot import ABSENT_LENGTH, KEY_HEADER, Exemplars, Scope, SeriesView, Temporality
from pipeline.model.value_columns import ValueColumn
from pipeline.model.value_rows import ValueRows

Int64s = npt.NDArray[np.int64]
Indices = npt.NDArray[np.intp]

PointKey = tuple[int, bytes, bytes]
"""Resource, attributes as encoded, bounds or quantiles as encoded: what points of one series usually share."""
LabelKey = tuple[int, tuple[str, ...], bytes]
"""Resource, sorted attribute keys, their values: what points of one series always share."""


class FamilyKey(NamedTuple):
    """What makes a metric the same."""

    scope: bytes
    schema_url: str
    name: str
    type: int
    is_monotonic: bool


class Series:
    """One series: where its values stand, and under which keys it is found."""

    __slots__ = ("aliases", "family", "key", "part", "row")

    def __init__(self, family: Family, key: LabelKey, part: Part) -> None:
        self.family = family
        self.key = key
        self.part = part
        self.row = -1
        self.aliases: list[PointKey] = []


class Part(ValueRows[Series]):
    """The series of a family that have the same labels and bounds: what becomes one ``Metric``.

    Attributes:
        shape: Bounds or quantiles as encoded.
        resource: int64, number of the resource.
        created: int64, ever growing.
        exemplars: Of the newest points that had some: value, time, trace id, span id.
    """

    numbers = (*ValueRows.numbers, "resource", "created")

    def __init__(self, labels: tuple[str, ...], shape: bytes, column: ValueColumn) -> None:
        super().__init__(column)
        self.labels = labels
        self.shape = shape
        self.keys: list[bytes] = []
        self.resource: Int64s = np.zeros(0, np.int64)
        self.created: Int64s = np.zeros(0, np.int64)
        self.exemplars: dict[Series, tuple[npt.NDArray[Any], ...]] = {}
        self._arena: tuple[npt.NDArray[np.uint8], npt.NDArray[np.uint64], npt.NDArray[np.uint32]] | None = None

    def add(self, series: Series, created: int) -> None:
        """A new series, at the end."""
        row = self.append(series)
        self.keys.append(bytes(KEY_HEADER) + series.key[2])
        self.resource[row], self.created[row] = series.key[0], created
        self._arena = None

    def remove(self, one: Series) -> int:
        """The last series takes the place of one that is gone."""
        row = super().remove(one)
        self.keys[row] = self.keys[-1]
        del self.keys[-1]
        self.exemplars.pop(one, None)
        self._arena = None
        return row

    def view(self, rows: Indices, places: Int64s) -> SeriesView:
        """The series in these rows; ``places``: number of a resource → index in the snapshot."""
        if self._arena is None:
            lengths = np.fromiter(map(len, self.keys), np.uint32, len(self.keys))
            begins = np.cumsum(lengths, dtype=np.uint64) - lengths
            self._arena = np.frombuffer(b"".join(self.keys), np.uint8), begins, lengths
        arena, begins, lengths = self._arena
        resources = places[self.resource[rows]].astype(np.int32)
        return SeriesView(
            self.labels, arena, begins[rows], lengths[rows], resources, self.start[rows], self.created[rows]
        )

    def samples(self, rows: Indices, bounds: Sequence[float]) -> Exemplars | None:
        """Exemplars of the series in these rows, which ascend."""
        if not self.exemplars:
            return None
        place = dict(zip(rows.tolist(), range(len(rows)), strict=True))
        known = [(place[series.row], taken) for series, taken in self.exemplars.items() if series.row in place]
        if not known:
            return None
        known.sort(key=lambda pair: pair[0])
        points = [np.full(len(taken[0]), point, np.int32) for point, taken in known]
        value, time, trace_id, span_id = (np.concatenate([taken[i] for _, taken in known]) for i in range(4))
        bucket = (
            np.searchsorted(np.array(bounds), value).astype(np.int32) if bounds else np.full(len(value), -1, np.int32)
        )
        return Exemplars(np.concatenate(points), bucket, value, time.astype(np.int64), trace_id, span_id)


class Family:
    """A metric of one scope."""

    def __init__(self, key: FamilyKey, scope: Scope) -> None:
        self.key = key
        self.scope = scope
        self.description = self.unit = ""
        self.temporality = Temporality.CUMULATIVE
        self.parts: dict[tuple[tuple[str, ...], bytes], Part] = {}
        self.by_point: dict[PointKey, Series] = {}
        self.by_labels: dict[LabelKey, Series] = {}

    def remove(self, series: Series) -> None:
        """Forget a series, and its part where it was the last there."""
        part = series.part
        part.remove(series)
        if not part.series:
            del self.parts[part.labels, part.shape]
        del self.by_labels[series.key]
        for alias in series.aliases:
            del self.by_point[alias]


def key_bytes(values: Sequence[bytes]) -> bytes:
    """Label values as in the key of a ``SeriesView``, all present."""
    assert all(len(value) < ABSENT_LENGTH for value in values)  # noqa: S101
    return b"".join(len(value).to_bytes(2, "little") + value for value in values)
