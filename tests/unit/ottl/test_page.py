"""docs/ottl.md names everything that conditions can say, and its examples work."""

import re
from pathlib import Path

import pytest
import yaml

from pipeline.ottl import CONTEXTS
from pipeline.ottl.functions import FUNCTIONS
from pipeline.ottl.item_functions import ITEM_FUNCTIONS
from processors.filter import Filter

PAGE = (Path(__file__).parents[3] / "docs" / "ottl.md").read_text()


def row(first: str) -> str:
    """The cells of a table whose first cell begins so."""
    return next(line for line in PAGE.splitlines() if line.startswith(f"| {first}"))


def test_every_function_is_on_the_page() -> None:
    known = {*FUNCTIONS, *ITEM_FUNCTIONS}
    tables = " ".join(row(name) for name in ("texts", "types", "maps", "time", "telemetry"))
    assert set(re.findall(r"\b[A-Z][A-Za-z]+\b", tables)) == known


@pytest.mark.parametrize("context", CONTEXTS)
def test_every_path_is_on_the_page(context: str) -> None:
    cell = row(f"`{context}`").partition(" | ")[2]
    shown = {word.partition("[")[0] for word in re.findall(r"[a-z_.]+(?:\[[^]]*\])?", cell)}
    assert shown == set(CONTEXTS[context].paths[context])


def test_the_example_is_a_configuration() -> None:
    (text,) = re.findall(r"^```yaml\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
    Filter.Config.model_validate(yaml.safe_load(text)["processors"]["filter"])
