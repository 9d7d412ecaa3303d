import numpy as np
from numpy.typing import NDArray

KINDS: dict[str, int]
RELATIONS: dict[str, int]
VERDICTS: dict[bool, int]
NODE: int

def decide(
    payload: bytes,
    words: NDArray[np.uint64],
    tables: NDArray[np.int64],
    rows: NDArray[np.int32] | None,
    n: int,
    nodes: NDArray[np.int64],
    constants: NDArray[np.float64],
    start: int,
    texts: bytes,
    out: NDArray[np.uint8],
) -> None: ...
