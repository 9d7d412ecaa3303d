import numpy as np
import numpy.typing as npt

Int32s = npt.NDArray[np.int32]
UInt64s = npt.NDArray[np.uint64]

COLUMNS: tuple[str, ...]
MAX_NANO: int

def sample(
    words: UInt64s,
    first: int,
    width: int,
    fields: tuple[int, ...],
    rows: Int32s | None,
    n: int,
    thinning: int,
    kept: npt.NDArray[np.uint8],
) -> int: ...
def fill(
    out: UInt64s,
    words: UInt64s,
    first: int,
    width: int,
    fields: tuple[int, ...],
    rows: Int32s | None,
    operations: Int32s,
    begin: int,
    until: int,
    keep_late: bool,
) -> tuple[int, int, int, int, int]: ...
def split(words: UInt64s, n: int, until: int, out: UInt64s) -> int: ...
