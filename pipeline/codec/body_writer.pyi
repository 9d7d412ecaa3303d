import numpy as np
import numpy.typing as npt

from pipeline.codec.edit_table import Table

_Bytes = npt.NDArray[np.uint8]

def write(
    table: Table, rows: npt.NDArray[np.int32], out: _Bytes, scratch: _Bytes, ends: npt.NDArray[np.int64]
) -> int: ...
