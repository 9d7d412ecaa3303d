"""Every input that the fuzzers once found interesting, as an ordinary test."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.fuzz.spans import fuzz_one

CORPUS = sorted((Path(__file__).parents[1] / "fuzz" / "corpus").glob("*.bin"))


@pytest.mark.parametrize("path", CORPUS, ids=lambda path: path.stem)
def test_corpus_inputs_are_decoded_or_refused(path: Path) -> None:
    assert fuzz_one(path.read_bytes()) is not path.stem.startswith("refused")


def test_there_is_a_corpus() -> None:
    assert len(CORPUS) >= 8
