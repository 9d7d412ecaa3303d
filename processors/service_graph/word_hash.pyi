import numpy as np
import numpy.typing as npt

def secret_words(seed: int, count: int) -> npt.NDArray[np.uint64]: ...
