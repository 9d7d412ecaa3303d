"""``resource``: sets, removes, hashes, extracts and converts attributes of resources.

The Collector's ``resourceprocessor`` with its keys. Metrics per resource that are made later in the pipeline are those
of the changed resources: ``job``, ``instance`` and ``target_info`` follow.
"""

from __future__ import annotations

from typing import Annotated

from pydantic import BeforeValidator, ConfigDict

from pipeline.api import ComponentConfig, LogBatch, MetricBatch, Processor, Settings, SpanBatch
from processors.attribute_actions import ActionConfig, Actions, some_actions

_PREFIX = "resource."


class ResourceConfig(ComponentConfig):
    """Keys of the Collector's ``resourceprocessor``.

    Attributes:
        attributes: Actions, carried out in order, each on what those before have left.
    """

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [{"attributes": [{"key": "k8s.cluster.name", "action": "upsert", "value": "eu-1"}]}]
        }
    )

    attributes: Annotated[tuple[ActionConfig, ...], BeforeValidator(some_actions)]


class Resource(Processor):
    """Changes attributes of resources."""

    Config = ResourceConfig

    def __init__(self, config: ResourceConfig, settings: Settings) -> None:  # noqa: ARG002 - needs nothing of them
        self._actions = Actions(config.attributes, (_PREFIX,))
        self.reads = self.adds = self._actions.columns

    def process_traces(self, spans: SpanBatch) -> SpanBatch:
        """The spans of changed resources."""
        return self._actions.run(spans, _PREFIX, None)

    def process_metrics(self, metrics: MetricBatch) -> MetricBatch:
        """The data points of changed resources."""
        return self._actions.run(metrics, _PREFIX, None)

    def process_logs(self, logs: LogBatch) -> LogBatch:
        """The log records of changed resources."""
        return self._actions.run(logs, _PREFIX, None)
