from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

Int32s = npt.NDArray[np.int32]
UInt64s = npt.NDArray[np.uint64]

USED: int

class LabelMemo:
    def __init__(self) -> None: ...
    def bind_flags(self, flags: npt.NDArray[np.uint8]) -> None: ...
    def clear(self) -> None: ...
    def begin(
        self, payload: bytes, words: UInt64s, shape: tuple[int, int, int, int], resources: int, plan: Int32s
    ) -> None: ...
    def learn(self, first: int, width: int, rows: Int32s | None, numbers: Int32s, never: int) -> None: ...

def memo_plan(resource: Sequence[int], labels: Sequence[Sequence[tuple[bool, int]]]) -> Int32s: ...
