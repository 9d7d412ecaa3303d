"""River models behind the adapter: what may be written, and each trap fenced."""

from __future__ import annotations

import math

import numpy as np
import pytest

from processors.anomaly.detector import Matrix
from processors.anomaly.river_detector import RiverDetector
from processors.anomaly.river_expression import parse

MODELS = (
    "anomaly.HalfSpaceTrees(n_trees=5, height=5, window_size=40, seed=1)",
    "anomaly.GaussianScorer(window_size=60, grace_period=20)",
    "anomaly.LocalOutlierFactor(n_neighbors=5)",
    "anomaly.PredictiveAnomalyDetection(predictive_model=time_series.SNARIMAX(p=2, d=0, q=1), warmup_period=20)",
    "time_series.HoltWinters(alpha=0.3, beta=0.1)",
    "preprocessing.StandardScaler() | anomaly.OneClassSVM(nu=0.2)",
    "drift.ADWIN()",
)


def surprises(detector: RiverDetector, values: list[float]) -> list[float]:
    detector.resize(1)
    one = np.ones(1)
    found = []
    for tick, value in enumerate(values):
        missing = 0.0 if math.isnan(value) else 1.0
        matrix = Matrix(np.array([value]), np.zeros(1), np.array([missing]), one, 10.0 * tick)
        found.append(float(detector.score(matrix)[0]))
        detector.learn(matrix, np.array([abs(found[-1]) > 2]))
    return found


def noise(n: int, seed: int = 4) -> list[float]:
    return (10.0 + np.random.default_rng(seed).normal(0, 1, n)).tolist()


@pytest.mark.parametrize("model", MODELS)
def test_every_kind_of_model_gives_finite_surprise_and_is_cold_at_first(model: str) -> None:
    found = surprises(RiverDetector(model, warm_up=60), [*noise(150), 400.0])
    assert all(math.isfinite(value) for value in found)
    assert not any(found[:60])


@pytest.mark.parametrize("model", [MODELS[0], MODELS[1], MODELS[4]])
def test_a_jump_surprises_more_than_anything_usual(model: str) -> None:
    found = [abs(value) for value in surprises(RiverDetector(model, warm_up=60), [*noise(300), 40.0])]
    assert found[-1] > max(found[200:-1])


@pytest.mark.parametrize("model", MODELS)
def test_a_constant_series_surprises_nobody(model: str) -> None:
    assert not any(surprises(RiverDetector(model, warm_up=30), [5.0] * 200))
    assert not any(surprises(RiverDetector(model, warm_up=30), [0.0] * 200))


@pytest.mark.parametrize("model", [MODELS[0], MODELS[1], MODELS[6]])
def test_a_jump_after_a_constant_history_is_a_surprise(model: str) -> None:
    assert surprises(RiverDetector(model, warm_up=30), [2.0] * 200 + [90.0])[-1] > 3


@pytest.mark.parametrize("model", [MODELS[1], MODELS[3]])
def test_a_score_that_saturates_says_far_out_and_no_more(model: str) -> None:
    far = surprises(RiverDetector(model, warm_up=60), [*noise(300), 40.0])[-1]
    farther = surprises(RiverDetector(model, warm_up=60), [*noise(300), 1e9])[-1]
    assert 1 < far <= farther <= 8


@pytest.mark.parametrize("model", [MODELS[0], MODELS[1], MODELS[4]])
def test_missing_values_are_not_scored_and_teach_nothing(model: str) -> None:
    values = noise(200)
    gaps = [*values[:100], *[math.nan] * 20, *values[100:]]
    plain = surprises(RiverDetector(model), values)
    with_gaps = surprises(RiverDetector(model), gaps)
    assert not any(with_gaps[100:120])
    assert with_gaps[:100] + with_gaps[120:] == plain


def test_the_unit_of_a_series_changes_nothing() -> None:
    values = [*noise(300), 40.0]
    small = surprises(RiverDetector(MODELS[0]), [value * 1e-6 for value in values])
    assert small == pytest.approx(surprises(RiverDetector(MODELS[0]), values), abs=0.2)


def test_models_are_limited() -> None:
    detector = RiverDetector(MODELS[1], max_models=3)
    detector.resize(10)
    rng = np.random.default_rng(1)
    for tick in range(20):
        matrix = Matrix(rng.normal(0, 1, 10), np.zeros(10), np.ones(10), np.ones(10), float(tick))
        detector.score(matrix)
        detector.learn(matrix, np.zeros(10, bool))
    assert detector.totals()["model_made"] == 3
    assert detector.totals()["model_refused"] == 7 * 20


@pytest.mark.parametrize(
    ("text", "part"),
    [
        ("__import__('os').system('true')", "name the arguments|not allowed"),
        ("anomaly.__dict__", "not allowed"),
        ("anomaly.HalfSpaceTrees(n_trees=(lambda: 1)())", "not allowed"),
        ("anomaly.HalfSpaceTrees(5)", "name the arguments"),
        ("anomaly.HalfSpaceTrees(**{'n_trees': 5})", r"\*\*"),
        ("anomaly.Nothing()", "no class"),
        ("os.System()", "the modules are"),
        ("anomaly.HalfSpaceTrees(trees=5)", "unexpected keyword"),
        ("anomaly.HalfSpaceTrees(n_trees=1000000)", "too large"),
        ("anomaly.HalfSpaceTrees(", "not a river model"),
        ("x" * 2000, "characters"),
    ],
)
def test_what_is_no_model_is_refused_with_a_reason(text: str, part: str) -> None:
    with pytest.raises(ValueError, match=part):
        parse(text)


def test_a_model_of_another_kind_is_refused() -> None:
    with pytest.raises(ValueError, match="neither"):
        RiverDetector("preprocessing.StandardScaler()")
