import numpy as np
import numpy.typing as npt

from pipeline.model.row_finder import RowFinder

Int32s = npt.NDArray[np.int32]
UInt64s = npt.NDArray[np.uint64]

class HalfScan:
    clients: int
    servers: int
    consumers: int
    unknown: int
    def __init__(self) -> None: ...
    def bind(self, fields: tuple[int, ...]) -> None: ...
    def bind_lonely(self, lonely: npt.NDArray[np.uint8]) -> None: ...
    def scan(
        self,
        words: UInt64s,
        first: int,
        width: int,
        rows: Int32s | None,
        n: int,
        of_clients: RowFinder,
        of_servers: RowFinder,
    ) -> UInt64s: ...
    def rows_of_halves(self) -> Int32s: ...
    def label(self, halves: Int32s, numbers: Int32s) -> None: ...

def linked(payload: bytes, words: UInt64s, first: int, width: int, kind: int, rows: Int32s, out: Int32s) -> int: ...
