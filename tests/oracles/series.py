"""What a series table must do, written with dicts and official messages."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from fractions import Fraction
from typing import Any

from opentelemetry.proto.trace.v1.trace_pb2 import Span

from pipeline.model.attribute_text import plain_value, value_text
from pipeline.model.spans import Label, SpanBatch

Key = tuple[str | None, tuple[str | None, ...]]

OVERFLOW = ("<overflow>",)
REPLACED = "__cardinality_overflow__"


class OracleTable:
    """Spans per (resource, labels), with the limits of ``pipeline.model.limits``. Resources never become idle."""

    def __init__(
        self,
        labels: Sequence[Label],
        per_resource: bool,
        max_series: int,
        max_series_per_resource: int,
        max_resources: int,
        max_values_per_label: int,
    ) -> None:
        self.labels, self.per_resource = labels, per_resource
        self.max_series, self.max_of_resource = max_series, max_series_per_resource
        self.max_resources, self.max_values = max_resources, max_values_per_label
        self.rows: dict[Key, int] = {}
        self.spans: Counter[Key] = Counter()
        self.seconds: dict[Key, Fraction] = {}
        self.resources: set[str] = set()

    def add(self, batch: SpanBatch) -> None:
        """Count every span of a batch."""
        for span, row in zip(batch.iter(), batch.resource_rows.tolist(), strict=True):
            attributes = {pair.key: plain_value(pair.value) for pair in reversed(batch.resource(row).attributes)}
            key = self._key(span, attributes)
            self.spans[key] += 1
            nanoseconds = max(span.end_time_unix_nano - span.start_time_unix_nano, 0)
            self.seconds[key] = self.seconds.get(key, Fraction()) + nanoseconds

    def _key(self, span: Span, resource: dict[str, Any]) -> Key:
        identity = None
        if self.per_resource:
            identity = repr(sorted((key, type(value).__name__, repr(value)) for key, value in resource.items()))
            if identity not in self.resources and len(self.resources) == self.max_resources:
                return None, OVERFLOW
            self.resources.add(identity)
        values = tuple(_value(label, span, resource) for label in self.labels)
        if (identity, values) not in self.rows and self.max_values:
            values = tuple(value if self._may(j, value) else REPLACED for j, value in enumerate(values))
        if (identity, values) not in self.rows:
            own = sum(1 for other, _ in self.rows if other == identity)
            if len(self.rows) >= self.max_series or (identity and 0 < self.max_of_resource <= own):
                return identity, OVERFLOW
            self.rows[identity, values] = len(self.rows)
        return identity, values

    def _may(self, label: int, value: str | None) -> bool:
        known = {values[label] for _, values in self.rows} - {None}
        return value is None or value in known or len(known - {REPLACED}) < self.max_values


def _value(label: Label, span: Span, resource: dict[str, Any]) -> str | None:
    for column in label.columns:
        if column == "name":
            return clean(span.name)
        if column == "kind":
            return Span.SpanKind.Name(span.kind) if span.kind in Span.SpanKind.values() else "SPAN_KIND_UNSPECIFIED"
        scope, _, key = column.partition(".")
        cells = resource if scope == "resource" else {p.key: plain_value(p.value) for p in reversed(span.attributes)}
        if key in cells:
            return clean(value_text(cells[key]))
    return label.default


def clean(text: str) -> str:
    """Control characters become underscores."""
    return "".join("_" if ord(char) < 0x20 or ord(char) == 0x7F else char for char in text)
