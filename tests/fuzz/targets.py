"""One fuzz target per signal, and the inputs that each begins with."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from tests.fuzz import points, records, spans

CORPUS = Path(__file__).parent / "corpus"
TARGETS: dict[str, Callable[[bytes], bool]] = {
    "traces": spans.fuzz_one,
    "metrics": points.fuzz_one,
    "logs": records.fuzz_one,
}


def corpus(signal: str) -> list[Path]:
    """Inputs of a signal: ``decoded-*`` and ``refused-*``."""
    return sorted((CORPUS / signal).glob("*.bin"))
