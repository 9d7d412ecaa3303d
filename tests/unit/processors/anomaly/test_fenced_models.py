"""River models of vectors: each trap fenced, limits, and the same scores after a restart."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from processors.anomaly.detector import Array, Floats
from processors.anomaly.fenced_models import MOVED_SURPRISE, FencedModels
from processors.anomaly.river_step import new_step

TREES = "anomaly.HalfSpaceTrees(n_trees=5, height=5, window_size=40, seed=1)"
SVM = "preprocessing.StandardScaler() | anomaly.OneClassSVM(nu=0.1)"
LODA = "anomaly.LODA(n_bins=10, n_random_cuts=10, seed=1)"
OF_VECTORS = (TREES, SVM, LODA)
OF_VALUES = (
    "anomaly.GaussianScorer(window_size=60, grace_period=20)",
    "time_series.HoltWinters(alpha=0.3)",
    "drift.ADWIN()",
)
WARM_UP = 60


def models(expression: str = TREES, width: int = 3, **parameters: Any) -> FencedModels:
    return FencedModels(expression, width=width, warm_up=WARM_UP, **({"window": 50} | parameters))


def surprises(detector: FencedModels, vectors: Array, first: int = 0) -> Floats:
    found = []
    for tick, vector in enumerate(np.atleast_2d(vectors), first):
        surprise, _ = detector.score(np.zeros(1, np.int64), vector[None], 10.0 * tick)
        detector.learn(np.zeros(1, bool))
        found.append(surprise[0])
    return np.array(found)


def noise(n: int, width: int = 3, seed: int = 2) -> Array:
    return 5.0 + np.random.default_rng(seed).normal(0, 1, (n, width))


@pytest.mark.parametrize("expression", OF_VECTORS)
def test_nothing_is_scored_before_the_warm_up(expression: str) -> None:
    found = surprises(models(expression), np.concatenate((noise(WARM_UP), np.full((1, 3), 1e6))))
    assert not found.any()


@pytest.mark.parametrize("expression", OF_VECTORS)
def test_constant_vectors_surprise_nobody(expression: str) -> None:
    assert not surprises(models(expression), np.tile([0.0, 3.0, -1.0], (200, 1))).any()


def test_vectors_that_move_after_a_constant_history_are_a_surprise() -> None:
    vectors = np.tile([0.0, 3.0, -1.0], (200, 1))
    vectors[-1, 1] = 3.5
    assert surprises(models(), vectors)[-1] == MOVED_SURPRISE


@pytest.mark.parametrize("expression", [TREES, LODA])
def test_a_vector_far_out_surprises_more_than_anything_usual(expression: str) -> None:
    found = surprises(models(expression), np.concatenate((noise(300), np.full((1, 3), 12.0))))
    assert found[-1] > 1
    assert found[-1] >= found[150:-1].max()


def test_a_value_that_never_varied_does_not_hide_the_others() -> None:
    vectors = np.concatenate((noise(300), np.full((1, 3), 12.0)))
    vectors[:, 0] = 7.0
    assert surprises(models(), vectors)[-1] > 1


def test_the_units_of_the_values_change_nothing() -> None:
    vectors = np.concatenate((noise(300), np.full((1, 3), 12.0)))
    scaled = surprises(models(), vectors * [1e-6, 1.0, 1e6])
    assert scaled == pytest.approx(surprises(models(), vectors), abs=1e-6)


def test_a_score_that_saturates_says_far_out_and_no_more() -> None:
    far, farther = (surprises(models(), np.concatenate((noise(300), np.full((1, 3), end))))[-1] for end in (14.0, 1e12))
    assert 1 < far <= farther <= 8


def test_rows_that_are_not_there_in_a_tick_are_not_scored_and_learn_nothing() -> None:
    vectors, both = noise(200), np.arange(2)
    alone = surprises(models(), vectors)
    detector, found = models(), []
    for tick, vector in enumerate(vectors):
        surprise, _ = detector.score(both[: 1 + tick % 2], np.stack((vector, -vector))[: 1 + tick % 2], 10.0 * tick)
        detector.learn(np.zeros(2, bool))
        found.append(surprise[0])
    assert found == alone.tolist()
    assert detector.arrays["values"].tolist()[:2] == [200, 100]


@pytest.mark.parametrize("stop", [1, 30, 39, 40, 49, 50, 51, 79, 80, 99, 100, 101, 149, 150, 230])
@pytest.mark.parametrize(("expression", "width"), [*((one, 3) for one in OF_VECTORS), *((one, 1) for one in OF_VALUES)])
def test_a_restart_anywhere_gives_the_same_scores_without_a_pickle(expression: str, width: int, stop: int) -> None:
    vectors = noise(260, width)
    vectors[200:210] += 6.0
    running = surprises(models(expression, width), vectors)
    before, after = models(expression, width), models(expression, width)
    first = surprises(before, vectors[:stop])
    state = before.state(np.zeros(1, np.int64))
    assert all(isinstance(array, np.ndarray) and array.dtype.kind in "if" for array in state.values())
    after.load(state)
    second = surprises(after, vectors[stop:], stop)
    assert np.concatenate((first, second)).tolist() == running.tolist()


@pytest.mark.parametrize(("expression", "window"), [(TREES, 40), (SVM, 50)])
def test_a_model_is_what_its_last_one_to_two_windows_made_it(expression: str, window: int) -> None:
    detector = models(expression)
    surprises(detector, noise(3 * window + 2))
    kept = int(detector.arrays["kept"][0])
    assert window <= kept < 2 * window
    alone = new_step(expression, 3)
    for vector in detector.arrays["history"][0, :kept].tolist():
        alone(vector)
    probes = np.random.default_rng(9).random((20, 3)).tolist()
    held = detector._models[0].step
    assert [held(probe) for probe in probes] == [alone(probe) for probe in probes]


def test_models_are_limited_and_those_idle_for_an_hour_make_room() -> None:
    detector = models(max_models=2)
    rows = np.arange(3)
    detector.score(rows, noise(3), 0.0)
    assert detector.totals() == {"model_made": 2, "model_evicted": 0, "model_refused": 1, "model_failed": 0}
    detector.score(rows[1:2], noise(1), 3000.0)
    detector.score(rows[2:], noise(1), 4000.0)
    assert detector.totals() == {"model_made": 3, "model_evicted": 1, "model_refused": 1, "model_failed": 0}
    assert detector.places.of(rows).tolist() == [-1, 1, 0]
    assert len(detector.arrays["history"]) <= 64


def test_a_row_that_gets_the_place_of_another_knows_nothing_of_it() -> None:
    detector = models(max_models=1)
    surprises(detector, noise(200))
    detector.forget(np.zeros(1, np.int64))
    found = [detector.score(np.ones(1, np.int64), vector[None], 0.0)[0][0] for vector in noise(50) + 100.0]
    assert not any(found)


@pytest.mark.parametrize("name", ["index", "kept", "history", "level"])
def test_a_damaged_state_is_refused(name: str) -> None:
    detector = models()
    surprises(detector, noise(90))
    state = detector.state(np.zeros(1, np.int64))
    state[name] = state[name].astype(float) * np.nan if name != "index" else np.array([-1])
    with pytest.raises(ValueError, match=name):
        models().load(state)


@pytest.mark.parametrize("expression", OF_VALUES)
def test_a_model_of_single_values_is_refused_for_vectors(expression: str) -> None:
    with pytest.raises(ValueError, match="single values"):
        models(expression)
