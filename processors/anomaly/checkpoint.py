"""All that the processor has learnt, as bytes: plain arrays and JSON, no pickle.

Numbers of operations and series mean nothing to another process, so each is written out by name once.
"""

from __future__ import annotations

import io
import json
import zipfile
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from processors.anomaly.book import Book
from processors.anomaly.deployments import Deployments
from processors.anomaly.detector import Detector
from processors.anomaly.differences import Differences
from processors.anomaly.evidence import Evidence
from processors.anomaly.failures import ROWS as FAILURE_ROWS
from processors.anomaly.failures import FailureOdds
from processors.anomaly.incidents import Incidents
from processors.anomaly.joined import LOW, OPERATION, UInt64s
from processors.anomaly.metric_watch import MetricWatch
from processors.anomaly.span_join import WORDS
from processors.anomaly.span_store import SpanStore
from processors.anomaly.symptoms import ROWS, Symptoms
from processors.anomaly.tick_inputs import OPERATION_LABELS, TickInputs

VERSION = 9
FAULTS = (OSError, KeyError, IndexError, TypeError, AttributeError, ValueError, EOFError, zipfile.BadZipFile)


class Parts(NamedTuple):
    """What has a state."""

    store: SpanStore
    inputs: TickInputs
    detector: Detector
    evidence: Evidence
    failures: FailureOdds
    symptoms: Symptoms
    incidents: Incidents
    differences: Differences
    book: Book
    deployments: Deployments
    watch: MetricWatch


def save(parts: Parts, since: dict[str, float], second: float) -> bytes:
    """The state of everything at a Unix time."""
    store, inputs, detector, evidence, failures, symptoms, incidents, differences, book, deployments, watch = parts
    names, rows, seen = inputs.bank.state()
    metrics, of_metrics = watch.state()
    detector.resize(inputs.bank.capacity)
    operations = inputs.operations.keys.rows()
    header = {
        "version": VERSION,
        "detector": type(detector).__name__,
        "series": names,
        "operations": [inputs.operations.labels_of(row) for row in operations.tolist()],
        "edges": [[*edge, tick] for edge, tick in inputs.edges.items()],
        "roots_seen": inputs.roots_seen,
        "silence": inputs.silence,
        "open_tick": store.open_tick,
        "thinning": store.thinning,
        "incidents": incidents.state(),
        "since": since,
        "differences": differences.state(inputs),
        "book": book.state(second),
        "deployments": deployments.state(),
        "metrics": metrics,
    }
    number = np.zeros(inputs.operations.capacity, np.uint64)
    number[operations] = np.arange(len(operations), dtype=np.uint64)
    arrays: dict[str, npt.NDArray[Any]] = {
        "header": np.frombuffer(json.dumps(header).encode(), np.uint8),
        "seen": seen,
        "evidence": np.stack((_rows(evidence.total, rows), _rows(evidence.run, rows))),
        "failures": np.stack([_rows(values, rows) for values in failures.values]),
        "symptoms": np.stack([_rows(values, rows) for values in symptoms.values]),
        "pending": _renumbered(store.pending, number),
        "waiting": _renumbered(store.waiting, number),
        "calls": np.stack([_rows(counts, operations) for counts in _counts(inputs)]),
    }
    arrays |= {f"metrics.{name}": array for name, array in of_metrics.items()}
    arrays |= {f"detector.{name}": array for name, array in detector.state(rows).items()}
    out = io.BytesIO()
    np.savez(out, allow_pickle=False, **arrays)
    return out.getvalue()


