"""Joined: the spans of a tick that has closed, each with what its children took."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from processors.anomaly.span_join import DUPLICATE, ROOT

Int32s = npt.NDArray[np.int32]
Int64s = npt.NDArray[np.int64]
UInt64s = npt.NDArray[np.uint64]
Bools = npt.NDArray[np.bool_]

TRACE, SPAN, PARENT, END, DURATION, OPERATION = 0, 2, 3, 4, 5, 6
"""Words of a span, as in ``span_join``."""
FAILED = np.uint64(1 << 32)
KIND_SHIFT = np.uint64(40)
LOW = np.uint64(0xFFFF_FFFF)


@dataclass(frozen=True)
class Joined:
    """See the module.

    Attributes:
        words: uint64[n, 7], as in ``span_join``: the spans of the tick, then children that wait.
        new: How many are of the tick.
        parents, callees: int32[n], rows as ``join`` gives them.
        children_nano, remote_nano: uint64[n], what all children took, and those of other services.

    The other columns are made when somebody asks; they have a row for each span of the tick, once.
    """

    words: UInt64s
    new: int
    parents: Int32s
    callees: Int32s
    children_nano: UInt64s
    remote_nano: UInt64s

    @cached_property
    def roots(self) -> int:
        """Spans without parent."""
        return int(np.count_nonzero(self.parents[: self.new] == ROOT))

    @cached_property
    def rows(self) -> Int64s:
        """int64[m]: rows of the spans, without those that are there twice."""
        return np.flatnonzero(self.parents[: self.new] != DUPLICATE)

    @cached_property
    def operations(self) -> Int32s:
        """int32[m], number of the operation."""
        operations: Int32s = (self.words[self.rows, OPERATION] & LOW).astype(np.int32)
        return operations

    @cached_property
    def kinds(self) -> npt.NDArray[np.uint8]:
        """uint8[m], numbers of ``SpanKind``."""
        kinds: npt.NDArray[np.uint8] = (self.words[self.rows, OPERATION] >> KIND_SHIFT).astype(np.uint8)
        return kinds

    @cached_property
    def failed(self) -> Bools:
        """bool[m]."""
        failed: Bools = (self.words[self.rows, OPERATION] & FAILED) != 0
        return failed

    @cached_property
    def duration_nano(self) -> Int64s:
        """int64[m]."""
        durations: Int64s = self.words[self.rows, DURATION].astype(np.int64)
        return durations

    @cached_property
    def self_nano(self) -> Int64s:
        """int64[m], without children."""
        return np.maximum(self.duration_nano - self.children_nano[self.rows].astype(np.int64), 0)

    @cached_property
    def gap_nano(self) -> Int64s:
        """int64[m], without children of other services."""
        return np.maximum(self.duration_nano - self.remote_nano[self.rows].astype(np.int64), 0)

    @cached_property
    def callee_operations(self) -> Int32s:
        """int32[m], operation of the child in another service, -1: none."""
        callees = self.callees[self.rows]
        operations = (self.words[callees, OPERATION] & LOW).astype(np.int32)
        return np.where(callees >= 0, operations, np.int32(-1))

    @cached_property
    def ids(self) -> UInt64s:
        """uint64[m, 3], the bytes of trace id and span id."""
        return self.words[self.rows, : SPAN + 1]
