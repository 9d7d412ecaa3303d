"""``service.checkpoint``: where state is kept that outlives the process. Weir's own: the Collector has no such key."""

from pathlib import Path

from pydantic import Field

from pipeline.api import ComponentConfig
from pipeline.config.durations import Duration


class CheckpointConfig(ComponentConfig):
    """Without it all state is in memory."""

    directory: Path
    """Of this process alone; made with mode 0700 where it does not exist."""
    interval: Duration = Field(default=30.0, ge=1.0)
    """How often what processors have learnt is saved while running. A clean stop saves everything."""
