import numpy as np
import numpy.typing as npt

_Ints = npt.NDArray[np.int32]
_Longs = npt.NDArray[np.int64]
_Words = npt.NDArray[np.uint64]
_Floats = npt.NDArray[np.float64]

def offer(
    index: _Ints,
    per_row: int,
    ids: _Words,
    ranks: _Words,
    samples: _Floats,
    times: _Longs,
    epochs: _Longs,
    owners: _Longs,
    free: _Ints,
    free_count: int,
    rows: _Ints,
    buckets: _Ints,
    values: _Floats,
    words: _Words,
    first: int,
    width: int,
    trace_word: int,
    span_word: int,
    items: _Ints | None,
    time: int,
    epoch: int,
) -> int: ...
