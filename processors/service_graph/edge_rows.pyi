import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
UInt64s = npt.NDArray[np.uint64]

TYPES: tuple[str, ...]
MAX_LABEL_SETS: int
UNKNOWN_ROW: int
TIME_PROBLEMS: tuple[str, ...]

class RowCache:
    def __init__(self) -> None: ...
    def clear(self) -> None: ...
    def find(self, edges: UInt64s, keys: UInt64s, rows: npt.NDArray[np.int32]) -> int: ...
    def put(self, key: int, row: int) -> None: ...

def measure(
    edges: UInt64s,
    longest_nano: int,
    weights: Floats,
    failed: Floats,
    client_s: Floats,
    server_s: Floats,
    problems: npt.NDArray[np.int64],
) -> tuple[int, int, int]: ...
def messaging_latency(edges: UInt64s, seconds: Floats) -> int: ...
