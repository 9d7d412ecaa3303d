import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]

COLUMNS: tuple[str, ...]
TAIL_FROM: float
MIN_RATE: float
MAX_Z: float
MAX_SURPRISE: float
OUT_OF_BAND_Z2: float
WINSOR2: float
MIN_INFLATION2: float

def score_rows(
    mean: Floats,
    variance: Floats,
    count: Floats,
    fall: Floats,
    rows: Floats,
    squares: Floats,
    surprise: Floats,
    warm_up: float,
    floor2: float,
) -> None: ...
def learn_rows(
    mean: Floats,
    variance: Floats,
    count: Floats,
    frozen: npt.NDArray[np.uint8],
    rows: Floats,
    squares: Floats,
    warm_up: float,
    floor2: float,
    pace: float,
    frozen_rate: float,
    tail_rate: float,
) -> None: ...
