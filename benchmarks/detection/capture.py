"""What the detectors saw: a stream's matrices, kept to be judged again with other parameters.

Replaying costs half a minute, judging again a second, so that many parameters can be compared. A tick is kept as the
matrix, and as None where there was no telemetry.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import numpy as np

from benchmarks.detection.kit import SpanStream
from benchmarks.detection.replay import Event, play
from processors.anomaly.detector import Matrix, make
from processors.anomaly.evidence import Evidence
from processors.anomaly.failures import FailureOdds
from processors.anomaly.incidents import Change, Incidents
from processors.anomaly.joined import Joined
from processors.anomaly.processor import FROZEN_FROM
from processors.anomaly.series_bank import SeriesBank
from processors.anomaly.symptoms import Symptoms, about


@dataclass
class Captured:
    """The ticks of one stream: (second, matrix), and the bank and edges at its end."""

    stream: SpanStream
    ticks: list[tuple[float, Matrix | None]] = field(default_factory=list)
    bank: SeriesBank | None = None
    edges: list[tuple[str, str]] = field(default_factory=list)


def capture(stream: SpanStream, config: dict[str, Any]) -> Captured:
    """Replay a stream and keep what its detectors saw."""
    captured = Captured(stream)

    def watch(processor: Any) -> None:
        judge, no_data = processor.judge, processor.no_data

        def judged(matrix: Matrix, second: float, joined: Joined) -> None:
            captured.ticks.append((second, matrix))
            judge(matrix, second, joined)

        def nothing(second: float) -> None:
            captured.ticks.append((second, None))
            no_data(second)

        processor.judge, processor.no_data = judged, nothing

    processor = play(stream, config, watch, lambda _: None, lambda _: None)
    captured.bank, captured.edges = processor.bank, list(processor.inputs.edges)
    return captured


def judge(
    captured: Captured,
    *,
    threshold: float,
    lateness: float = 2.0,
    detector: dict[str, Any] | None = None,
    evidence: dict[str, Any] | None = None,
    incidents: dict[str, Any] | None = None,
) -> list[Event]:
    """The events that these parameters would have raised."""
    bank = captured.bank
    assert bank is not None
    model = make("layered", {"robust": detector or {}})
    model.resize(bank.capacity)
    collected = Evidence(**(evidence or {}))
    collected.resize(bank.capacity)
    failures = FailureOdds()
    failures.resize(bank.capacity)
    symptoms = Symptoms()
    symptoms.resize(bank.capacity)
    correlated = Incidents(threshold, **(incidents or {}))
    events: list[Event] = []
    for second, matrix in captured.ticks:
        if matrix is None:
            correlated.no_data(second)
            continue
        whole = widened(matrix, bank)
        ill = collected.total > FROZEN_FROM
        collected.add(model.score(whole), whole, bank)
        collected.at_least(*failures.score(whole, bank))
        scores, band = collected.of_services(bank), model.expected()
        assert band is not None
        symptoms.measure(whole, band)
        goes_on = partial(symptoms.remain, band=band, bank=bank)
        changes = correlated.update(bank.services, scores, captured.edges, second, goes_on)
        for change in changes:
            if change.what == "lasting":
                forget(change, bank, model, collected, failures, symptoms)
        still_open = list(correlated.open.values())
        symptoms.note(still_open, collected, whole, band, bank)
        learnt = symptoms.without(whole, still_open, band, bank)
        model.learn(learnt, ill)
        failures.learn(learnt)
        events += opened(changes, second + lateness)
    return events


def forget(
    change: Change, bank: SeriesBank, model: Any, evidence: Evidence, failures: FailureOdds, symptoms: Symptoms
) -> None:
    """What the processor does when an incident lasts."""
    theirs = about(bank, change.incident.services)
    rows = np.flatnonzero(theirs & ((evidence.total > FROZEN_FROM) | (symptoms.values[0] > 0)))
    for part in (model, evidence, failures, symptoms):
        part.clear(rows)


def widened(matrix: Matrix, bank: SeriesBank) -> Matrix:
    """A matrix of the time when fewer series were known."""
    missing = bank.capacity - len(matrix)
    mean, variance, count = (
        np.concatenate((column, np.zeros(missing))) for column in (matrix.mean, matrix.variance, matrix.count)
    )
    return Matrix(mean, variance, count, bank.fall, matrix.second, bank)


def opened(changes: Sequence[Change], second: float) -> list[Event]:
    """The incidents that these changes open, as events."""
    return [
        {"ts": second, "score": change.incident.score, "ranking": change.incident.ranking}
        for change in changes
        if change.what == "opened"
    ]
