import numpy as np
import numpy.typing as npt

from processors.service_graph.label_memo import LabelMemo

Int32s = npt.NDArray[np.int32]
UInt64s = npt.NDArray[np.uint64]

LONELY: int

class HalfScan:
    clients: int
    servers: int
    consumers: int
    unknown_clients: int
    unknown_servers: int
    def __init__(self) -> None: ...
    def bind(self, fields: tuple[int, ...]) -> None: ...
    def scan(
        self,
        words: UInt64s,
        first: int,
        width: int,
        rows: Int32s | None,
        n: int,
        of_clients: LabelMemo,
        of_servers: LabelMemo,
    ) -> UInt64s: ...
    def rows_of_halves(self) -> Int32s: ...
    def unknown_halves(self) -> tuple[Int32s, Int32s]: ...
    def label(self, halves: Int32s, numbers: Int32s, memo: LabelMemo) -> None: ...

def linked(payload: bytes, words: UInt64s, first: int, width: int, kind: int, rows: Int32s, out: Int32s) -> int: ...
