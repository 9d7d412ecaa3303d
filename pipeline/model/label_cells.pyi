import numpy as np
import numpy.typing as npt

from pipeline.model.key_index import KeyIndex
from pipeline.model.records import Words

NO_TEXT: int

class LabelCells:
    def __init__(self, index: KeyIndex, labels: int, limit: int) -> None: ...
    def use(self, plan: npt.NDArray[np.int64], texts: npt.NDArray[np.uint8]) -> None: ...
    def set_slow(self, first: npt.NDArray[np.int64], words: Words, texts: npt.NDArray[np.uint8]) -> None: ...
