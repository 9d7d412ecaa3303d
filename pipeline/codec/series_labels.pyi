from typing import Any

import numpy as np
import numpy.typing as npt

from pipeline.model.snapshot import SeriesView

def filled(array: npt.NDArray[Any]) -> npt.NDArray[Any]: ...

class Series:
    def __init__(
        self,
        view: SeriesView,
        columns: int,
        texts: npt.NDArray[np.uint8],
        resource_at: npt.NDArray[np.int64],
        label_at: npt.NDArray[np.int64],
        source_at: npt.NDArray[np.int32],
        sources: npt.NDArray[np.int32],
        other_at: npt.NDArray[np.int64],
        wins: npt.NDArray[np.uint8],
        binary: bool = ...,
    ) -> None: ...
    def room(self) -> int: ...
    def label_sets(
        self, out: npt.NDArray[np.uint8], first: int, last: int, constant: bool = ...
    ) -> tuple[int, npt.NDArray[np.int64]]: ...
    def fingerprints(self, groups: npt.NDArray[np.uint64], out: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint64]: ...
