"""The numbers that the compiler is given against those that Python is given."""

from __future__ import annotations

import re
from pathlib import Path

from processors.service_graph import layout


def test_the_compiler_and_python_are_told_the_same_numbers() -> None:
    source = Path(layout.__file__).with_suffix(".pxd").read_text(encoding="utf-8")
    told = {name: int(number) for name, number in re.findall(r"^    (\w+) = (\d+)$", source, re.MULTILINE)}
    assert {"TRACE", "LABEL", "EDGE", "SERVER", "SETTLED", "KIND"} <= told.keys()
    assert told == {name: getattr(layout, name) for name in told}
