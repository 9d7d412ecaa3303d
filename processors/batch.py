"""``batch``: accepted so that Collector configurations run unchanged; it does nothing, and says so once.

The Collector batches because its components cost per request. Here requests are decoded in parallel and processed as
they come: joining them would add delay, and would answer the sender before its data has been processed.
"""

from __future__ import annotations

from typing import Self

from pydantic import Field, model_validator

from pipeline.api import ComponentConfig, Processor, Settings
from pipeline.config.durations import Duration


class BatchConfig(ComponentConfig):
    """Keys and defaults of the Collector's ``batchprocessor``."""

    timeout: Duration = 0.2
    send_batch_size: int = Field(default=8192, ge=0)
    send_batch_max_size: int = Field(default=0, ge=0)
    metadata_keys: tuple[str, ...] = ()
    metadata_cardinality_limit: int = Field(default=1000, ge=0)

    @model_validator(mode="after")
    def _sizes_fit(self) -> Self:
        if 0 < self.send_batch_max_size < self.send_batch_size:
            raise ValueError("send_batch_max_size must be greater or equal to send_batch_size")
        lowered = [key.lower() for key in self.metadata_keys]
        if len(set(lowered)) < len(lowered):
            raise ValueError("duplicate entry in metadata_keys (case-insensitive)")
        return self


class Batch(Processor):
    """Passes everything on."""

    Config = BatchConfig

    def __init__(self, config: BatchConfig, settings: Settings) -> None:  # noqa: ARG002 - its keys change nothing here
        self._logger = settings.telemetry.logger

    def start(self) -> None:
        """Say that there is nothing to do."""
        self._logger.info("requests are processed as they come; batch has no effect here and can be removed")
