import numpy as np
import numpy.typing as npt

_Bytes = npt.NDArray[np.uint8]
_Ints = npt.NDArray[np.int32]
_Longs = npt.NDArray[np.int64]
_Words = npt.NDArray[np.uint64]

class Job:
    def __init__(
        self,
        payload: bytes,
        words: _Words,
        table: tuple[int, int, int],
        tags: tuple[int, int, int, int],
        keys: bytes,
        edits: _Ints,
        touched: _Bytes,
        drops: _Bytes | None,
    ) -> None: ...

def room(job: Job, rows: _Ints) -> int: ...
def write(job: Job, rows: _Ints, out: _Bytes, scratch: _Bytes, seen: _Longs, ends: _Longs) -> int: ...
def list_keys(job: Job, rows: _Ints, keys: _Words | None, counts: _Longs) -> int: ...
