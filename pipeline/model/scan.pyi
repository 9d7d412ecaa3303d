import numpy as np
from numpy.typing import NDArray

def any_set(words: NDArray[np.uint64], at: int, width: int, n: int) -> bool: ...
def any_empty(words: NDArray[np.uint64], at: int, width: int, n: int) -> bool: ...
def all_texts(words: NDArray[np.uint64], at: int, width: int, n: int) -> bool: ...
def differences(
    words: NDArray[np.uint64],
    first: int,
    width: int,
    start: int,
    end: int,
    rows: NDArray[np.int32] | None,
    n: int,
    out: NDArray[np.uint64],
) -> tuple[int, int, int]: ...
def codes(
    words: NDArray[np.uint64],
    first: int,
    width: int,
    rows: NDArray[np.int32] | None,
    n: int,
    known: int,
    out: NDArray[np.int32],
) -> None: ...
def equal_cells(
    payload: bytes,
    words: NDArray[np.uint64],
    first: int,
    width: int,
    rows: NDArray[np.int32] | None,
    n: int,
    typed: bool,
    wanted: bytes,
    out: NDArray[np.uint8],
) -> None: ...
def spread(
    words: NDArray[np.uint64],
    steps: NDArray[np.int64],
    levels: int,
    rows: NDArray[np.int32] | None,
    n: int,
    hits: NDArray[np.uint8],
    out: NDArray[np.uint8],
) -> None: ...
