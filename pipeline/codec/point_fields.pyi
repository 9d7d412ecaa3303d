import numpy as np
import numpy.typing as npt

_Bytes = npt.NDArray[np.uint8]
_Longs = npt.NDArray[np.int64]
_Words = npt.NDArray[np.uint64]

ROOM_FOR_HEADER: int

def rewrite(
    out: _Bytes,
    payload: _Bytes,
    ranges: _Words,
    tags: npt.NDArray[np.int32],
    values: _Words,
    present: _Bytes,
    blob: _Bytes,
    begins: _Longs,
    sizes: _Longs,
) -> int: ...
