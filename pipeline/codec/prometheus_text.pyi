from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from pipeline.codec.series_labels import Series

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
    def numbers(
        self,
        series: Series,
        out: npt.NDArray[np.uint8],
        first: int,
        last: int,
        values: npt.NDArray[np.uint64],
        zero_after: int,
        exemplars: Samples | None,
    ) -> tuple[int, int]: ...
    def histograms(
        self,
        series: Series,
        out: npt.NDArray[np.uint8],
        first: int,
        last: int,
        counts: npt.NDArray[np.uint64],
        sums: npt.NDArray[np.uint64],
        zero_after: int,
        exemplars: Samples | None,
    ) -> tuple[int, int]: ...

class Samples:
    def __init__(
        self,
        point: npt.NDArray[np.int32],
        bucket: npt.NDArray[np.int32],
        values: npt.NDArray[np.uint64],
        times: npt.NDArray[np.int64],
        ids: npt.NDArray[np.uint8],
    ) -> None: ...
