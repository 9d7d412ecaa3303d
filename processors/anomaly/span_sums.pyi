import numpy as np
import numpy.typing as npt

Int32s = npt.NDArray[np.int32]
Int64s = npt.NDArray[np.int64]
UInt64s = npt.NDArray[np.uint64]

UNIT: float
SHORTEST_NANO: int
KEPT: int

def logarithm(nano: int) -> int: ...
def add_up(
    words: UInt64s,
    new: int,
    parents: Int32s,
    children_nano: UInt64s,
    remote_nano: UInt64s,
    callees: Int32s,
    service_of: Int32s,
    sums: Int64s,
    heads: Int32s,
    pairs: Int64s,
) -> int: ...
