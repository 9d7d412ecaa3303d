import numpy as np
import numpy.typing as npt

SPARE: int
WINDOW: npt.NDArray[np.uint8]
