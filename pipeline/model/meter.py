"""Meter: where a component's metrics live, from the first measurement to export.

Instruments with the same labels share a series table: the rows of a batch are found once. All methods run under the
engine's lock; what ``collect`` returns may be rendered anywhere.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import count
from typing import TypeVar

import numpy as np
import numpy.typing as npt

from pipeline.model import checkpoint
from pipeline.model.instruments import (
    Counter,
    ExponentialHistogram,
    Gauge,
    Histogram,
    Instrument,
    Readout,
    UpDownCounter,
)
from pipeline.model.limits import Limits
from pipeline.model.resources import Resource
from pipeline.model.series import SeriesTable, TableClock
from pipeline.model.snapshot import MetricSnapshot, Scope
from pipeline.model.spans import Label, label

__all__ = [
    "Counter",
    "ExponentialHistogram",
    "Gauge",
    "Histogram",
    "Instrument",
    "Limits",
    "Meter",
    "SeriesTable",
    "UpDownCounter",
]

DEFAULT_BUCKETS_S = (0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0)
"""Bounds that the semantic conventions advise for durations in seconds (HTTP metrics, http.server.request.duration)."""

_Kind = TypeVar("_Kind", bound=Instrument)
Labels = Sequence[str | Label]


class Meter:
    """The instruments of one component.

    Args:
        scope_name: Instrumentation scope of the metrics.
        clock: Wall clock for timestamps, monotonic for idleness.
        limits: Of each series table, unless one is made with others.

    Attributes:
        timestamp_offset_nano: Taken off the time of all points.
    """

    def __init__(
        self, scope_name: str, clock: TableClock, limits: Limits | None = None, scope_version: str = ""
    ) -> None:
        self.scope = Scope(scope_name, scope_version)
        self.clock = clock
        self.limits = limits or Limits()
        self.timestamp_offset_nano = 0
        self.tables: list[SeriesTable] = []
        self.instruments: dict[str, Instrument] = {}
        self.numbers = count(1)
        self.sequence = count(1)
        self._delta_since_unix_nano = 0
        self._shared: dict[tuple[object, ...], SeriesTable] = {}
        self._merged: tuple[list[int], tuple[Resource, ...], list[npt.NDArray[np.int32]]] | None = None

    # -- making instruments ------------------------------------------------------------------------

    def table(
        self,
        labels: Labels = (),
        *,
        per_resource: bool = False,
        resource_keys: Sequence[str] = (),
        limits: Limits | None = None,
    ) -> SeriesTable:
        """The series table with these labels and limits, made when first asked for."""
        if isinstance(labels, str):
            raise TypeError(f'labels must be a tuple of names, not a string: ("{labels}",) with its comma')
        plain = tuple(label(one) if isinstance(one, str) else one for one in labels)
        limits = limits or self.limits
        identity = (plain, per_resource, tuple(resource_keys), limits)
        if identity not in self._shared:
            names = [one.name for one in plain]
            if len(set(names)) != len(names):
                raise ValueError(f"labels appear twice: {names}")
            self._shared[identity] = SeriesTable(
                plain,
                self.clock,
                per_resource=per_resource,
                resource_keys=tuple(resource_keys),
                limits=limits,
                numbers=self.numbers,
                sequence=self.sequence,
            )
            self.tables.append(self._shared[identity])
        return self._shared[identity]

    def counter(
        self,
        name: str,
        unit: str = "",
        description: str = "",
        labels: Labels = (),
        *,
        per_resource: bool = False,
        limits: Limits | None = None,
        table: SeriesTable | None = None,
        exemplars: bool = False,
    ) -> Counter:
        """A sum that only grows. ``table`` takes the place of ``labels``, ``per_resource`` and ``limits``."""
        table = self._table(table, labels, per_resource, limits)
        return self._register(Counter(self._new(name), unit, description, table, exemplars))

    def up_down_counter(
        self,
        name: str,
        unit: str = "",
        description: str = "",
        labels: Labels = (),
        *,
        per_resource: bool = False,
        limits: Limits | None = None,
        table: SeriesTable | None = None,
    ) -> UpDownCounter:
        """A sum that may also fall."""
        table = self._table(table, labels, per_resource, limits)
        return self._register(UpDownCounter(self._new(name), unit, description, table))

    def gauge(
        self,
        name: str,
        unit: str = "",
        description: str = "",
        labels: Labels = (),
        *,
        per_resource: bool = False,
        limits: Limits | None = None,
        table: SeriesTable | None = None,
    ) -> Gauge:
        """The latest value."""
        table = self._table(table, labels, per_resource, limits)
        return self._register(Gauge(self._new(name), unit, description, table))

    def histogram(
        self,
        name: str,
        unit: str = "",
        description: str = "",
        labels: Labels = (),
        *,
        buckets: Sequence[float] = DEFAULT_BUCKETS_S,
        resolution: float = 1e-9,
        per_resource: bool = False,
        limits: Limits | None = None,
        table: SeriesTable | None = None,
        exemplars: bool = False,
    ) -> Histogram:
        """Counts per bucket, and a sum kept exactly in multiples of ``resolution``."""
        table = self._table(table, labels, per_resource, limits)
        return self._register(Histogram(self._new(name), unit, description, table, buckets, resolution, exemplars))

    def exponential_histogram(
        self,
        name: str,
        unit: str = "",
        description: str = "",
        labels: Labels = (),
        *,
        max_size: int = 160,
        resolution: float = 1e-9,
        per_resource: bool = False,
        limits: Limits | None = None,
        table: SeriesTable | None = None,
        exemplars: bool = False,
    ) -> ExponentialHistogram:
        """Base-2 exponential histogram of at most ``max_size`` buckets."""
        table = self._table(table, labels, per_resource, limits)
        return self._register(
            ExponentialHistogram(self._new(name), unit, description, table, max_size, resolution, exemplars)
        )

    # -- life of the metrics -----------------------------------------------------------------------

    def collect(self, now_unix_nano: int, delta: bool = False, exported: bool = True) -> MetricSnapshot:
        """All metrics as of now.

        Args:
            now_unix_nano: Time of the points.
            delta: Counters and histograms as differences to the last collect with ``delta``, without series that did
                not change. One exporter at most may use this.
            exported: False for those who only look: a series that no exporter has got does not expire earlier for it.
        Cost: a copy of the columns' live rows.
        """
        resources, positions = self._resources()
        views = {id(table): table.view(position) for table, position in zip(self.tables, positions, strict=True)}
        metrics = []
        for instrument in self.instruments.values():
            rows, series = views[id(instrument.table)]
            metric = instrument.metric(Readout(rows, series, delta, self._delta_since_unix_nano))
            if metric is not None:
                metrics.append(metric)
        for table in self.tables if exported else ():
            table.note_collected(delta)
        if delta:
            self._delta_since_unix_nano = now_unix_nano
        return MetricSnapshot(resources, self.scope, tuple(metrics), now_unix_nano - self.timestamp_offset_nano)

    def tick(self, _now_unix_nano: int = 0) -> None:
        """Expire idle series and resources. Idleness is monotonic: the wall clock may jump."""
        for table in self.tables:
            table.expire()

    def stats(self) -> dict[str, int]:
        """Figures for self-telemetry: ``series``, ``series_limit``, ``resources``, ``created``, ``expired``,
        ``evicted``, ``refused`` (measurements that were none), ``bytes``, and ``overflowed.<reason>``: spans counted in
        a series other than their own.
        """
        figures = {
            "series": sum(table.live for table in self.tables),
            "series_limit": sum(table.limits.max_series for table in self.tables),
            "resources": sum(table.resources.live for table in self.tables),
            "refused": sum(instrument.refused for instrument in self.instruments.values()),
            "bytes": self.nbytes,
        }
        for table in self.tables:
            for name, value in (
                *table.counters.items(),
                *((f"overflowed.{k}", v) for k, v in table.overflowed.items()),
            ):
                figures[name] = figures.get(name, 0) + value
        return figures

    @property
    def nbytes(self) -> int:
        """Memory of all columns and keys."""
        tables = sum(table.nbytes for table in self.tables)
        return tables + sum(instrument.nbytes for instrument in self.instruments.values())

    def snapshot(self) -> bytes:
        """All series and their values, for ``restore`` in a meter with the same instruments."""
        return checkpoint.save(self.tables, self.instruments, self._delta_since_unix_nano)

    def restore(self, state: bytes) -> str | None:
        """Take up what ``snapshot`` gave. Call it before the first measurement.

        Returns:
            None, or why tables start empty: their labels or instruments differ, or the bytes are no snapshot. Never
                raises for bytes.
        """
        self._delta_since_unix_nano, reason = checkpoint.load(state, self.tables, self.instruments)
        return reason

    # -- inside ------------------------------------------------------------------------------------

    def _table(
        self, table: SeriesTable | None, labels: Labels, per_resource: bool, limits: Limits | None
    ) -> SeriesTable:
        if table is not None:
            return table
        return self.table(labels, per_resource=per_resource, limits=limits)

    def _new(self, name: str) -> str:
        if name in self.instruments:
            raise ValueError(f"there is already an instrument {name!r}")
        return name

    def _register(self, instrument: _Kind) -> _Kind:
        self.instruments[instrument.name] = instrument
        return instrument

    def _resources(self) -> tuple[tuple[Resource, ...], list[npt.NDArray[np.int32]]]:
        """The resources of all tables, and per table the index of each of its slots (-1: free or none)."""
        changes = [table.changes for table in self.tables]
        if self._merged is not None and self._merged[0] == changes:
            return self._merged[1], self._merged[2]
        merged: dict[bytes, int] = {}
        resources: list[Resource] = []
        positions = []
        for table in self.tables:
            position = np.full(table.no_resource + 1, -1, np.int32)
            for slot, resource in enumerate(table.resources.slots):
                if resource is None:
                    continue
                known = merged.setdefault(table.resources.identity_of(slot), len(resources))
                if known == len(resources):
                    resources.append(resource)
                position[slot] = known
            positions.append(position)
        self._merged = (changes, tuple(resources), positions)
        return self._merged[1], self._merged[2]
