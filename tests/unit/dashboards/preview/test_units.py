"""Values are written as Grafana writes them."""

import math
from itertools import pairwise

import pytest

from dashboards.preview.units import text_of, ticks
from tests.unit.dashboards.reading import EVERY, load, panels


@pytest.mark.parametrize(
    ("value", "unit", "decimals", "text"),
    [
        (0, "short", None, "0"),
        (1234, "short", None, "1.23 K"),
        (2_500_000, "short", None, "2.5 Mil"),
        (0.31416, "percentunit", None, "31.4%"),
        (0.31416, "percentunit", 2, "31.42%"),
        (0, "percentunit", 2, "0.00%"),
        (-11.02, "percentunit", None, "-1102%"),
        (17.82, "reqps", None, "17.8 req/s"),
        (1500, "cps", None, "1.5 K c/s"),
        (0.000_25, "s", None, "250 µs"),
        (0.198, "s", None, "198 ms"),
        (1.2, "s", None, "1.2 s"),
        (315, "s", None, "5.25 mins"),
        (90_000, "s", None, "1.04 days"),
        (0, "s", None, "0 s"),
        (198, "ms", None, "198 ms"),
        (1_200, "ms", None, "1.2 s"),
        (117_440_512, "bytes", None, "112 MiB"),
        (math.nan, "s", None, "NaN"),
        (math.inf, "s", None, "∞"),
    ],
)
def test_a_value_has_three_digits_and_its_unit(value: float, unit: str, decimals: int | None, text: str) -> None:
    assert text_of(value, unit, decimals) == text


@pytest.mark.parametrize(
    ("low", "high", "unit"), [(0, 0.47, "percentunit"), (0, 93, "s"), (-1, 1, "short"), (0, 98_304, "bytes")]
)
def test_ticks_are_round_inside_and_evenly_apart(low: float, high: float, unit: str) -> None:
    found = ticks(low, high, unit)
    assert 2 <= len(found) <= 6
    assert all(low - 1e-9 <= tick <= high + 1e-9 for tick in found)
    distances = {round(right - left, 9) for left, right in pairwise(found)}
    assert len(distances) == 1
    if unit == "bytes":
        assert math.log2(distances.pop()).is_integer()


def test_every_unit_of_the_dashboards_is_known() -> None:
    for edition, slug in EVERY:
        for panel in panels(load(edition, slug)):
            config = panel["fieldConfig"]
            units = [config["defaults"]["unit"]]
            units += [one["value"] for over in config["overrides"] for one in over["properties"] if one["id"] == "unit"]
            assert all(text_of(1.0, unit) for unit in units)
