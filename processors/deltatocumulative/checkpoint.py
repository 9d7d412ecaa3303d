"""Streams as bytes: arrays and JSON, no pickle.

::

    header          JSON: version, and of each part type and bounds
    <p>.identity    uint8[n, 16]; <p>.start, <p>.time: int64[n], nanoseconds; <p>.idle: int64[n], since the last point
    <p>.<column>    totals of part p
"""

from __future__ import annotations

import io
import json
import zipfile
from typing import Any

import numpy as np
import numpy.typing as npt

from processors.deltatocumulative.identity import SIZE
from processors.deltatocumulative.streams import StreamRows, Streams

VERSION = 1


def save(streams: Streams, now: int) -> bytes:
    """What a table of streams holds. ``now``: monotonic nanoseconds."""
    arrays: dict[str, npt.NDArray[Any]] = {}
    parts = []
    for place, rows in enumerate(streams):
        n = len(rows)
        identities = np.frombuffer(b"".join(stream.identity for stream in rows.series), np.uint8)
        own: dict[str, npt.NDArray[Any]] = {"identity": identities.reshape(n, SIZE), **rows.totals.state(n)}
        own |= {"start": rows.start[:n], "time": rows.time[:n], "idle": now - rows.seen[:n]}
        arrays |= {f"{place}.{name}": array for name, array in own.items()}
        parts.append({"type": rows.kind, "bounds": list(rows.bounds)})
    header = json.dumps({"version": VERSION, "parts": parts}).encode()
    out = io.BytesIO()
    np.savez(out, header=np.frombuffer(header, np.uint8), **arrays)  # type: ignore[arg-type]
    return out.getvalue()


def load(state: bytes, streams: Streams, now: int) -> None:
    """Fill an empty table.

    Raises:
        ValueError: The bytes are no such snapshot.
    """
    try:
        with np.load(io.BytesIO(state), allow_pickle=False) as file:
            arrays: dict[str, npt.NDArray[Any]] = dict(file)
        header = json.loads(arrays["header"].tobytes())
        if header["version"] != VERSION:
            raise ValueError(f"version {header['version']} is not {VERSION}")
        for place, part in enumerate(header["parts"]):
            prefix = f"{place}."
            own = {name.removeprefix(prefix): array for name, array in arrays.items() if name.startswith(prefix)}
            _fill(streams, int(part["type"]), part["bounds"], own, now)
    except (OSError, KeyError, IndexError, TypeError, ValueError, EOFError, zipfile.BadZipFile) as error:
        raise ValueError(f"not a snapshot of streams: {error}") from error


def _fill(streams: Streams, kind: int, bounds: list[float], own: dict[str, npt.NDArray[Any]], now: int) -> None:
    identities = own["identity"]
    if identities.dtype != np.uint8 or identities.ndim != 2 or identities.shape[1] != SIZE:
        raise ValueError("identities of another form")
    n = len(identities)
    rows: StreamRows | None = None
    for unique in identities:
        rows = streams.create(unique.tobytes(), kind, bounds).rows
    if rows is None or len(rows) != n:
        raise ValueError("a stream is there twice")
    rows.start[:n], rows.time[:n], rows.seen[:n] = own["start"], own["time"], now - own["idle"]
    rows.totals.load(own, n)
