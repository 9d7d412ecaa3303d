"""What is on /metrics depends on the spans alone.

Must never regress: not on how they were cut into requests, in which order and over which transports these came, and
not on whether the native modules are compiled.
"""

from __future__ import annotations

import os
import random
import subprocess
import sys
from pathlib import Path

import pytest

from tests.integration.pages_of import pages_of, request_of, spans_of_seed
from tests.oracles.prometheus_proto import read_delimited

ROOT = Path(__file__).parents[2]


def contents(pages: list[bytes]) -> list[list[str]]:
    """Lines or messages of each page, in an order of their own: that of the series is the order in which they came."""
    text, openmetrics, protobuf = pages
    families = read_delimited(protobuf)
    series = [f"{family.name} {family.type} {metric}" for family in families for metric in family.metric]
    return [sorted(text.decode().splitlines()), sorted(openmetrics.decode().splitlines()), sorted(series)]


@pytest.mark.parametrize("seed", range(4))
def test_splitting_and_reordering_change_nothing(seed: int) -> None:
    """Exemplars and created times included."""
    spans = spans_of_seed(seed)
    whole = contents(pages_of([request_of(spans)]))
    assert min(map(len, whole)) > 100
    chance = random.Random(seed)
    for parts in (2, 7, len(spans)):
        shuffled = chance.sample(spans, len(spans))
        requests = [request_of(shuffled[part::parts]) for part in range(parts)]
        assert contents(pages_of(requests, ("http", "grpc"))) == whole


def test_uncompiled_modules_give_the_same_bytes(tmp_path: Path) -> None:
    pages = {}
    for mode, pure in (("compiled", ""), ("uncompiled", "1")):
        command = [sys.executable, "-m", "tests.integration.pages_of", "9", str(tmp_path / mode)]
        env = {**os.environ, "WEIR_PURE_PYTHON": pure}
        subprocess.run(command, check=True, cwd=ROOT, env=env, timeout=100)
        pages[mode] = (tmp_path / mode).read_bytes()
    assert pages["uncompiled"] == pages["compiled"]
