"""Contexts: what a condition can be about, and the paths and enums that it knows there.

Source: pkg/ottl/contexts of the Collector (READMEs of ottlspan, ottlspanevent, ottlmetric, ottldatapoint, ottllog,
ottlresource, ottlscope).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from pipeline.model.columns import METRIC_TYPES, SEVERITIES, SPAN_KINDS, STATUS_CODES, TEMPORALITIES
from pipeline.model.metrics import EXPONENTIAL_HISTOGRAM, SUM
from pipeline.model.records import Level
from pipeline.ottl import readers
from pipeline.ottl.readers import CELL, ENUM, IDENTIFIER, INTEGER, TEXT, TIME, Reader, of_types
from pipeline.ottl.trace_state import trace_state_member
from pipeline.ottl.values import Identifier, Time, body_text

KIND_WORDS = ("Unspecified", "Internal", "Server", "Client", "Producer", "Consumer")


@dataclass(frozen=True)
class Known:
    """A path.

    Attributes:
        column: Column that it is read from; with ``keyed`` the prefix, to which the first key is added.
        reader: How.
        then: Function of each value; with ``key`` it takes the key of the path too.
        kind: Type of what ``then`` gives.
        keyed: The path needs a key, which is part of the column's name.
        indexed: The path may have keys, which look into its value.
        key: The path may have one key, which ``with_key`` takes.
    """

    column: str
    reader: Reader
    then: Callable[[Any], Any] | None = None
    kind: type | None = None
    keyed: bool = False
    indexed: bool = False
    with_key: Callable[[Any, str], Any] | None = None


def _hex(value: Identifier) -> str:
    return value.bytes.hex()


def _nanoseconds(value: Time) -> int:
    return value.unix_nano


def _kind_word(number: int) -> str:
    return KIND_WORDS[number] if 0 <= number < len(KIND_WORDS) else ""


def _kind_name(number: int) -> str:
    return SPAN_KINDS[number] if 0 <= number < len(SPAN_KINDS) else ""


def _identifier(name: str) -> dict[str, Known]:
    return {name: Known(name, IDENTIFIER), f"{name}.string": Known(name, IDENTIFIER, _hex, str)}


def _time(path: str, column: str) -> dict[str, Known]:
    return {path: Known(column, TIME), f"{path}_unix_nano": Known(column, INTEGER)}


def _attributes(prefix: str) -> dict[str, Known]:
    return {"attributes": Known(prefix, CELL, keyed=True)}


RESOURCE = _attributes("resource.")
SCOPE = {
    "name": Known("scope.name", TEXT),
    "version": Known("scope.version", TEXT),
    "schema_url": Known("scope.schema_url", TEXT),
    **_attributes("scope.attributes."),
}
SPAN = {
    **_identifier("trace_id"),
    **_identifier("span_id"),
    **_identifier("parent_span_id"),
    "trace_state": Known("trace_state", TEXT, with_key=trace_state_member),
    "name": Known("name", TEXT),
    "kind": Known("kind", ENUM),
    "kind.string": Known("kind", ENUM, _kind_word, str),
    "kind.deprecated_string": Known("kind", ENUM, _kind_name, str),
    **_time("start_time", "start_time_unix_nano"),
    **_time("end_time", "end_time_unix_nano"),
    **_attributes("span."),
    "status.code": Known("status_code", ENUM),
    "status.message": Known("status_message", TEXT),
    "flags": Known("flags", INTEGER),
    "dropped_attributes_count": Known("dropped_attributes_count", INTEGER),
    "dropped_events_count": Known("dropped_events_count", INTEGER),
    "dropped_links_count": Known("dropped_links_count", INTEGER),
}
SPAN_EVENT = {
    "name": Known("event.name", TEXT),
    **_time("time", "event.time_unix_nano"),
    **_attributes("event.attributes."),
    "dropped_attributes_count": Known("event.dropped_attributes_count", INTEGER),
}
METRIC = {
    "name": Known("metric.name", TEXT),
    "description": Known("metric.description", TEXT),
    "unit": Known("metric.unit", TEXT),
    "type": Known("metric.type", ENUM),
    "aggregation_temporality": Known("aggregation_temporality", of_types(ENUM, readers.TEMPORAL_TYPES)),
    "is_monotonic": Known("is_monotonic", of_types(readers.BOOLEAN, (SUM,))),
    "metadata": Known("metric.metadata.", CELL, keyed=True),
}
_EXPONENTIAL = (EXPONENTIAL_HISTOGRAM,)
DATA_POINT = {
    **_attributes("point."),
    **_time("start_time", "start_time_unix_nano"),
    **_time("time", "time_unix_nano"),
    "flags": Known("flags", INTEGER),
    "value_int": Known("value", of_types(readers.INT_PART, readers.NUMBER_TYPES)),
    "value_double": Known("value", of_types(readers.DOUBLE_PART, readers.NUMBER_TYPES)),
    "count": Known("count", of_types(INTEGER, readers.COUNTED_TYPES)),
    "sum": Known("sum", of_types(readers.DOUBLE_PART, readers.COUNTED_TYPES)),
    "scale": Known("scale", of_types(INTEGER, _EXPONENTIAL)),
    "zero_count": Known("zero_count", of_types(INTEGER, _EXPONENTIAL)),
    "positive.offset": Known("positive.offset", of_types(INTEGER, _EXPONENTIAL)),
    "negative.offset": Known("negative.offset", of_types(INTEGER, _EXPONENTIAL)),
}
LOG = {
    **_time("time", "time_unix_nano"),
    **_time("observed_time", "observed_time_unix_nano"),
    "severity_number": Known("severity_number", ENUM),
    "severity_text": Known("severity_text", TEXT),
    "body": Known("body", CELL, indexed=True),
    "body.string": Known("body", CELL, body_text, str),
    **_attributes("log."),
    "dropped_attributes_count": Known("dropped_attributes_count", INTEGER),
    "flags": Known("flags", INTEGER),
    **_identifier("trace_id"),
    **_identifier("span_id"),
    "event_name": Known("event_name", TEXT),
}


def _numbers(names: Iterable[str]) -> dict[str, int]:
    return {name: number for number, name in enumerate(names)}


_SPAN_ENUMS = {**_numbers(SPAN_KINDS), **_numbers(STATUS_CODES)}
_METRIC_ENUMS = {**_numbers(METRIC_TYPES), **_numbers(TEMPORALITIES)}


@dataclass(frozen=True)
class Context:
    """What a condition is about.

    Attributes:
        name: As in configurations.
        level: Table with a row for each.
        paths: Per context that a path may begin with, its own among them, the paths below it.
        enums: Names and numbers.
        below: Contexts that see more than this one; the one to try first stands first.
    """

    name: str
    level: Level
    paths: Mapping[str, Mapping[str, Known]]
    enums: Mapping[str, int]


_ENVELOPE = {"resource": RESOURCE, "scope": SCOPE, "instrumentation_scope": SCOPE}

CONTEXTS = {
    context.name: context
    for context in (
        Context("resource", Level.RESOURCE, {"resource": RESOURCE}, {}),
        Context("scope", Level.SCOPE, _ENVELOPE, {}),
        Context("span", Level.ITEM, {**_ENVELOPE, "span": SPAN}, _SPAN_ENUMS),
        Context("spanevent", Level.EVENT, {**_ENVELOPE, "span": SPAN, "spanevent": SPAN_EVENT}, _SPAN_ENUMS),
        Context("metric", Level.ITEM, {**_ENVELOPE, "metric": METRIC}, _METRIC_ENUMS),
        Context(
            "datapoint",
            Level.POINT,
            {**_ENVELOPE, "metric": METRIC, "datapoint": DATA_POINT},
            {**_METRIC_ENUMS, "FLAG_NONE": 0, "FLAG_NO_RECORDED_VALUE": 1},
        ),
        Context("log", Level.ITEM, {**_ENVELOPE, "log": LOG}, _numbers(SEVERITIES)),
    )
}

LEVELS = {
    "resource": Level.RESOURCE,
    "scope": Level.SCOPE,
    "instrumentation_scope": Level.SCOPE,
    "span": Level.ITEM,
    "spanevent": Level.EVENT,
    "metric": Level.ITEM,
    "datapoint": Level.POINT,
    "log": Level.ITEM,
}
"""Context of a path → table that its values are in."""

SIGNAL_CONTEXTS = {
    "traces": ("spanevent", "span", "scope", "resource"),
    "metrics": ("datapoint", "metric", "scope", "resource"),
    "logs": ("log", "scope", "resource"),
}
"""Contexts of each signal, the lowest first: the order in which a context is inferred."""
