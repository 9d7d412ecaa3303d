"""A kit folder: recorded span streams with fault labels, and NAB series.

spans/SPLIT/NAME.parquet + NAME.json      spans, and where faults were injected
nab/SPLIT/data/CATEGORY/NAME.csv          series; nab/SPLIT/windows.json says where they are anomalous
"""

from __future__ import annotations

import csv
import json
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow.parquet as parquet

FRAGMENTED_BELOW = 1 / 3
"""A stream with telemetry for less of its time is a collection of fragments, and reported by itself."""


@dataclass(frozen=True)
class SpanStream:
    """One recorded stream.

    Attributes:
        keep_one_in: How many traces stand for one that is replayed: less traffic with the same faults.
    """

    name: str
    meta: dict[str, Any]
    path: Path
    keep_one_in: int = 1

    @property
    def is_fragmented(self) -> bool:
        """Whether there is telemetry for less than a third of the time."""
        available = sum(end - start for start, end in self.meta["available"])
        return bool(available < FRAGMENTED_BELOW * (self.meta["t1"] - self.meta["t0"]))

    def columns(self) -> dict[str, Any]:
        """Columns as numpy arrays; texts as (codes, values)."""
        table = parquet.read_table(self.path)
        columns: dict[str, Any] = {}
        for name in table.column_names:
            column = table[name].combine_chunks()
            if hasattr(column, "indices"):
                codes = column.indices.fill_null(-1).to_numpy(zero_copy_only=False)
                columns[name] = codes.astype(np.int64), column.dictionary.to_pylist()
            else:
                columns[name] = column.to_numpy(zero_copy_only=False)
        return columns if self.keep_one_in == 1 else _thinned(columns, self.keep_one_in)


@dataclass(frozen=True)
class Series:
    """One NAB series: seconds since 1970 and values."""

    name: str
    seconds: npt.NDArray[np.float64]
    values: npt.NDArray[np.float64]
    windows: list[tuple[float, float]]


def span_streams(kit: Path, split: str, keep_one_in: int = 1) -> list[SpanStream]:
    """The streams of a split, by name."""
    metas = sorted((kit / "spans" / split).glob("*.json"))
    return [
        SpanStream(path.stem, json.loads(path.read_text()), path.with_suffix(".parquet"), keep_one_in) for path in metas
    ]


def nab_series(kit: Path, split: str) -> list[Series]:
    """The NAB series of a split, by name; none where the kit has none."""
    folder = kit / "nab" / split
    if not (folder / "windows.json").is_file():
        return []
    windows = json.loads((folder / "windows.json").read_text())
    return [_series(folder / "data" / name, name, windows[name]) for name in sorted(windows)]


def _thinned(columns: dict[str, Any], keep_one_in: int) -> dict[str, Any]:
    """The spans of some traces; which ones follows from their ids."""
    codes, names = columns["trace_id"]
    kept = np.array([zlib.crc32(name.encode()) % keep_one_in == 0 for name in names])[codes]
    return {
        name: (column[0][kept], column[1]) if isinstance(column, tuple) else column[kept]
        for name, column in columns.items()
    }


def _series(path: Path, name: str, windows: list[list[str]]) -> Series:
    with path.open(newline="") as lines:
        rows = list(csv.reader(lines))[1:]
    seconds = np.array([_second(row[0]) for row in rows])
    return Series(
        name, seconds, np.array([float(row[1]) for row in rows]), [(_second(a), _second(b)) for a, b in windows]
    )


def _second(text: str) -> float:
    return float(np.datetime64(text.replace(" ", "T"), "us").astype(np.int64)) / 1e6
