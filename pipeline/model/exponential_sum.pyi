import numpy as np
import numpy.typing as npt

_Bytes = npt.NDArray[np.uint8]
_Longs = npt.NDArray[np.int64]
_Words = npt.NDArray[np.uint64]

ROOM_FOR_HEADER: int

def add(
    counts: _Words,
    width: int,
    buckets: tuple[_Longs, _Longs],
    rows: _Longs,
    own: tuple[_Longs, _Longs],
    new: tuple[_Words, _Longs, _Longs, _Longs, _Longs],
) -> None: ...
def trim(values: _Words, begins: _Longs, ends: _Longs) -> None: ...
def write(
    out: _Bytes,
    counts: _Words,
    width: int,
    buckets: tuple[_Longs, _Longs],
    rows: _Longs,
    ranges: _Words,
    totals: _Words,
) -> int: ...
