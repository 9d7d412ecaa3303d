"""Sentences about incidents can be read at night."""

import math
import re

import pytest

from processors.anomaly.explanation import sentence
from processors.anomaly.series_bank import GAP, Series


@pytest.mark.parametrize("ratio", [1e-6, 0.024, 0.5, 3.4, 12.3, 98.7, 99.6, 123, 449, 9990, 123_456, 1e6])
def test_ratios_are_two_digits_and_no_power_of_ten(ratio: float) -> None:
    said = sentence(Series(GAP, "gateway", "POST", "client", "orders"), math.log10(ratio), 0.0)
    found = re.fullmatch(r"time on the wire gateway → orders ([\d.e+-]+)× expected on POST", said)
    assert found is not None
    assert float(found[1]) == float(f"{ratio:.2g}")
    if ratio >= 1e-4:
        assert "e" not in found[1]
