import numpy as np
import numpy.typing as npt

from pipeline.model.key_index import KeyIndex
from pipeline.model.label_cells import LabelCells
from pipeline.model.records import Words

_Bytes = npt.NDArray[np.uint8]
_Ints = npt.NDArray[np.int32]
_Longs = npt.NDArray[np.int64]

DONE: int
MISS: int
SLOW_CELL: int
NEED_RESOURCE: int
UNKNOWN_RESOURCE: int
REFUSED_RESOURCE: int
OVERFLOW_REASONS: tuple[str, ...]

class RowFinder:
    def __init__(
        self, index: KeyIndex, values: KeyIndex | None, cells: LabelCells, labels: int, limit: int, per_resource: bool
    ) -> None: ...
    def bind_rows(self, updated: _Longs, row_resource: _Ints) -> None: ...
    def bind_limits(
        self,
        resource_updated: _Longs,
        overflow_rows: _Ints,
        resource_full: _Bytes,
        label_full: _Bytes,
        counters: _Longs,
    ) -> None: ...
    def set_full(self, series: bool, any_label: bool) -> None: ...
    def begin(self, first: tuple[int, ...], width: tuple[int, ...], resources: _Ints) -> None: ...
    def look_at(self, payload: bytes, words: Words, now: int) -> None: ...
    def key(self) -> bytes: ...
    def touch(self, rows: _Ints, now: int) -> int: ...
    def find(
        self, payload: bytes, words: Words, rows: _Ints | None, out: _Ints, start: int, now: int
    ) -> tuple[int, int, int]: ...
