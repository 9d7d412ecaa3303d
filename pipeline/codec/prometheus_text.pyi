from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from pipeline.model.snapshot import SeriesView

class Frame:
    def __init__(
        self,
        value: bytes,
        total: bytes = ...,
        count: bytes = ...,
        created: bytes = ...,
        bounds: Sequence[bytes] = ...,
        tail: bytes = ...,
    ) -> None: ...
    def room(self, series: Series) -> int: ...

class Samples:
    def __init__(
        self,
        point: npt.NDArray[np.int32],
        bucket: npt.NDArray[np.int32],
        values: npt.NDArray[np.uint64],
        times: npt.NDArray[np.int64],
        ids: npt.NDArray[np.uint8],
    ) -> None: ...

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
    def numbers(
        self,
        out: npt.NDArray[np.uint8],
        first: int,
        last: int,
        values: npt.NDArray[np.uint64],
        frame: Frame,
        zero_after: int,
        exemplars: Samples | None,
    ) -> tuple[int, int]: ...
    def histograms(
        self,
        out: npt.NDArray[np.uint8],
        first: int,
        last: int,
        counts: npt.NDArray[np.uint64],
        sums: npt.NDArray[np.uint64],
        frame: Frame,
        zero_after: int,
        exemplars: Samples | None,
    ) -> tuple[int, int]: ...
