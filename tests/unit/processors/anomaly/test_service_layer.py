"""The service layer: what a service's vector is, that it only speaks for what others say, and its limits."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from processors.anomaly.detector import Floats, Matrix
from processors.anomaly.series_bank import DURATION, ERRORS, GAP, RATE, Series, SeriesBank
from processors.anomaly.service_layer import AGREEMENT, MIN_CALLS, ServiceLayer, vectors_of

SERVICES = ("cart", "payment", "rare")


def bank_of_shop() -> SeriesBank:
    bank = SeriesBank(100)
    for service in SERVICES:
        bank.row(Series(DURATION, service, "Charge", "server"), 0)
        bank.row(Series(DURATION, service, "Refund", "server"), 0)
        bank.row(Series(RATE, service, "Charge", "server"), 0)
        bank.row(Series(GAP, "frontend", "Pay", "client", service), 0)
        bank.row(Series(ERRORS, service), 0)
    return bank


def tick(bank: SeriesBank, number: int, odd: Floats | None = None, seed: int = 1) -> tuple[Matrix, Floats]:
    """A matrix and the shifts of its series; ``odd``: shifts of payment's series, in order."""
    rng = np.random.default_rng([seed, number])
    mean = rng.normal(0, 0.05, bank.capacity)
    count = np.where(
        [series is not None for series in (*bank.series, *[None] * bank.capacity)][: bank.capacity], 20.0, 0.0
    )
    rare = [row for row, series in enumerate(bank.series) if series and "rare" in (series.service, series.peer)]
    count[rare] = MIN_CALLS - 1
    if odd is not None:
        mean[5:10] = odd
    return Matrix(mean, np.zeros(len(mean)), count, bank.fall, 10.0 * number, bank), mean


def surprises(layer: ServiceLayer, bank: SeriesBank, ticks: range, told: float = 2.0, **odd: Any) -> Floats:
    """float64[ticks, rows]: what becomes of a surprise of ``told`` in each series."""
    found = []
    for number in ticks:
        matrix, shift = tick(bank, number, **odd)
        surprise = np.full(len(matrix), told)
        layer.score(matrix, shift, surprise)
        layer.learn(matrix, np.zeros(len(matrix), bool))
        found.append(surprise)
    return np.array(found)


def test_the_vector_of_a_service_is_what_its_series_say_by_calls() -> None:
    bank = bank_of_shop()
    matrix, shift = tick(bank, 1)
    matrix.count[:] = np.random.default_rng(3).integers(0, 30, len(matrix))
    matrix.count[[4, 9]], matrix.count[bank.live :] = 7.0, 0.0
    found = dict(zip(*(part.tolist() for part in vectors_of(matrix, shift, bank)), strict=True))

    def by_calls(rows: list[int]) -> float:
        calls = sum(matrix.count[row] for row in rows)
        return sum(matrix.count[row] * shift[row] for row in rows) / calls if calls else 0.0

    for errors in (4, 9):
        expected = [by_calls([errors - 4, errors - 3]), by_calls([errors - 1]), by_calls([errors - 2])]
        assert found[errors] == pytest.approx([*expected, matrix.mean[errors], math.log10(8.0)], abs=1e-6)


def test_a_mix_never_seen_makes_the_surprises_of_its_service_count_more_and_of_no_other() -> None:
    bank, layer = bank_of_shop(), ServiceLayer()
    surprises(layer, bank, range(200))
    found = surprises(layer, bank, range(200, 201), odd=np.array([0.6, 0.6, 0.5, 0.6, 0.9]))[0]
    theirs = np.flatnonzero(bank.owner == bank.service_numbers["payment"])
    theirs = theirs[theirs < bank.live]
    assert 2.0 < found[theirs].min() == found[theirs].max() <= 2.0 * (1 + AGREEMENT)
    assert np.array_equal(np.delete(found, theirs), np.full(len(found) - len(theirs), 2.0))


def test_a_usual_mix_changes_little() -> None:
    bank, layer = bank_of_shop(), ServiceLayer()
    found = surprises(layer, bank, range(400))[100:]
    assert np.mean(found > 2.0) < 0.1


def test_the_layer_alone_says_nothing() -> None:
    bank, layer = bank_of_shop(), ServiceLayer()
    surprises(layer, bank, range(200))
    found = surprises(layer, bank, range(200, 220), told=0.0, odd=np.array([0.6, 0.6, 0.5, 0.6, 0.9]))
    assert not found.any()


def test_services_whose_values_are_withheld_are_not_asked_and_learn_nothing_also_after_a_restart() -> None:
    bank, layer = bank_of_shop(), ServiceLayer()
    nobody = np.zeros(bank.capacity, bool)
    surprises(layer, bank, range(100))
    asked = []
    for number in range(100, 110):
        matrix, shift = tick(bank, number)
        layer.score(matrix, shift, np.zeros(len(matrix)))
        is_open = 103 <= number < 107
        learnt = replace(matrix, count=np.where(bank.owner == bank.service_numbers["cart"], 0.0, matrix.count))
        layer.learn(learnt if is_open else matrix, nobody)
        asked.append(layer.models.arrays["asked"][:2].tolist())
        fresh = ServiceLayer()
        fresh.load(layer.state(np.arange(bank.capacity)))
        layer = fresh
    cart, payment = np.diff(asked, axis=0).T.tolist()
    assert cart == [1, 1, 1, 0, 0, 0, 0, 1, 1]
    assert payment == [1] * 9


def test_series_without_a_finite_value_are_in_no_vector() -> None:
    bank, layer = bank_of_shop(), ServiceLayer()
    for number in range(120):
        matrix, shift = tick(bank, number)
        matrix.mean[[0, 6]] = math.nan, math.inf
        shift[[0, 6]] = 0.0
        surprise = np.full(len(matrix), 2.0)
        layer.score(matrix, shift, surprise)
        layer.learn(matrix, np.zeros(len(matrix), bool))
        assert np.isfinite(surprise).all()
    assert all(np.isfinite(array).all() for array in layer.state(np.arange(bank.capacity)).values())


def test_services_with_few_calls_get_no_model_and_many_services_not_all_one() -> None:
    bank, layer = bank_of_shop(), ServiceLayer()
    surprises(layer, bank, range(3))
    assert layer.totals()["model_made"] == 2
    few = ServiceLayer(max_services=1)
    surprises(few, bank, range(3))
    assert few.totals() == {"model_made": 1, "model_evicted": 0, "model_refused": 3, "model_failed": 0}


def test_a_tick_of_nobody_knows_what_passes_unchanged() -> None:
    matrix, shift = tick(bank_of_shop(), 0)
    nameless = Matrix(matrix.mean, matrix.variance, matrix.count, matrix.fall, 0.0)
    surprise = np.full(len(matrix), 2.0)
    layer = ServiceLayer()
    layer.score(nameless, shift, surprise)
    layer.learn(nameless, np.zeros(len(matrix), bool))
    assert (surprise == 2.0).all()
