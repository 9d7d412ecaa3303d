import numpy as np
import numpy.typing as npt

_Bytes = npt.NDArray[np.uint8]
_Ints = npt.NDArray[np.int32]
_Longs = npt.NDArray[np.int64]
_Words = npt.NDArray[np.uint64]

class Table:
    def __init__(
        self,
        payload: bytes,
        extra: bytes,
        words: _Words,
        shape: tuple[int, int, int, int, int, int],
        tags: tuple[int, int, int],
        choices: _Ints,
        keys: bytes,
        edits: _Ints,
        touched: _Bytes,
        swaps: _Words | None,
    ) -> None: ...

def list_pairs(table: Table, rows: _Ints, pairs: _Words | None, counts: _Longs) -> int: ...
def growth(table: Table, rows: _Ints) -> int: ...
