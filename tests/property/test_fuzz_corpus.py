"""Every input that the fuzzers once found interesting, as an ordinary test."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.fuzz.targets import TARGETS, corpus

INPUTS = [pytest.param(signal, path, id=f"{signal}-{path.stem}") for signal in TARGETS for path in corpus(signal)]


@pytest.mark.parametrize(("signal", "path"), INPUTS)
def test_corpus_inputs_are_decoded_or_refused(signal: str, path: Path) -> None:
    assert TARGETS[signal](path.read_bytes()) is not path.stem.startswith("refused")


@pytest.mark.parametrize("signal", TARGETS)
def test_there_is_a_corpus(signal: str) -> None:
    assert len(corpus(signal)) >= 6
