"""FencedModels: river models of vectors, one a row, with river's traps fenced.

    values → robust scale, squeezed into 0 … 1 → model → score → surprise against the scores that this row had before

- Missing and NaN values never reach a model (half-space trees score NaN as the strangest of all).
- A row that has not varied is not asked (a Gaussian scorer gives 1.0 on a constant one, and half-space trees 0 for a
  45-fold jump after one); if it moves, that is a surprise of its own.
- Nothing is scored before the warm-up (half-space trees give 0, Holt-Winters raises).
- Values are scaled here and the scale forgets (``MinMaxScaler`` never does).
- A saturated score says only "far out": what it means follows from the scores the row had before.
- No model lives for ever (the error variance of ``PredictiveAnomalyDetection`` never forgets): after each window a
  successor takes over that has learnt this window alone.

         ├──── window ────┼──── window ────┤
    model ════════════════════════════════ ┐
    successor              ════════════════╪════════════════ ┐
                                           ╪════════════════ …

So a model is what its last one to two windows of values made it. They are kept, and a restart makes the same model of
them: nothing of river is pickled. Half-space trees forget in this very way by themselves, and need no successor.

A model costs 10 to 500 µs a tick and up to 1 MB, so their number is limited (``places.py``).
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from processors.anomaly.detector import Array, Bools, Floats, RowArrays
from processors.anomaly.places import Places, Rows
from processors.anomaly.river_step import Step, new_step, window_of

LOG10_E = 0.4342944819032518
MAX_SURPRISE = 8.0
MOVED_SURPRISE = 4.0
"""Of a row that moves after it has been constant, of which no model can say anything."""
MAX_DEVIATION = 8.0
"""Scaled deviations are clipped here."""
FROZEN_PACE = 0.05
IDLE_S = 3600.0
MIN_SCORE_SPREAD = 0.02
MAX_WINDOW = 10_000
FAULTS = (ArithmeticError, ValueError, IndexError, KeyError, AttributeError, TypeError)
"""What models raise that are not ready yet, or hit a case of their own."""


@dataclass
class Model:
    """A model and, in the second window of its life, the one that will follow it."""

    step: Step
    successor: Step | None = None


class FencedModels(RowArrays):
    """See the module.

    Args:
        expression: Of ``river_expression``.
        width: Values of a vector.
        max_models: Rows that can have one.
        warm_up: Vectors before a row is scored. After two thirds of them its scores are learnt.
        memory: Vectors of the scale, and of the usual score.
        window: Vectors a successor learns before it takes over; half-space trees have their own.
        floor: Smallest spread of a value that varies, in its unit.

    Attributes:
        failures: Times a model has raised.
    """

    def __init__(
        self,
        expression: str,
        *,
        width: int = 1,
        max_models: int = 1000,
        warm_up: int = 120,
        memory: float = 120.0,
        window: int = 360,
        floor: float = 0.0,
    ) -> None:
        if max_models < 1 or warm_up < 1 or memory < 1 or not 1 <= window <= MAX_WINDOW:
            raise ValueError(f"max_models, warm_up, memory and window must be at least 1, window at most {MAX_WINDOW}")
        new_step(expression, width)
        own_window = window_of(expression)
        self._renews = own_window is None
        self.window = own_window or window
        many = np.zeros(width)
        self.defaults = {
            **dict.fromkeys(("values", "asked", "score", "score_spread", "kept"), 0.0),
            "level": many,
            "spread": many,
            "history": np.zeros((2 * self.window, width)),
        }
        super().__init__()
        self._expression = expression
        self.width = width
        self.warm_up = warm_up
        self.grace = 2 * warm_up // 3
        self.pace = 1.0 / memory
        self.floor = floor
        self.failures = 0
        self.places = Places(max_models, IDLE_S)
        self._models: dict[int, Model] = {}
        self._rows = self._at = np.zeros(0, np.int64)
        self._values, self._raw = np.zeros((0, width)), np.zeros(0)

    def forget(self, rows: Array) -> None:
        """These rows need no model any more."""
        self.places.release(rows)

    def score(self, rows: Rows, values: Floats, second: float) -> tuple[Floats, Floats]:
        """Score vectors, and have the models learn them: asking twice would cost twice.

        Args:
            rows: int64[k], each once. Those that have no model get one while there is room.
            values: float64[k, width], finite.
            second: Unix time.

        Returns:
            Surprise float64[k], 0 where there is no model or it knows too little; deviations float64[k, width] in
            spreads, between -8 and 8.
        """
        self._begin(self.places.grant(rows, second))
        at = self.places.of(rows)
        surprise, deviation = np.zeros(len(rows)), np.zeros((len(rows), self.width))
        has = at >= 0
        self._rows, at, values = rows[has], at[has], values[has]
        self.places.see(at, second)
        a = self.arrays
        size = np.abs(a["level"][at]) + 1e-9
        step = values - a["level"][at]
        varied = a["spread"][at] > 1e-9 * size
        off = np.abs(step) > 1e-6 * size
        spread = np.maximum(a["spread"][at], np.maximum(self.floor, 1e-9 * size))
        scaled = np.where(varied | off, np.clip(step / spread, -MAX_DEVIATION, MAX_DEVIATION), 0.0)
        never_varied = ~varied.any(1)
        moved = never_varied & off.any(1) & (a["values"][at] > self.warm_up)
        found = np.where(moved, MOVED_SURPRISE, 0.0)
        asked = np.flatnonzero(~never_varied & (a["values"][at] >= 2))
        self._raw = np.full(len(at), np.nan)
        squeezed = 0.5 + scaled / (2 * MAX_DEVIATION)
        for i in asked.tolist():
            self._raw[i] = self._ask(int(at[i]), squeezed[i])
        known = (a["asked"][at] > self.warm_up) & np.isfinite(self._raw)
        excess = (self._raw - a["score"][at]) / np.maximum(a["score_spread"][at], MIN_SCORE_SPREAD) - 2.0
        strange = known & (np.nan_to_num(excess) > 0)
        found[strange] = np.minimum(1.0 + excess[strange] * LOG10_E, MAX_SURPRISE)
        surprise[has], deviation[has] = found, scaled
        self._at, self._values = at, values
        return surprise, deviation

    def learn(self, frozen: Bools) -> None:
        """Take the vectors that were scored last into the scales.

        Args:
            frozen: bool by row: out of band, moves the scales little.
        """
        a, at, values = self.arrays, self._at, self._values
        if not len(at):
            return
        ill = frozen[self._rows]
        first = a["values"][at] == 0
        a["level"][at[first]] = values[first]
        step = values - a["level"][at]
        limit = np.where(a["spread"][at] > 0, 4.0 * a["spread"][at], np.abs(step))
        step = np.clip(step, -limit, limit)
        pace = np.where(ill, FROZEN_PACE * self.pace, np.maximum(self.pace, 1.0 / (a["values"][at] + 1.0)))[:, None]
        a["level"][at] += pace * step
        a["spread"][at] += pace * (np.abs(step) - a["spread"][at])
        a["values"][at] += 1.0
        self._learn_scores(at, ill)
        self._at = at[:0]

    def totals(self) -> dict[str, int]:
        """Own metrics: models made and taken away, rows refused, and errors of models."""
        return {
            "model_made": self.places.granted,
            "model_evicted": self.places.evicted,
            "model_refused": self.places.refused,
            "model_failed": self.failures,
        }

    def state(self, rows: Array) -> dict[str, Array]:
        """What these rows have learnt, for a checkpoint; ``index``: which of them have a model."""
        places = self.places.of(rows)
        index = np.flatnonzero(places >= 0)
        return {"index": index} | {name: array[places[index]] for name, array in self.arrays.items()}

    def load(self, state: Mapping[str, Array]) -> None:
        """Take up what ``state`` gave, rows being numbered in its order. Models are made when they are first asked.

        Raises:
            ValueError, KeyError: It is of other models, or damaged.
        """
        index = np.asarray(state["index"])
        if index.dtype.kind != "i" or index.ndim != 1 or len(np.unique(index)) < len(index) or (index < 0).any():
            raise ValueError("index: not the numbers of rows")
        kept = np.asarray(state["kept"])
        if len(kept) != len(index) or not ((kept >= 0) & (kept < 2 * self.window)).all():
            raise ValueError("kept: more than two windows")
        self.places = Places(self.places.limit, IDLE_S)
        self._models.clear()
        places = self.places.grant(index.astype(np.int64), math.inf)
        self.places.granted = 0
        self._begin(places)
        super().load({name: np.asarray(state[name])[: len(places)] for name in self.arrays})

    def _begin(self, places: npt.NDArray[np.int64]) -> None:
        """Places that have gone to other rows know nothing."""
        if len(places):
            self.resize(max(self.places.used, len(self.arrays["values"])))
            self.clear(places)
            for place in places.tolist():
                self._models.pop(place, None)

    def _learn_scores(self, at: Rows, ill: Bools) -> None:
        """The usual score: from the end of the grace on, fast at first."""
        a = self.arrays
        since = a["asked"][at] - self.grace
        chosen = np.isfinite(self._raw) & (since > 0)
        at, raw, since = at[chosen], self._raw[chosen], since[chosen]
        slow = ill[chosen] & (a["asked"][at] > self.warm_up)
        pace = np.where(slow, FROZEN_PACE * self.pace, np.maximum(self.pace, 1.0 / since))
        off = raw - a["score"][at]
        a["score"][at] += pace * off
        a["score_spread"][at] += pace * (np.abs(off) - a["score_spread"][at])

    def _ask(self, place: int, values: Floats) -> float:
        """The raw score of one vector, which its model learns; NaN where the model cannot say."""
        a = self.arrays
        model = self._models.get(place)
        if model is None:
            model = self._models[place] = self._made(place)
        vector = values.tolist()
        raw = _tried(model.step, vector)
        if model.successor is not None:
            _tried(model.successor, vector)
        kept = int(a["kept"][place])
        a["history"][place, kept] = values
        kept += 1
        if self._renews and kept == self.window:
            model.successor = new_step(self._expression, self.width)
        elif kept == 2 * self.window:
            a["history"][place, : self.window] = a["history"][place, self.window :]
            kept = self.window
            if model.successor is not None:
                self._models[place] = Model(model.successor, new_step(self._expression, self.width))
        a["kept"][place] = kept
        a["asked"][place] += 1.0
        self.failures += raw is None
        return math.nan if raw is None else raw

    def _made(self, place: int) -> Model:
        """A model that has learnt what is kept of a place's values."""
        kept = int(self.arrays["kept"][place])
        history = self.arrays["history"][place, :kept].tolist()
        model = Model(new_step(self._expression, self.width))
        if self._renews and kept >= self.window:
            model.successor = new_step(self._expression, self.width)
        for number, vector in enumerate(history):
            _tried(model.step, vector)
            if model.successor is not None and number >= self.window:
                _tried(model.successor, vector)
        return model


def _tried(step: Step, vector: list[float]) -> float | None:
    """A finite score; None where the model raises."""
    try:
        raw = step(vector)
    except FAULTS:
        return None
    return min(raw, 1e6) if math.isfinite(raw) else 0.0
