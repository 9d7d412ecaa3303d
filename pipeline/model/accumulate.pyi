import numpy as np
import numpy.typing as npt

_Ints = npt.NDArray[np.int32]
_Longs = npt.NDArray[np.int64]
_Words = npt.NDArray[np.uint64]
_Floats = npt.NDArray[np.float64]

MAX_SCALE: int

def add(values: _Floats, rows: _Ints, amounts: _Floats, monotonic: bool) -> int: ...
def put(values: _Floats, rows: _Ints, latest: _Floats) -> int: ...
def observe(
    counts: _Floats,
    sums: _Words,
    bounds: _Floats,
    bound_count: int,
    per_unit: float,
    rows: _Ints,
    values: _Floats,
    weights: _Floats,
    buckets: _Ints,
) -> int: ...
def observe_exponential(
    counts: _Floats,
    size: int,
    zeros: _Floats,
    scales: _Ints,
    lows: _Longs,
    highs: _Longs,
    sums: _Words,
    least: _Floats,
    most: _Floats,
    per_unit: float,
    rows: _Ints,
    values: _Floats,
    weights: _Floats,
    buckets: _Ints,
    spare: _Floats,
) -> int: ...
