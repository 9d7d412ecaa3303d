import numpy as np
from numpy.typing import NDArray

def encode(
    payload: bytes,
    words: NDArray[np.uint64],
    first: int,
    width: int,
    rows: NDArray[np.int32],
    typed: bool,
    slots: NDArray[np.int32],
    codes: NDArray[np.int32],
    examples: NDArray[np.int32],
) -> int: ...
