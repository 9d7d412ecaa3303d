"""Spans that wait for their partner, as bytes: arrays and JSON, no pickle.

Numbers of label sets mean nothing to another process, so each is written out as its label values once,
and the halves refer to these.
"""

from __future__ import annotations

import io
import json
import zipfile
from typing import Any

import numpy as np

from processors.service_graph.edge_store import EdgeStore
from processors.service_graph.half_reader import HalfReader
from processors.service_graph.layout import FLAG_SHIFT, HALF, LABEL, LABEL_BITS, SERVER

VERSION = 1


def save(store: EdgeStore, reader: HalfReader, now_nano: int) -> bytes:
    """The halves that a store holds."""
    halves, left_nano = store.dump(now_nano)
    words, which = np.unique(_identity(halves), return_inverse=True)
    header = {"version": VERSION, "sets": [_described(reader, int(word)) for word in words]}
    out = io.BytesIO()
    text = np.frombuffer(json.dumps(header).encode(), np.uint8)
    np.savez(out, header=text, halves=halves, sets=which.astype(np.int64), left_nano=left_nano)
    return out.getvalue()


def load(state: bytes, store: EdgeStore, reader: HalfReader, now_nano: int) -> None:
    """Put halves into an empty store.

    Raises:
        ValueError: The bytes are no such snapshot.
    """
    try:
        with np.load(io.BytesIO(state), allow_pickle=False) as arrays:
            header = json.loads(arrays["header"].tobytes())
            halves, which, left_nano = arrays["halves"], arrays["sets"], arrays["left_nano"]
        if header["version"] != VERSION or halves.shape != (len(which), HALF) or left_nano.shape != which.shape:
            raise ValueError("of another version, or damaged")
        numbers = np.array([_number(reader, described) for described in header["sets"]], np.uint64)[which]
    except (OSError, KeyError, IndexError, TypeError, ValueError, EOFError, zipfile.BadZipFile) as error:
        raise ValueError(f"not a snapshot of a service graph: {error}") from error
    halves[:, LABEL] = (halves[:, LABEL] & ~LABEL_BITS) | (numbers + np.uint64(1))
    store.load(np.ascontiguousarray(halves, np.uint64), left_nano.astype(np.int64), now_nano)


def _identity(halves: np.ndarray) -> np.ndarray:
    """uint64[n]: side and label set of each half."""
    side = np.uint64(SERVER) << FLAG_SHIFT
    return halves[:, LABEL] & (LABEL_BITS | side)


def _described(reader: HalfReader, word: int) -> dict[str, Any]:
    return {"server": bool((word >> 32) & SERVER), "labels": dict(reader.labels(word))}


def _number(reader: HalfReader, described: dict[str, Any]) -> int:
    table = reader.servers if described["server"] else reader.clients
    labels = described["labels"]
    names = [label.name for label in table.labels]
    if labels and not labels.keys() & set(names):
        return table.overflow_row()
    return table.row_of([labels.get(name) for name in names])
