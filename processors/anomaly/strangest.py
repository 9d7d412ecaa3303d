"""The spans that show an anomaly best, as examples to open in a tracing tool.

Looked for when something has become anomalous, in the tick in which it did: of the spans that a series is made of,
those farthest from what was expected. Ids decide between equals, so the order of the spans changes nothing.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

import numpy as np

from processors.anomaly.detector import Floats
from processors.anomaly.joined import Joined
from processors.anomaly.series_bank import DURATION, GAP
from processors.anomaly.span_sums import SHORTEST_NANO
from processors.anomaly.tick_inputs import TickInputs

EXAMPLES = 5


class Example(NamedTuple):
    """Ids of a span in hexadecimal."""

    trace_id: str
    span_id: str


class Strangest:
    """The spans of one tick.

    Args:
        inputs: Knows which spans make a series.
        joined: The spans.
        expected: float64[capacity], expected mean of each series; NaN where unknown.
    """

    def __init__(self, inputs: TickInputs, joined: Joined, expected: Floats) -> None:
        self._inputs = inputs
        self._joined = joined
        self._expected = expected

    def of(self, row: int) -> list[Example]:
        """The strangest spans of a series."""
        joined = self._joined
        spans = self._inputs.spans_of(row, joined)
        if not len(spans):
            return []
        signal = self._inputs.bank.names(row).signal
        nano = joined.gap_nano if signal == GAP else joined.self_nano if signal == DURATION else joined.duration_nano
        logs = np.log10(np.maximum(nano[spans], SHORTEST_NANO) / 1e6)
        known = signal in (DURATION, GAP) and np.isfinite(self._expected[row])
        distance = np.abs(logs - self._expected[row]) if known else logs
        ids = joined.ids[spans]
        order = np.lexsort((ids[:, 2], ids[:, 1], ids[:, 0], -distance))[:EXAMPLES]
        return [Example(ids[i, :2].tobytes().hex(), ids[i, 2:].tobytes().hex()) for i in order.tolist()]

    def of_all(self, rows: Iterable[int]) -> list[Example]:
        """Those of several series, of the first one first."""
        found = [example for row in rows for example in self.of(row)]
        return list(dict.fromkeys(found))[:EXAMPLES]
