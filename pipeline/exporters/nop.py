"""``nop``: takes everything and does nothing with it, like the Collector's: for trying out what stands before it."""

from __future__ import annotations

from typing import ClassVar

from pipeline.api import SIGNALS, Collect, Exporter


class NopExporter(Exporter):
    """The end of a pipeline whose items nobody wants."""

    signals: ClassVar[tuple[str, ...]] = SIGNALS

    def start(self, collect: Collect) -> None:
        """Nothing to begin."""
