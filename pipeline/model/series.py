"""SeriesTable: rows are label sets, columns are instruments.

A native loop (``row_finder``) finds the row of each span of a batch. What it does not find comes here, is checked
against the limits, gets a row or is sent to an overflow series, and the loop goes on::

    span → key bytes ─ known ────────────────────────────────────────────────→ row
                     └ new ─ label full? ─→ its value becomes OVERFLOW_VALUE ─→ row
                           ├ table or resource full? ─→ overflow series of its resource
                           └ otherwise ─→ new row

Totals are exact at every limit, since each span is counted in exactly one row. Once a limit is reached the loop handles
it by itself.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import count
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from pipeline.model.batch import Batch
from pipeline.model.key_store import KeyStore, enlarged, new_secret
from pipeline.model.key_text import label_bytes
from pipeline.model.label_cells import LabelCells
from pipeline.model.label_limit import LabelLimit
from pipeline.model.label_plan import LabelPlan, SlowCells
from pipeline.model.labels import Groups, Label
from pipeline.model.limits import Limits as Limits
from pipeline.model.records import REPEATED, Level
from pipeline.model.resources import Resource, ResourceTable, SavedResource
from pipeline.model.row_finder import (
    DONE,
    MISS,
    NEED_RESOURCE,
    OVERFLOW_REASONS,
    REFUSED_RESOURCE,
    SLOW_CELL,
    RowFinder,
)
from pipeline.model.snapshot import ABSENT_LENGTH, NO_RESOURCE, OVERFLOW_LABEL, SeriesView, key_values

Rows = npt.NDArray[np.int32]
LabelValues = tuple[str | None, ...]

EVICT_IDLE_NS = 60 * 1_000_000_000
"""A full table gives up a resource for a new one only if nothing came from it for so long: else two senders could take
turns.
"""
HOLD_UNCOLLECTED_NS = 300 * 1_000_000_000
"""What nobody collected since its last change is kept this much longer than its expiry, so that its last increments are
seen.
"""

_ABSENT = ABSENT_LENGTH.to_bytes(2, "little")
_NO_RESOURCES = np.zeros(1, np.int32)


class TableClock(Protocol):
    """What a table needs of a clock."""

    def unix_nano(self) -> int:
        """Wall clock, for timestamps."""

    def monotonic_nano(self) -> int:
        """For idleness."""


class RowColumn(Protocol):
    """An instrument, as its table sees it."""

    def resize(self, capacity: int) -> None:
        """Make room for this many rows; new rows are empty."""

    def clear(self, rows: Rows) -> None:
        """Empty rows that are about to be used again."""


NewRow = Callable[["SeriesTable", int, LabelValues, Resource | None], None]


class SeriesTable:
    """See the module.

    Args:
        labels: The labels of a row. Their columns are read from batches; labels that are only given as values need
            none.
        clock: Wall clock for created timestamps, monotonic for idleness: a frozen clock expires nothing.
        per_resource: Rows of different resources are different, and lead to their resource on export.
        resource_keys: Attributes that make a resource's identity; none: all. What is exported are the attributes seen
            first.
        numbers, sequence: Counters shared by the tables of a meter, for resource ids and ``created_seq``.

    Attributes:
        capacity: Rows that instruments must have room for.
        generation: Changes whenever rows were freed. Row numbers kept longer than one batch are valid only while it
            stays the same.
        changes: Changes whenever rows were created or freed.
        on_new_row: Called with (table, row, label values, resource) after a row was created; may call ``ensure_row``,
            which does not call back again.
        counters: ``created``, ``expired``, ``evicted``.
    """

    def __init__(
        self,
        labels: tuple[Label, ...],
        clock: TableClock,
        *,
        per_resource: bool = False,
        resource_keys: tuple[str, ...] = (),
        limits: Limits | None = None,
        numbers: Iterator[int] | None = None,
        sequence: Iterator[int] | None = None,
    ) -> None:
        self.labels = labels
        self.label_names = (*(label.name for label in labels), OVERFLOW_LABEL)
        self.clock = clock
        self.per_resource = per_resource
        self.resource_keys = resource_keys
        self.limits = limits = limits or Limits()
        self.on_new_row: NewRow | None = None
        self.counters = {"created": 0, "expired": 0, "evicted": 0}
        self.generation = 0
        self.changes = 0
        self._sequence = sequence if sequence is not None else count(1)
        slots = limits.max_resources if per_resource else 0
        self.no_resource = slots
        self.resources = ResourceTable(
            slots, resource_keys, limits.max_label_bytes, numbers if numbers is not None else count(1)
        )
        secret = new_secret(len(labels), limits.max_label_bytes)
        self.keys = KeyStore(secret, limits.max_series + slots + 1)
        self.updated = np.zeros(self.keys.capacity, np.int64)
        self.created_unix_nano = np.zeros(self.keys.capacity, np.int64)
        self.created_seq = np.zeros(self.keys.capacity, np.int64)
        self.row_resource = np.zeros(self.keys.capacity, np.int32)
        self.overflow_rows = np.full(slots + 1, -1, np.int32)
        self._label_limit = (
            LabelLimit(len(labels), limits.max_values_per_label, secret)
            if limits.max_values_per_label and labels
            else None
        )
        self._series = 0
        self._series_of = np.zeros(slots + 1, np.int64)
        self._resource_full = np.zeros(slots + 1, np.uint8)
        self._overflowed = np.zeros(len(OVERFLOW_REASONS), np.int64)
        self._columns: list[RowColumn] = []
        self._plans: dict[int, tuple[Any, LabelPlan]] = {}
        values = self._label_limit.store.index if self._label_limit else None
        self._cells = LabelCells(self.keys.index, len(labels), limits.max_label_bytes)
        self._finder = RowFinder(
            self.keys.index, values, self._cells, len(labels), limits.max_label_bytes, per_resource
        )
        self._followed: LabelPlan | None = None
        self._bound = -1
        self._last_rows: Rows | None = None
        self._in_callback = False
        self._collected_at = -1
        self._delta_at: int | None = None
        self._view: tuple[int, npt.NDArray[np.int32], Rows, SeriesView] | None = None
        label_full = self._label_limit.full if self._label_limit else np.zeros(len(labels) + 1, np.uint8)
        self._finder.bind_limits(
            self.resources.updated, self.overflow_rows, self._resource_full, label_full, self._overflowed
        )
        self._rebind()

    # -- what instruments and processors call ------------------------------------------------------

    @property
    def capacity(self) -> int:
        """Rows that instruments must have room for."""
        return self.keys.capacity

    @property
    def overflowed(self) -> dict[str, int]:
        """Spans counted in a series other than their own, by the limit that caused it."""
        return dict(zip(OVERFLOW_REASONS, self._overflowed.tolist(), strict=True))

    @property
    def live(self) -> int:
        """Rows in use, overflow rows included."""
        return self.keys.live

    @property
    def nbytes(self) -> int:
        """Memory of the table without its instruments."""
        per_row = (self.updated, self.created_unix_nano, self.created_seq, self.row_resource)
        return self.keys.nbytes + sum(column.nbytes for column in per_row)

    def attach(self, column: RowColumn) -> None:
        """Tell ``column`` about growth and freed rows from now on."""
        column.resize(self.capacity)
        self._columns.append(column)

    def resolve(self, target: Target) -> Rows:
        """Rows that an instrument is given: of a batch, of groups, int32 row numbers (negative: passed over), or one
        label set.
        """
        if isinstance(target, Groups):
            return self._rows_of_groups(target)
        if isinstance(target, Batch):
            return self.rows_of(target)
        if isinstance(target, np.ndarray):
            if target is not self._last_rows:
                target = np.ascontiguousarray(target)
                self._touch(target)
            return target
        values = (target,) if isinstance(target, str) else target
        if not isinstance(values, (tuple, list)):
            raise TypeError(
                f"measurements are of a batch, of its groups, or of label values, not of {type(target).__name__}"
            )
        return np.array([self.row_of(values)], np.int32)

    def rows_of(self, spans: Batch) -> Rows:
        """int32[n]: the row of each span, created where it is new. Cost: see ``benchmarks``; no Python per span that
        has its row.

        Raises:
            KeyError: A label's column is not in the batch.
        """
        now = self.clock.monotonic_nano()
        spans = spans.flat()
        records = spans.records
        out = np.empty(len(spans), np.int32)
        plan, resources = self._begin(spans)
        finder = self._finder
        slow: SlowCells | None = None
        at, status, detail = finder.find(records.payload, records.words, spans.rows, out, 0, now)
        while status != DONE:
            if status == MISS:
                self._create_missing(detail, now)
            elif status == NEED_RESOURCE:
                # what this batch comes from must not be evicted for it
                self.resources.updated[resources[resources >= 0]] = now
                resources[detail] = self._admit(spans.resource_bytes(detail), now)
            elif status == SLOW_CELL:
                slow = slow or SlowCells(plan, records)
                self._followed = None
                slow.format(detail)
                self._cells.set_slow(slow.first, slow.words, slow.texts)
            at, status, detail = finder.find(records.payload, records.words, spans.rows, out, at, now)
        self._last_rows = out
        return out

    def finder_of(self, spans: Batch) -> RowFinder:
        """The loop behind ``rows_of``, for a native loop that asks it for rows of this batch one by one."""
        spans = spans.flat()
        self._begin(spans)
        self._finder.look_at(spans.records.payload, spans.records.words, self.clock.monotonic_nano())
        return self._finder

    def row_of(self, values: Sequence[str | None], resource: Resource | None = None) -> int:
        """The row of one label set, created where it is new; an overflow row at a limit."""
        now = self.clock.monotonic_nano()
        slot = self._slot_for(resource)
        if slot == REFUSED_RESOURCE:
            self._count_overflow("resource_limit")
            row = self._overflow_row(self.no_resource, now)
        else:
            row = self._find_or_create(values, slot, now)
            if row < 0:
                self._count_overflow("series_limit" if self._is_full() else "resource_series_limit")
                row = self._overflow_row(slot, now)
        self._stamp(row, now)
        return row

    def ensure_row(self, values: Sequence[str | None], resource: Resource | None = None) -> int:
        """As ``row_of``, but -1 at a limit: for series that shall exist at zero."""
        now = self.clock.monotonic_nano()
        slot = self._slot_for(resource)
        row = -1 if slot == REFUSED_RESOURCE else self._find_or_create(values, slot, now)
        if row >= 0:
            self._stamp(row, now)
        return row

    def overflow_row(self) -> int:
        """The overflow series without resource, for measurements whose labels were kept out elsewhere."""
        now = self.clock.monotonic_nano()
        row = self._overflow_row(self.no_resource, now)
        self._stamp(row, now)
        return row

    def labels_of(self, row: int) -> dict[str, str]:
        """Labels of a live row."""
        values = key_values(self.keys.key(row))
        return {name: text for name, text in zip(self.label_names, values, strict=True) if text is not None}

    def resource_of(self, row: int) -> Resource | None:
        """Resource of a live row."""
        slot = int(self.row_resource[row])
        return None if slot == self.no_resource else self.resources.slots[slot]

    # -- time --------------------------------------------------------------------------------------

    def note_collected(self, delta: bool) -> None:
        """Everything up to now was handed to an exporter; ``delta``: to the one that takes differences."""
        now = self.clock.monotonic_nano()
        if delta:
            self._delta_at = now
        self._collected_at = now

    def expire(self) -> None:
        """Remove series and resources that were idle for too long and whose last change was collected."""
        now = self.clock.monotonic_nano()
        updated = self.updated[: self.keys.used]
        live = self.keys.lengths[: self.keys.used] != 0
        gone = np.zeros(len(live), bool)
        if self.limits.expire_series_after_s > 0:
            gone |= self._expired(updated, self.limits.expire_series_after_s, now)
        if self.limits.expire_resource_after_s > 0:
            old = self._expired(self.resources.updated, self.limits.expire_resource_after_s, now)
            old[self.no_resource] = False
            gone |= old[self.row_resource[: self.keys.used]]
        self._remove(np.flatnonzero(gone & live).astype(np.int32), "expired")
        if self.limits.expire_resource_after_s > 0:
            bare = np.flatnonzero(old[:-1] & (self._series_of[:-1] == 0) & (self.overflow_rows[:-1] < 0))
            self.resources.release([slot for slot in bare.tolist() if self.resources.slots[slot] is not None])

    def _expired(self, updated: npt.NDArray[np.int64], after_s: float, now: int) -> npt.NDArray[np.bool_]:
        before = now - round(after_s * 1e9)
        old = updated < before
        if not self._columns:
            return old
        if self._delta_at is not None:
            return old & (updated <= self._delta_at)
        return old & ((updated <= self._collected_at) | (updated < before - HOLD_UNCOLLECTED_NS))

    # -- collecting --------------------------------------------------------------------------------

    def view(self, positions: npt.NDArray[np.int32]) -> tuple[Rows, SeriesView]:
        """Live rows and their series. The same objects as before while no series comes or goes, so exporters may cache
        by identity.

        Args:
            positions: int32 per resource slot (and -1 for none), index of the resource in the batch being made.
        """
        cached = self._view
        if cached is not None and cached[0] == self.changes and np.array_equal(cached[1], positions):
            return cached[2], cached[3]
        rows = self.keys.rows()
        series = SeriesView(
            self.label_names,
            self.keys.arena,
            self.keys.offsets[rows],
            self.keys.lengths[rows],
            positions[self.row_resource[rows]],
            self.created_unix_nano[rows],
            self.created_seq[rows],
        )
        self._view = (self.changes, positions, rows, series)
        return rows, series

    # -- checkpoints -------------------------------------------------------------------------------

    def state(self) -> tuple[dict[str, npt.NDArray[Any]], list[SavedResource]]:
        """Live rows, ascending, as columns; ``resource`` is an index into the second value (-1: none)."""
        now = self.clock.monotonic_nano()
        rows = self.keys.rows()
        slots = [slot for slot, resource in enumerate(self.resources.slots) if resource is not None]
        position = np.full(self.no_resource + 1, -1, np.int32)
        position[slots] = np.arange(len(slots))
        keys = [self.keys.key(row) for row in rows.tolist()]
        columns: dict[str, npt.NDArray[Any]] = {
            "keys": np.frombuffer(b"".join(keys), np.uint8),
            "lengths": self.keys.lengths[rows],
            "resource": position[self.row_resource[rows]],
            "created": self.created_unix_nano[rows],
            "idle": now - self.updated[rows],
        }
        return columns, self.resources.state()

    def restore(self, columns: dict[str, npt.NDArray[Any]], resources: list[SavedResource]) -> Rows:
        """Fill an empty table with what ``state`` gave; returns the rows' new numbers.

        Raises:
            ValueError: The columns do not fit together, or hold more than the limits allow; nothing was changed.
        """
        if self.live:
            raise ValueError("the table is in use")
        keys = _split_keys(columns["keys"].tobytes(), columns["lengths"], len(self.labels), self.limits.max_label_bytes)
        owners = columns["resource"]
        if len({len(column) for name, column in columns.items() if name != "keys"}) != 1:
            raise ValueError("columns differ in length")
        if len(owners) and not -1 <= owners.min() <= owners.max() < len(resources):
            raise ValueError("a series of a resource that is not there")
        if len(set(zip(owners.tolist(), keys, strict=True))) < len(keys):
            raise ValueError("a series is there twice")
        if len(resources) > self.no_resource or len(keys) > self.keys.max_rows:
            raise ValueError("more than the limits allow")
        now = self.clock.monotonic_nano()
        slots = self.resources.restore(resources, now)
        rows = np.empty(len(keys), np.int32)
        for i, (key, owner) in enumerate(zip(keys, owners.tolist(), strict=True)):
            slot = slots[owner] if owner >= 0 else self.no_resource
            number = (slot if owner >= 0 else NO_RESOURCE).to_bytes(4, "little")
            row = rows[i] = self._add_row(number + key, slot, now)
            if key.endswith(_ABSENT):
                self._note_series(number + key, slot)
            else:
                self.overflow_rows[slot] = row
        self.counters["created"] -= len(rows)
        self.created_seq[rows] *= -1  # no exporter takes them for new
        self.created_unix_nano[rows] = columns["created"]
        self.updated[rows] = now - np.maximum(columns["idle"], 0)
        self.resources.updated[:] = 0
        np.maximum.at(self.resources.updated, self.row_resource[rows], self.updated[rows])
        return rows

    # -- finding -----------------------------------------------------------------------------------

    def _rows_of_groups(self, groups: Groups) -> Rows:
        known = groups.memo.get(self)
        if known is not None and known[0] == self.generation:
            rows: Rows = known[1]
            return rows
        if groups.labels != self.labels:
            given = ", ".join(label.name for label in groups.labels)
            own = ", ".join(label.name for label in self.labels)
            raise ValueError(f"spans grouped by ({given}) given to an instrument with labels ({own})")
        rows = self.rows_of(groups.spans)
        groups.memo[self] = (self.generation, rows)
        return rows

    def _touch(self, rows: npt.NDArray[Any]) -> None:
        if rows.dtype != np.int32 or rows.ndim != 1:
            raise TypeError(f"rows must be int32[n], not {rows.dtype}{list(rows.shape)}")
        dead = self._finder.touch(rows, self.clock.monotonic_nano())
        if dead >= 0:
            raise ValueError(f"row {dead} is not in use: look rows up again when `generation` has changed")

    def _begin(self, spans: Batch) -> tuple[LabelPlan, Rows]:
        """Let the finder look for rows of this batch; its plan, and the slots of its resources."""
        plan = self._plan(spans)
        resources = self._known_resources(spans) if self.per_resource else _NO_RESOURCES
        if plan is not self._followed:
            self._cells.use(plan.codes, plan.texts)
            self._followed = plan
        self._finder.begin(spans.records.first, spans.records.width, resources)
        return plan, resources

    def _plan(self, spans: Batch) -> LabelPlan:
        projection = spans.projection
        known = self._plans.get(id(projection))
        if known is not None and known[0] is projection:
            return known[1]
        plan = LabelPlan(projection, self.labels)
        if len(self._plans) >= 8:
            self._plans.clear()
        self._plans[id(projection)] = (projection, plan)
        return plan

    def _known_resources(self, spans: Batch) -> Rows:
        """int32: slot per row of the batch's resource table; UNKNOWN_RESOURCE where it has to be admitted first."""
        field = spans.projection.field("resource")
        if field is None:
            raise KeyError("metrics per resource take column 'resource', which is not in this batch: declare it")
        words = spans.records.column(Level.RESOURCE, field.word).tolist()
        if REPEATED in words:
            known = self.resources.known
            return np.array([known(spans.resource_bytes(row)) for row in range(len(words))], np.int32)
        return np.array(self.resources.known_all(words, spans.records.payload), np.int32)

    def _stamp(self, row: int, now: int) -> None:
        self.updated[row] = now
        self.resources.updated[self.row_resource[row]] = now

    def _slot_for(self, resource: Resource | None) -> int:
        if resource is None:
            return self.no_resource
        if not self.per_resource:
            raise ValueError("this table does not keep resources apart")
        slot = self.resources.slot_of(resource)
        return slot if slot >= 0 else self._add_resource(resource.attributes, self.clock.monotonic_nano())

    # -- creating ----------------------------------------------------------------------------------

    def _is_full(self) -> bool:
        return self._series >= self.limits.max_series

    def _create_missing(self, slot: int, now: int) -> None:
        """Give the key that the loop did not find a row, or its resource the overflow row that is missing."""
        refused = self.per_resource and slot == self.no_resource
        if refused or self._is_full() or self._resource_full[slot]:
            self._overflow_row(slot, now)
        else:
            self._create(self._finder.key(), slot, now)

    def _find_or_create(self, values: Sequence[str | None], slot: int, now: int) -> int:
        if len(values) != len(self.labels):
            raise ValueError(f"{len(values)} values for the labels {self.label_names[:-1]}")
        texts = [self._text(label, value) for label, value in zip(self.labels, values, strict=True)]
        row = self.keys.find(self._key(slot, texts, None))
        if row < 0 and self._label_limit is not None and self._label_limit.any_full:
            replaced = self._label_limit.replace(texts)
            if replaced != texts:
                self._count_overflow("label_value_limit")
                texts = replaced
                row = self.keys.find(self._key(slot, texts, None))
        if row >= 0 or self._is_full() or self._resource_full[slot]:
            return row
        return self._create(self._key(slot, texts, None), slot, now)

    def _text(self, label: Label, value: str | None) -> bytes | None:
        chosen = label.default if value is None else value
        return None if chosen is None else label_bytes(chosen.encode(errors="replace"), self.limits.max_label_bytes)

    def _key(self, slot: int, texts: Sequence[bytes | None], overflow: bytes | None) -> bytes:
        number = NO_RESOURCE if slot == self.no_resource else slot
        parts = [number.to_bytes(4, "little")]
        for text in (*texts, overflow):
            parts += [_ABSENT] if text is None else [len(text).to_bytes(2, "little"), text]
        return b"".join(parts)

    def _count_overflow(self, reason: str) -> None:
        self._overflowed[OVERFLOW_REASONS.index(reason)] += 1

    def _overflow_row(self, slot: int, now: int) -> int:
        if self.overflow_rows[slot] < 0:
            key = self._key(slot, [None] * len(self.labels), b"true")
            self.overflow_rows[slot] = self._add_row(key, slot, now)
        return int(self.overflow_rows[slot])

    def _create(self, key: bytes, slot: int, now: int) -> int:
        row = self._add_row(key, slot, now)
        self._note_series(key, slot)
        if self.on_new_row is not None and not self._in_callback:
            self._in_callback = True
            try:
                self.on_new_row(self, row, tuple(key_values(key)[:-1]), self.resource_of(row))
            finally:
                self._in_callback = False
        return row

    def _note_series(self, key: bytes, slot: int) -> None:
        """A series other than an overflow series was added: count it against the limits."""
        self._series += 1
        self._series_of[slot] += 1
        if self._label_limit is not None:
            self._label_limit.add(_value_bytes(key))
        self._update_limits(slot)

    def _add_row(self, key: bytes, slot: int, now: int) -> int:
        row = self.keys.add(key)
        if self.keys.capacity > len(self.updated):
            self._grow()
        self.row_resource[row] = slot
        self.created_unix_nano[row] = self.clock.unix_nano()
        self.created_seq[row] = next(self._sequence)
        self.counters["created"] += 1
        self.changes += 1
        self._rebind()
        self._stamp(row, now)
        return row

    def _grow(self) -> None:
        size = self.keys.capacity
        self.updated = enlarged(self.updated, size)
        self.created_unix_nano = enlarged(self.created_unix_nano, size)
        self.created_seq = enlarged(self.created_seq, size)
        self.row_resource = enlarged(self.row_resource, size)
        for column in self._columns:
            column.resize(size)

    def _rebind(self) -> None:
        """Show the native loop arrays that were replaced."""
        if self._bound != self.keys.version:
            self._bound = self.keys.version
            self._finder.bind_rows(self.updated, self.row_resource)

    def _update_limits(self, slot: int) -> None:
        most = self.limits.max_series_per_resource
        if most and slot != self.no_resource:
            self._resource_full[slot] = self._series_of[slot] >= most
        limit = self._label_limit
        self._finder.set_full(self._is_full(), limit is not None and limit.any_full)

    # -- resources ---------------------------------------------------------------------------------

    def _admit(self, body: bytes, now: int) -> int:
        slot, attributes = self.resources.find(body)
        return slot if slot >= 0 else self._add_resource(attributes, now, body)

    def _add_resource(self, attributes: dict[str, Any], now: int, body: bytes | None = None) -> int:
        if self.resources.full and not self._evict_resource(now):
            return REFUSED_RESOURCE
        self.changes += 1
        return self.resources.add(attributes, now, body)

    def _evict_resource(self, now: int) -> bool:
        slot = self.resources.least_recent()
        updated = int(self.resources.updated[slot])
        if now - updated < EVICT_IDLE_NS or (self._delta_at is not None and updated > self._delta_at):
            return False
        rows = self.keys.rows()
        self._remove(rows[self.row_resource[rows] == slot], "evicted")
        if self.resources.slots[slot] is not None:
            self.resources.release([slot])
        return True

    def _remove(self, rows: Rows, reason: str) -> None:
        """Free rows, and resources that have none left."""
        if not len(rows):
            return
        slots = self.row_resource[rows]
        overflow = self.overflow_rows[slots] == rows
        if self._label_limit is not None:
            for row in rows[~overflow].tolist():
                self._label_limit.remove(_value_bytes(self.keys.key(row)))
        self.keys.remove(rows)
        for column in self._columns:
            column.clear(rows)
        self.overflow_rows[slots[overflow]] = -1
        self.created_seq[rows] = 0
        self._series -= int((~overflow).sum())
        np.subtract.at(self._series_of, slots[~overflow], 1)
        self.counters[reason] += len(rows)
        self.generation += 1
        self.changes += 1
        self._last_rows = None
        touched = np.unique(slots)
        most = self.limits.max_series_per_resource
        if most:
            self._resource_full[touched] = self._series_of[touched] >= most
        touched = touched[touched != self.no_resource]
        self.resources.release(touched[(self._series_of[touched] == 0) & (self.overflow_rows[touched] < 0)].tolist())
        self._rebind()
        self._update_limits(self.no_resource)


Target = Groups | Batch | Rows | LabelValues | str


def _value_bytes(key: bytes) -> list[bytes | None]:
    """Label values of a key, without the overflow label."""
    return [None if text is None else text.encode() for text in key_values(key)[:-1]]


def _split_keys(data: bytes, lengths: npt.NDArray[Any], labels: int, max_value_bytes: int) -> list[bytes]:
    """Keys without their resource number, checked: the native loops trust them."""
    keys = []
    at = 0
    for length in lengths.tolist():
        key = data[at : at + length]
        at += length
        p, values = 4, 0
        while p + 2 <= len(key):
            size = int.from_bytes(key[p : p + 2], "little")
            if ABSENT_LENGTH != size > max_value_bytes:
                raise ValueError("a label value is longer than the limit")
            p += 2 if size == ABSENT_LENGTH else 2 + size
            values += 1
        if p != len(key) or values != labels + 1:
            raise ValueError("a key is damaged")
        keys.append(key[4:])
    if at != len(data):
        raise ValueError("keys and lengths differ")
    return keys
