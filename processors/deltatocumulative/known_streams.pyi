from typing import Any

import numpy as np
import numpy.typing as npt

_Ints = npt.NDArray[np.int32]
_Words = npt.NDArray[np.uint64]

def find(
    known: dict[bytes, Any],
    families: list[bytes | None],
    points: tuple[bytes, _Ints, _Words, _Words, _Words],
    longest: int,
    turn: object,
    places: tuple[dict[Any, int], _Ints, npt.NDArray[np.int64]],
    begin: int,
) -> int: ...
