"""Tempo's ``traces_target_info``: a gauge at 1 per resource, with the resource's attributes as labels.

Made where the resource has a job or an instance, and something else to say. Of more than ``open_labels.MOST`` attribute
keys over all resources the later ones are left out.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from pipeline.api import Label, Meter, SpanBatch
from pipeline.model.attribute_text import value_text
from pipeline.model.meter import Limits
from pipeline.model.resources import make_resource, parse_resource
from processors.span_metrics.config import Config
from processors.span_metrics.durations import Count
from processors.span_metrics.names import INSTANCE, INTRINSIC_LABELS, JOB, TEMPO_TARGET_INFO, tempo_label
from processors.span_metrics.open_labels import MOST, OpenLabels

READS = ("resource",)

_IDENTIFYING = frozenset(("service.name", "service.namespace", "service.instance.id"))
_TAKEN = (*INTRINSIC_LABELS, JOB, INSTANCE)
_NONE = -1
_MOST_KNOWN = 10_000


class TargetInfo:
    """The gauge.

    Args:
        count: Told of attributes that found no label.
    """

    def __init__(self, meter: Meter, limits: Limits, config: Config, count: Count) -> None:
        self._open = OpenLabels("target_info", lambda key: tempo_label(key, _TAKEN))
        labels = (*self._open.labels, Label(JOB, ()), Label(INSTANCE, ()))
        self._gauge = meter.gauge(
            TEMPO_TARGET_INFO, description="Attributes of the resource", table=meter.table(labels, limits=limits)
        )
        self._open.bind(self._gauge.table)
        self._excluded = _IDENTIFYING.union(config.target_info_excluded_dimensions)
        self._instance = config.enable_instance_label
        self._count = count
        self._rows: dict[bytes, int] = {}
        self._generation = 0

    def set(self, spans: SpanBatch) -> None:
        """Show the resources of these spans. Cost: per resource."""
        table = self._gauge.table
        if self._generation != table.generation or len(self._rows) > _MOST_KNOWN:
            self._rows.clear()
            self._generation = table.generation
        rows = [self._row(spans.resource_bytes(row)) for row in np.unique(spans.resource_rows).tolist()]
        self._gauge.set(np.array(rows, np.int32), 1.0)

    def state(self) -> list[str]:
        """The names that labels have got."""
        return self._open.names

    def restore(self, names: list[str]) -> None:
        """Take up ``state`` of an earlier run."""
        self._open.restore(names)

    def _row(self, body: bytes) -> int:
        row = self._rows.get(body)
        if row is None:
            values = self._values(parse_resource(body) or {})
            row = self._rows[body] = _NONE if values is None else self._gauge.table.row_of(values)
        return row

    def _values(self, attributes: dict[str, Any]) -> list[str | None] | None:
        """Label values, or None where there is nothing worth showing."""
        resource = make_resource(0, attributes)
        identity = [resource.job or None, (resource.instance if self._instance else "") or None]
        others: list[str | None] = [None] * MOST
        for key, value in attributes.items():
            text = value_text(value)
            if not key or key[0].isdecimal() or key in self._excluded or not text:
                continue
            place = self._open.place(key)
            if place < 0:
                self._count("target_info_keys", 1)
            else:
                others[place] = text
        return [*others, *identity] if any(identity) and any(others) else None
