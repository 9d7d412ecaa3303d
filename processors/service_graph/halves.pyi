import numpy as np
import numpy.typing as npt

Int32s = npt.NDArray[np.int32]
UInt64s = npt.NDArray[np.uint64]

def split(
    words: UInt64s, first: int, width: int, kind: int, rows: Int32s | None, n: int, positions: Int32s
) -> tuple[int, int, int]: ...
def fill(
    out: UInt64s,
    words: UInt64s,
    first: int,
    width: int,
    fields: tuple[int, ...],
    rows: Int32s,
    labels: Int32s,
    alone: npt.NDArray[np.uint8],
    is_server: bool,
) -> None: ...
def linked(payload: bytes, words: UInt64s, first: int, width: int, kind: int, rows: Int32s, out: Int32s) -> int: ...
