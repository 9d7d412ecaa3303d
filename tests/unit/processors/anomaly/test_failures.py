"""Failing calls in little traffic: no tick shows them, the calls of some minutes do."""

from __future__ import annotations

import math

import numpy as np
import pytest

from pipeline.testing import Harness
from processors.anomaly import Anomaly
from processors.anomaly.detector import Matrix
from processors.anomaly.failures import FIRST_BURST, FIRST_CALLS, ILL, OVER, WEIGHT, WORSE, FailureOdds
from processors.anomaly.series_bank import ERRORS, Series, SeriesBank
from processors.anomaly.tick_inputs import ERROR_SCALE, QUIET_CALLS
from tests.unit.processors.anomaly.shop import Fault, play, told

FIRST, LAST = 400, 520


class Service:
    """One service's calls, tick by tick."""

    def __init__(self) -> None:
        self.bank = SeriesBank(8)
        self.row = self.bank.row(Series(ERRORS, "payment"), 0)
        self.odds = FailureOdds()
        self.odds.resize(self.bank.capacity)

    def tick(self, calls: int, failed: int, *, learnt: bool = True) -> float:
        """The evidence after a tick."""
        mean, variance, count = np.zeros((3, self.bank.capacity))
        mean[self.row] = ERROR_SCALE * failed / (calls + QUIET_CALLS)
        count[self.row] = calls
        matrix = Matrix(mean, variance, count, self.bank.fall, 0.0, self.bank)
        rows, evidence = self.odds.score(matrix, self.bank)
        assert rows.tolist() == ([self.row] if calls else [])
        self.odds.learn(matrix if learnt else Matrix(mean, variance, 0.0 * count, self.bank.fall, 0.0, self.bank))
        return float(evidence.sum())

    def ticks(self, number: int, calls: int = 6, failed: int = 0) -> float:
        """The most evidence of some ticks alike."""
        return max(self.tick(calls, failed) for _ in range(number))

    def now(self) -> float:
        """Odds, decades."""
        return float(self.odds.values[2, self.row])


def binomial(failed: int, calls: int, share: float) -> float:
    return math.comb(calls, failed) * share**failed * (1.0 - share) ** (calls - failed)


def test_odds_are_the_ratio_of_two_binomial_probabilities() -> None:
    service = Service()
    service.ticks(300)
    expected = 0.0
    for failed in (1, 1, 0, 2, 1, 0, 1):
        calls, all_failed = service.odds.values[0, service.row], service.odds.values[1, service.row]
        usual = (all_failed + 0.5) / (calls + 50.0)
        ratio = math.log10(binomial(failed, 6, ILL) / binomial(failed, 6, usual))
        expected += min(ratio, 2.0)
        service.tick(6, failed)
        assert service.now() == pytest.approx(expected)


def test_a_first_burst_says_more_the_more_calls_there_were_without() -> None:
    evidence = []
    for history in (100, 400, 1600):
        service = Service()
        service.ticks(history)
        evidence.append(service.ticks(8, failed=2))
    assert evidence[0] == 0.0
    assert evidence[0] < evidence[1] < evidence[2]


def test_the_same_burst_again_is_no_evidence_and_a_worse_one_is() -> None:
    service = Service()
    service.ticks(2000)
    assert service.ticks(8, failed=2) > 0.0
    service.ticks(100)
    assert service.ticks(8, failed=2) == 0.0
    assert service.ticks(12, failed=2) > 0.0


def test_the_worst_burst_sets_the_bar_where_calls_are_many() -> None:
    service = Service()
    service.ticks(2000)
    service.ticks(10, failed=2)
    highest = service.now()
    service.ticks(20)
    calls, _, _, _, worst = service.odds.values[:, service.row]
    assert worst == pytest.approx(highest, rel=0.02)
    evidence = service.ticks(16, failed=2)
    bar = max(WORSE * service.odds.values[4, service.row], FIRST_BURST + FIRST_CALLS / calls)
    assert evidence == pytest.approx(WEIGHT * (service.now() - bar), rel=0.05)


def test_a_burst_of_an_incident_is_not_learnt() -> None:
    service = Service()
    service.ticks(2000)
    for _ in range(20):
        service.tick(6, 2, learnt=False)
    for _ in range(20):
        service.tick(6, 0, learnt=False)
    assert service.now() == 0.0
    assert service.odds.values[4, service.row] == 0.0
    assert service.ticks(8, failed=2) > 0.0


def test_a_burst_is_over_once_calls_that_do_not_fail_say_so() -> None:
    service = Service()
    service.ticks(2000)
    service.ticks(20, failed=2)
    ticks = math.ceil(OVER / (-6 * math.log10(1.0 - ILL)))
    service.ticks(ticks - 1)
    assert service.now() > 0.0
    service.ticks(1)
    assert service.now() == 0.0


def test_a_tick_without_calls_says_nothing() -> None:
    service = Service()
    service.ticks(2000)
    service.ticks(8, failed=2)
    before = service.now()
    service.ticks(30, calls=0)
    assert service.now() == before


def failing(share: float, service: str = "payment") -> dict[int, Fault]:
    return {tick: {f"{service}!": share} for tick in range(FIRST, LAST)}


@pytest.mark.simulation
def test_a_third_of_six_calls_failing_is_one_incident_from_beginning_to_end() -> None:
    changes = play(Harness(Anomaly), range(LAST + 40), failing(0.3).get, traces=6)
    assert [change.what for change in changes if change.what != "updated"] == ["opened", "resolved"]
    assert changes[0].incident.root == "payment"


@pytest.mark.simulation
def test_restarts_while_few_calls_fail_give_the_same_events() -> None:
    fault = failing(0.3).get
    running = told(play(Harness(Anomaly), range(LAST), fault, traces=6))
    restarts = (FIRST - 100, FIRST + 4, FIRST + 30)
    assert running
    assert told(play(Harness(Anomaly), range(LAST), fault, traces=6, restarts=restarts)) == running
