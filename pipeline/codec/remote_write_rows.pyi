import numpy as np
import numpy.typing as npt

Bytes = npt.NDArray[np.uint8]
Longs = npt.NDArray[np.int64]

def hashes(labels: Bytes, ends: Longs, seed: int) -> npt.NDArray[np.uint64]: ...

class Symbols:
    used: int
    def __init__(self, room_bytes: int, seed: int = ...) -> None: ...
    def clear(self) -> None: ...
    def ref(self, text: bytes) -> int: ...
    def encoded(self) -> bytes: ...

class Block:
    def __init__(
        self,
        labels: Bytes,
        ends: Longs,
        names: Bytes,
        name_at: Longs,
        bounds: Bytes,
        bound_at: Longs,
        bound_name: bytes,
        values: npt.NDArray[np.uint64],
        times: Longs,
        starts: Longs,
        more: Bytes,
        more_at: Longs,
        shards: npt.NDArray[np.int32],
    ) -> None: ...
    def write(
        self, out: Bytes, used: int, row: int, shard: int, symbols: Symbols | None, common: bytes
    ) -> tuple[int, int, int]: ...
    def room(self, common: bytes) -> int: ...
