import numpy as np
import numpy.typing as npt

_Bytes = npt.NDArray[np.uint8]
_Ints = npt.NDArray[np.int32]
_Longs = npt.NDArray[np.int64]

def write(
    out: _Bytes,
    keys: tuple[_Bytes, npt.NDArray[np.uint64]],
    order: _Ints,
    prefixes: _Bytes,
    prefix_at: _Ints,
    flag: int,
    tag: int,
    times: tuple[_Longs, int],
    tails: tuple[_Bytes, _Longs],
    exemplars: tuple[_Bytes, _Longs],
    ends: _Longs,
) -> int: ...
