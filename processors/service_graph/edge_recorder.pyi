from typing import Any

import numpy as np
import numpy.typing as npt

from processors.service_graph.edge_rows import RowCache

Array = npt.NDArray[Any]
Floats = npt.NDArray[np.float64]
Int32s = npt.NDArray[np.int32]
UInt64s = npt.NDArray[np.uint64]

TIME_PROBLEMS: tuple[str, ...]
REFUSED: tuple[str, ...]

class EdgeRecorder:
    problems: npt.NDArray[np.int64]
    refused: npt.NDArray[np.int64]
    weighted: int
    def __init__(self, cache: RowCache, longest_nano: int) -> None: ...
    def bind_counters(self, requests: Array, failed: Array) -> None: ...
    def bind_histograms(
        self, server: tuple[Array, Array], client: tuple[Array, Array], bounds: Floats, count: int, per_unit: float
    ) -> None: ...
    def find(self, edges: UInt64s) -> int: ...
    def record(self) -> bool: ...
    @property
    def keys(self) -> UInt64s: ...
    @property
    def rows(self) -> Int32s: ...
    @property
    def server_side(self) -> tuple[Int32s, Floats]: ...
    @property
    def client_side(self) -> tuple[Int32s, Floats]: ...
    @property
    def weights(self) -> Floats: ...

def messaging_latency(edges: UInt64s, seconds: Floats) -> int: ...
