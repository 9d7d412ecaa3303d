from array import array

import numpy as np
import numpy.typing as npt

from pipeline.model.records import Words

COLUMNS: tuple[str, ...]
SCALES: tuple[int, int]
BUCKETS: int

def check(payload: bytes, words: Words, shape: array[int], places: npt.NDArray[np.int32]) -> int: ...
