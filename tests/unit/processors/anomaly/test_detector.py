"""Detectors of other authors: what is asked of them, and what is said where it is not there."""

from importlib.metadata import EntryPoint
from typing import Any

import numpy as np
import pytest

from pipeline.errors import ConfigError
from pipeline.testing import Harness, span_batch
from processors.anomaly import Anomaly, detector
from processors.anomaly.detector import Bools, Floats, Matrix, RowArrays


class Mine(RowArrays):
    """Finds nothing strange, as quickly as it can be said."""

    answer: Any = None
    band: Any = None

    def __init__(self, limit: float = 1.0) -> None:
        super().__init__()
        self.limit = limit

    def score(self, matrix: Matrix) -> Floats:
        return np.zeros(len(matrix)) if self.answer is None else self.answer(matrix)

    def learn(self, matrix: Matrix, frozen: Bools) -> None:
        """Nothing."""

    def expected(self) -> Any:
        return self.band


class Unfinished(RowArrays):
    """Neither scores nor learns."""


@pytest.fixture(autouse=True)
def _installed(monkeypatch: pytest.MonkeyPatch) -> None:
    known = detector.installed()
    mine = {name: EntryPoint(name, f"{__name__}:{name}", detector.GROUP) for name in ("Mine", "Unfinished")}
    monkeypatch.setattr(detector, "installed", lambda: known | mine)


def ticked() -> Harness[Anomaly]:
    run = Harness(Anomaly, detector="Mine")
    for _ in range(4):
        run.traces(span_batch(5, start_unix_nano=run.clock.unix_nano()), then_advance_s=10)
    return run


def test_a_detector_of_another_author_is_asked() -> None:
    assert [point for point in ticked().metrics() if point.name == "weir_anomaly_score"]


@pytest.mark.parametrize(
    ("answer", "band", "said"),
    [
        (lambda matrix: np.zeros(1), None, r"detector Mine: score gave \(1,\) or NaN, not a number for each of"),
        (lambda matrix: np.full(len(matrix), np.nan), None, "or NaN"),
        (lambda matrix: 0.0, None, r"score gave \(\)"),
        (None, 1.0, r"detector Mine: expected gave \(\), not lower and upper of"),
        (None, (np.zeros(1), np.zeros(1)), r"expected gave \(2, 1\)"),
    ],
)
def test_an_answer_that_is_not_one_number_for_each_series_is_refused(
    monkeypatch: pytest.MonkeyPatch, answer: Any, band: Any, said: str
) -> None:
    monkeypatch.setattr(Mine, "answer", staticmethod(answer) if answer else None)
    monkeypatch.setattr(Mine, "band", band)
    with pytest.raises(ValueError, match=said):
        ticked()


@pytest.mark.parametrize(
    ("name", "parameters", "said"),
    [
        ("Unfinished", {}, 'detector "Unfinished" has no score, learn, expected; RowArrays has most'),
        ("Mine", {"limmit": 2}, "unexpected keyword argument 'limmit'"),
        ("Missing", {}, 'there is no detector "Missing"; installed: .*Mine'),
    ],
)
def test_what_a_configuration_cannot_use_is_named(name: str, parameters: dict[str, Any], said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        Harness(Anomaly, detector=name, detector_parameters=parameters)
