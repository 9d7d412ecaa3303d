"""docs/ottl.md names everything that conditions and statements can say, and its examples work."""

import re
from pathlib import Path
from typing import Any

import pytest

from pipeline.config.yaml_reader import read_yaml
from pipeline.ottl import CONTEXTS
from pipeline.ottl.editors import MAP_EDITORS, NOT_HERE, VALUE_EDITORS
from pipeline.ottl.functions import FUNCTIONS
from pipeline.ottl.item_functions import ITEM_FUNCTIONS
from pipeline.ottl.statement import FIELDS
from processors.filter import Filter
from processors.transform import Transform

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


def test_every_editor_and_everything_that_can_be_set_is_on_the_page() -> None:
    table = "\n".join(line for line in PAGE.splitlines() if re.match(r"\| `[a-z_]+\(", line))
    assert set(re.findall(r"([a-z_]+)\(", table)) == {*VALUE_EDITORS, *MAP_EDITORS}
    (said,) = re.findall(r"^\*\*What can be changed\*\*: (.*?)\. Not yet", PAGE, re.MULTILINE | re.DOTALL)
    paths = [path.removeprefix("span.").removeprefix("log.") for path in re.findall(r"`([a-z_.]+)`", said)]
    assert tuple(path.replace("status.", "status_") for path in paths) == FIELDS
    assert all(name in PAGE for name in NOT_HERE)


def test_the_examples_are_configurations() -> None:
    examples = re.findall(r"^```yaml\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
    for cls, text in zip((Filter, Transform), examples, strict=True):
        (config,) = read_yaml(text.replace("$$", "$"), "ottl.md").plain()["processors"].values()
        component: Any = cls
        component.Config.model_validate(config)
