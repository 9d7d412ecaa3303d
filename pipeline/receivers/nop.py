"""``nop``: receives nothing, like the Collector's: for a pipeline that needs a receiver and has none."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from pipeline.api import SIGNALS, Intake, Receiver


class NopReceiver(Receiver):
    """Never has anything."""

    signals: ClassVar[tuple[str, ...]] = SIGNALS

    def start(self, intakes: Mapping[str, Intake]) -> None:
        """Nothing to begin."""
