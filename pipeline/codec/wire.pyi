from array import array

import numpy as np
from numpy.typing import NDArray

LAYOUT: dict[str, int]
OPS: dict[str, int]
REASONS: tuple[str, ...]
MALFORMED: tuple[int, ...]
EXCEEDED: tuple[int, ...]
GROW: int

class Program:
    def __init__(
        self,
        actions: NDArray[np.int32],
        keys: NDArray[np.int32],
        buckets: NDArray[np.int32],
        key_lengths: NDArray[np.uint64],
        key_bytes: bytes,
        levels: NDArray[np.int32],
        ids: NDArray[np.int32],
        choice: tuple[int, int],
    ) -> None: ...

def run(
    program: Program,
    payload: bytes,
    words: NDArray[np.uint64],
    tables: array[int],
    max_rows: int,
    max_children: int,
    max_depth: int,
) -> tuple[int, int, int]: ...
