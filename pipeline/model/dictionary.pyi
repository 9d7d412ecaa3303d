import numpy as np
from numpy.typing import NDArray

def encode(
    payload: bytes,
    words: NDArray[np.uint64],
    first: int,
    width: int,
    rows: NDArray[np.int32] | None,
    n: int,
    typed: bool,
) -> tuple[NDArray[np.int32], list[int], list[int]]: ...
