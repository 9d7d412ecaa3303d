"""``sending_queue``: keys and defaults of the Collector."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar, Literal, Self

from pydantic import Field, model_validator

from pipeline.api import ComponentConfig
from pipeline.config.durations import Duration


class BatchConfig(ComponentConfig):
    """``sending_queue.batch``: join what waits before it is sent."""

    flush_timeout: Duration = Field(default=0.2, gt=0)
    min_size: int = Field(default=8192, ge=0)
    max_size: int = Field(default=0, ge=0)
    """0: no limit."""
    sizer: Literal["items", "bytes"] = "items"

    @model_validator(mode="after")
    def _sizes_fit(self) -> Self:
        if 0 < self.max_size < self.min_size:
            raise ValueError("max_size must be greater or equal to min_size")
        return self


class QueueConfig(ComponentConfig):
    """``sending_queue``."""

    written_otherwise: ClassVar[Mapping[str, str]] = {"blocking": "write block_on_overflow"}

    enabled: bool = True
    """False: each batch is sent while its sender waits, once, and its sender is told the outcome."""
    num_consumers: int = Field(default=10, gt=0, le=256)
    """Requests under way at the same time."""
    queue_size: int = Field(default=1000, gt=0)
    sizer: Literal["requests", "items", "bytes"] = "requests"
    block_on_overflow: bool = False
    """True: wait for room, and with it all pipelines. False: refuse, so that the sender tries again."""
    drop_on_overflow: bool = False
    """True: drop what finds the queue full, and count it, so that a destination which is away costs its own data only
    and not the metrics that other exporters make of the same requests. Not a key of the Collector."""
    wait_for_result: Literal[False] = False
    batch: BatchConfig | None = None
    storage: str | None = None
    """Id of a ``file_storage`` extension: what waits survives the process. None: memory."""

    @model_validator(mode="after")
    def _one_way_to_overflow(self) -> Self:
        if self.block_on_overflow and self.drop_on_overflow:
            raise ValueError("block_on_overflow and drop_on_overflow exclude each other; leave one out")
        return self
