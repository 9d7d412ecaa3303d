"""``attributes``: sets, removes, hashes, extracts and converts attributes of spans, log records and data points.

The Collector's ``attributesprocessor`` with its keys. Whoever comes later in the pipeline sees the changed attributes:
dimensions of ``span_metrics``, conditions of ``filter``, exporters. An attribute taken from data points can make two
series one; nothing adds them up.
"""

from __future__ import annotations

from typing import Annotated, TypeVar

from pydantic import BeforeValidator, ConfigDict

from pipeline.api import LogBatch, MetricBatch, Processor, Settings, SpanBatch
from pipeline.model.batch import Batch
from processors.attribute_actions import ActionConfig, Actions, some_actions
from processors.matching import OWN_PREFIXES, MatchConfig, Matcher

B = TypeVar("B", bound=Batch)


class AttributesConfig(MatchConfig):
    """Keys of the Collector's ``attributesprocessor``.

    Attributes:
        actions: Carried out in order, each on what those before have left.
        include: Only items that have all these properties are changed.
        exclude: Of those, items that have all these properties are not.
    """

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"actions": [{"key": "env", "action": "upsert", "value": "prod"}]}]}
    )

    actions: Annotated[tuple[ActionConfig, ...], BeforeValidator(some_actions)]


class Attributes(Processor):
    """Changes attributes of spans, log records and data points."""

    Config = AttributesConfig

    def __init__(self, config: AttributesConfig, settings: Settings) -> None:  # noqa: ARG002 - needs nothing of them
        self._actions = Actions(config.actions, OWN_PREFIXES)
        self._matcher = Matcher(config)
        self.signals = config.match_signals
        self.reads = (*self._matcher.reads, *self._actions.columns)
        self.adds = self._actions.columns

    def process_traces(self, spans: SpanBatch) -> SpanBatch:
        """The spans with other attributes."""
        return self._changed(spans)

    def process_metrics(self, metrics: MetricBatch) -> MetricBatch:
        """The data points with other attributes."""
        return self._changed(metrics)

    def process_logs(self, logs: LogBatch) -> LogBatch:
        """The log records with other attributes."""
        return self._changed(logs)

    def _changed(self, batch: B) -> B:
        return self._actions.run(batch, batch.prefix, self._matcher.mask(batch))
