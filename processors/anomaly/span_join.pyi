import numpy as np
import numpy.typing as npt

Int32s = npt.NDArray[np.int32]
UInt64s = npt.NDArray[np.uint64]

WORDS: int
ROOT: int
UNKNOWN: int
DUPLICATE: int

def join(
    words: UInt64s,
    new: int,
    table: Int32s,
    seed: int,
    service_of: Int32s,
    parents: Int32s,
    children_nano: UInt64s,
    remote_nano: UInt64s,
    callees: Int32s,
) -> None: ...