def load(state: bytes, parts: Parts) -> dict[str, float]:
    """Take up what ``save`` gave, into parts that are new; returns ``since``.

    Raises:
        ValueError: The bytes are no such snapshot. Nothing but rows of series and operations has changed.
    """
    store, inputs, detector, evidence, failures, symptoms, incidents, differences, book, deployments, watch = parts
    try:
        with np.load(io.BytesIO(state), allow_pickle=False) as arrays:
            given = {name: arrays[name] for name in arrays.files}
        header = json.loads(given["header"].tobytes())
        _check(header, given, detector)
        since = {str(name): float(second) for name, second in header["since"].items()}
        kept = Incidents(incidents.threshold)
        kept.load(header["incidents"])
        Book(kept.open).load(header["book"])
        Deployments().load(header["deployments"])
        open_tick, thinning = int(header["open_tick"]), int(header["thinning"])
        edges = {(str(caller), str(callee)): int(tick) for caller, callee, tick in header["edges"]}
        roots_seen = float(header["roots_seen"])
        silence = {str(name): int(ticks) for name, ticks in header["silence"].items()}
        rows = _operations(inputs, header["operations"])
        numbers = rows.astype(np.uint64)
        Differences(differences.columns, 1).load(header["differences"], inputs, rows)
        pending, waiting = (_renumbered(given[name], numbers) for name in ("pending", "waiting"))
        if len(header["series"]) > inputs.bank.max_series:
            raise ValueError("more series than max_series")
        series = inputs.bank.load(header["series"], given["seen"])
        detector.resize(inputs.bank.capacity)
        detector.load(_under("detector.", given))
        watch.load(header["metrics"], _under("metrics.", given))
    except FAULTS as error:
        detector.resize(inputs.bank.capacity)
        detector.clear(np.arange(inputs.bank.capacity))
        raise ValueError(f"not a snapshot of anomaly detection: {error}") from error
    evidence.resize(inputs.bank.capacity)
    evidence.total[series], evidence.run[series] = given["evidence"]
    failures.resize(inputs.bank.capacity)
    failures.values[:, series] = given["failures"]
    symptoms.resize(inputs.bank.capacity)
    symptoms.values[:, series] = given["symptoms"]
    incidents.load(kept.state())
    book.load(header["book"])
    deployments.load(header["deployments"])
    differences.load(header["differences"], inputs, rows)
    inputs.edges, inputs.roots_seen, inputs.silence = edges, roots_seen, silence
    for counts, saved in zip(_counts(inputs), given["calls"], strict=True):
        counts[rows] = saved
    store.load(pending, waiting, open_tick, thinning)
    return since


def _check(header: dict[str, Any], given: dict[str, npt.NDArray[Any]], detector: Detector) -> None:
    if header["version"] != VERSION or header["detector"] != type(detector).__name__:
        raise ValueError("of another version or detector")
    series, operations = len(header["series"]), len(header["operations"])
    if given["seen"].shape != (series,) or given["evidence"].shape != (2, series):
        raise ValueError("series and their values differ in number")
    if given["calls"].shape != (3, operations) or not np.isfinite(given["calls"]).all():
        raise ValueError("operations and their counts differ in number")
    if given["failures"].shape != (FAILURE_ROWS, series) or not (given["failures"] >= 0.0).all():
        raise ValueError("series and their failures differ in number, or are no counts")
    if given["symptoms"].shape != (ROWS, series):
        raise ValueError("series and their symptoms differ in number")
    if not all(np.isfinite(given[name]).all() for name in ("evidence", "failures", "symptoms")):
        raise ValueError("evidence is not finite")
    for name in ("pending", "waiting"):
        spans = given[name]
        if spans.dtype != np.uint64 or spans.ndim != 2 or spans.shape[1] != WORDS:
            raise ValueError(f"{name} spans have another layout")
        if len(spans) and int((spans[:, OPERATION] & LOW).max()) >= operations:
            raise ValueError(f"{name} spans of an operation that is not there")


def _operations(inputs: TickInputs, described: list[dict[str, str]]) -> npt.NDArray[np.int64]:
    names = [label.name for label in OPERATION_LABELS]
    rows = []
    for labels in described:
        is_overflow = not labels.keys() & set(names)
        table = inputs.operations
        rows.append(table.overflow_row() if is_overflow else table.row_of([labels.get(name) for name in names]))
    found = np.array(rows, np.int32)
    inputs.know(found)
    return found.astype(np.int64)


def _under(prefix: str, given: dict[str, npt.NDArray[Any]]) -> dict[str, npt.NDArray[Any]]:
    """The arrays whose names begin so, without that."""
    return {name.removeprefix(prefix): array for name, array in given.items() if name.startswith(prefix)}


def _counts(inputs: TickInputs) -> tuple[npt.NDArray[np.float64], ...]:
    return inputs.calls_seen, inputs.calls_out, inputs.calls_remote


def _rows(array: npt.NDArray[Any], rows: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """``array[rows]`` with zeros for rows beyond its end: series that came since the last tick."""
    longer = array
    if len(rows) and int(rows.max()) >= len(array):
        longer = np.zeros((int(rows.max()) + 1, *array.shape[1:]), array.dtype)
        longer[: len(array)] = array
    found: npt.NDArray[Any] = longer[rows]
    return found


def _renumbered(words: UInt64s, numbers: UInt64s) -> UInt64s:
    """Spans with other numbers of their operations."""
    out = np.ascontiguousarray(words, np.uint64).copy()
    if len(out):
        operations = (out[:, OPERATION] & LOW).astype(np.int64)
        out[:, OPERATION] = (out[:, OPERATION] & ~LOW) | numbers[operations]
    return out
