import numpy as np
import numpy.typing as npt

from pipeline.codec.edit_table import Table

def write_request(
    resources: Table,
    scopes: Table,
    metrics: Table,
    items: Table,
    rows: npt.NDArray[np.int32],
    cumulative: npt.NDArray[np.uint8] | None,
) -> bytes: ...
