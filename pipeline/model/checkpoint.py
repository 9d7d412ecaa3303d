"""Checkpoints of a meter: plain arrays and one JSON document in an uncompressed npz, never pickle.

::

    meta             JSON: format, last delta, per table: schema, resources
    <t>.<column>     arrays of table t: keys (one after the other), lengths, resource, created, seq, idle
    <t>.<name>.<c>   columns of instrument <name>

A table whose schema (labels, resource identity, instruments with their kinds and bounds) differs starts empty, with the
reason.
"""

from __future__ import annotations

import base64
import hashlib
import io
import json
import zipfile
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from pipeline.model.instruments import ExponentialHistogram, Histogram, Instrument, epoch_of
from pipeline.model.series import SeriesTable

FORMAT = 1
MAX_BYTES = 4 << 30
"""Larger than any state that limits allow in practice: a file that claims more is damaged."""

_COLUMNS = {
    "keys": np.uint8,
    "lengths": np.uint32,
    "resource": np.int32,
    "created": np.int64,
    "idle": np.int64,
}

Array = npt.NDArray[Any]


def save(tables: Sequence[SeriesTable], instruments: Mapping[str, Instrument], delta_since_unix_nano: int) -> bytes:
    """The state of all tables and their instruments."""
    arrays: dict[str, Array] = {}
    described = []
    for number, table in enumerate(tables):
        columns, resources = table.state()
        own = _of_table(table, instruments)
        described.append(
            {
                "schema": _schema(table, own),
                "resources": [[_encode(attributes), unique] for attributes, unique in resources],
            }
        )
        arrays |= {f"{number}.{name}": column for name, column in columns.items()}
        rows = table.keys.rows()
        epoch = epoch_of(table.clock.monotonic_nano())
        for place, instrument in enumerate(own):
            state = instrument.state(rows, epoch)
            arrays |= {f"{number}.{place}.{name}": array for name, array in state.items()}
    meta = {"format": FORMAT, "delta_since_unix_nano": delta_since_unix_nano, "tables": described}
    arrays["meta"] = np.frombuffer(json.dumps(meta).encode(), np.uint8)
    body = io.BytesIO()
    np.savez(body, **arrays)  # type: ignore[arg-type]
    data = body.getvalue()
    return hashlib.sha256(data).digest() + data


def load(state: bytes, tables: Sequence[SeriesTable], instruments: Mapping[str, Instrument]) -> tuple[int, str | None]:
    """Fill empty tables. Returns the time of the last delta, and why tables stay empty, if any do."""
    try:
        arrays = _read(state)
        meta = json.loads(arrays["meta"].tobytes())
        if meta["format"] != FORMAT:
            return 0, f"snapshot format {meta['format']} is not {FORMAT}"
        delta_since_unix_nano = int(meta["delta_since_unix_nano"])
        described = list(meta["tables"])
        saved = {json.dumps(entry["schema"], sort_keys=True): number for number, entry in enumerate(described)}
    except (ValueError, KeyError, TypeError, EOFError, OSError, zipfile.BadZipFile) as error:
        return 0, f"not a readable snapshot: {error}"
    reasons = []
    for table in tables:
        own = _of_table(table, instruments)
        schema = _schema(table, own)
        number = saved.get(json.dumps(schema, sort_keys=True))
        if number is None:
            reasons.append(f"labels or instruments of {schema['instruments']} have changed")
            continue
        try:
            _fill(table, own, described[number]["resources"], _part(arrays, f"{number}."))
        except (ValueError, KeyError, TypeError) as error:
            reasons.append(f"state of {schema['instruments']} is damaged: {error}")
    return delta_since_unix_nano, "; ".join(reasons) or None


def _fill(table: SeriesTable, own: Sequence[Instrument], resources: Sequence[Any], arrays: dict[str, Array]) -> None:
    """Check everything before the first change."""
    columns = {}
    for name, dtype in _COLUMNS.items():
        columns[name] = arrays[name]
        if columns[name].dtype != dtype or columns[name].ndim != 1:
            raise ValueError(f"column {name} has another type")
    count = len(columns["lengths"])
    states = [_part(arrays, f"{place}.") for place in range(len(own))]
    for instrument, state in zip(own, states, strict=True):
        instrument.check_state(state, count)
    rows = table.restore(columns, [(_decode(attributes), str(unique)) for attributes, unique in resources])
    epoch = epoch_of(table.clock.monotonic_nano())
    for instrument, state in zip(own, states, strict=True):
        instrument.restore(state, rows, epoch)


def _read(state: bytes) -> dict[str, Array]:
    digest, data = state[:32], state[32:]
    if hashlib.sha256(data).digest() != digest:
        raise ValueError("checksum differs")
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        if sum(entry.file_size for entry in archive.infolist()) > MAX_BYTES:
            raise ValueError("too large")
    with np.load(io.BytesIO(data), allow_pickle=False) as arrays:
        return dict(arrays)


def _part(arrays: Mapping[str, Array], prefix: str) -> dict[str, Array]:
    return {name.removeprefix(prefix): array for name, array in arrays.items() if name.startswith(prefix)}


def _of_table(table: SeriesTable, instruments: Mapping[str, Instrument]) -> list[Instrument]:
    return [instrument for instrument in instruments.values() if instrument.table is table]


def _schema(table: SeriesTable, own: Sequence[Instrument]) -> dict[str, Any]:
    """What must be equal for state to mean the same. Limits may differ."""
    return {
        "labels": [[one.name, list(one.columns), one.default] for one in table.labels],
        "per_resource": table.per_resource,
        "resource_keys": list(table.resource_keys),
        "instruments": {one.name: [type(one).__name__, one.unit, *_shape(one)] for one in own},
    }


def _shape(instrument: Instrument) -> list[Any]:
    if isinstance(instrument, ExponentialHistogram):
        return [instrument.max_size, instrument.per_unit]
    if isinstance(instrument, Histogram):
        return [list(instrument.bounds), instrument.per_unit]
    return []


def _encode(value: Any) -> Any:
    """Plain attribute values as JSON; bytes are marked."""
    if isinstance(value, dict):
        return {"map": {key: _encode(inner) for key, inner in value.items()}}
    if isinstance(value, list):
        return [_encode(inner) for inner in value]
    if isinstance(value, bytes):
        return {"bytes": base64.b64encode(value).decode()}
    return value


def _decode(value: Any) -> Any:
    if isinstance(value, list):
        return [_decode(inner) for inner in value]
    if isinstance(value, dict):
        if "bytes" in value:
            return base64.b64decode(value["bytes"])
        return {key: _decode(inner) for key, inner in value["map"].items()}
    return value
