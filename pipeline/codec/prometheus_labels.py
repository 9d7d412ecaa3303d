"""Which labels the series of a metric get, and the prepared text from which the kernel writes them.

A label set has a constant part, which is the same for all series of a resource, and the point's own labels::

    {const labels, job, instance, otel_scope_*, promoted resource attributes,   span_kind, span_name, …}
     constant: one text per resource, cached                                    own: from the key, by the kernel

One name, one label. Constant labels go before ``job`` and ``instance``, these before the scope, this before the
point's own labels, and they before promoted resource attributes. Attribute keys that give the same name are joined
by ";" in the order of the keys (OpenTelemetry specification). Both parts are sorted by name, so equal label sets of
one metric have equal texts.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import Enum
from typing import NamedTuple
from weakref import WeakKeyDictionary

import numpy as np
import numpy.typing as npt

from pipeline.codec.distinct_series import DistinctSeries
from pipeline.codec.prometheus_names import Escaping, Namer, escape, is_legacy_label
from pipeline.codec.series_labels import Series
from pipeline.model.attribute_text import value_text
from pipeline.model.resources import Resource
from pipeline.model.snapshot import Scope, SeriesView

IDENTIFYING = frozenset({"service.name", "service.namespace", "service.instance.id"})
"""Resource attributes that ``job`` and ``instance`` already say."""


class Format(Enum):
    """An exposition format."""

    TEXT = "text"
    OPENMETRICS = "openmetrics"
    PROTOBUF = "protobuf"


@dataclass(frozen=True)
class LabelOptions:
    """What the user decides about labels."""

    const_labels: tuple[tuple[str, str], ...] = ()
    promote_resource: bool = False
    exclude_service_attributes: bool = False
    with_scope: bool = True


@dataclass(frozen=True)
class Layout:
    """How the keys of one table become labels: the part of the work that depends neither on series nor on resources.

    Attributes:
        names: Final names of the point's own labels, sorted.
        sources: For each of them the columns that make it up.
    """

    names: tuple[str, ...]
    sources: tuple[tuple[int, ...], ...]


class ConstantPart(NamedTuple):
    """What the constant labels of a metric's series depend on besides the resource.

    Attributes:
        fixed: Constant and scope labels.
        own: Names that are decided per series.
        reserved: A name that the family needs for itself.
        signature: Equal for equal parts.
    """

    fixed: Mapping[str, str]
    own: frozenset[str]
    reserved: str
    signature: str


class LabelWriter:
    """Prepares label texts for one format and escaping; keeps those of live resources.

    Attributes:
        distinct: What pages have found out about their series.
    """

    def __init__(self, namer: Namer, options: LabelOptions, form: Format, escaping: Escaping) -> None:
        self._namer = namer
        self._options = options
        self._form = form
        self._escaping = escaping
        self.distinct = DistinctSeries()
        self._constant = {name: value for key, value in options.const_labels if (name := self.name(key)) and value}
        self._promoted: WeakKeyDictionary[Resource, dict[str, str]] = WeakKeyDictionary()
        self._texts: WeakKeyDictionary[Resource, dict[str, bytes]] = WeakKeyDictionary()

    def name(self, key: str) -> str:
        """The label name of an attribute key; "" if it cannot be a label."""
        name = self._namer.label(key)
        return "" if name in {"", "__name__"} else escape(name, self._escaping, label=True)

    def series(
        self, view: SeriesView, resources: tuple[Resource, ...], scope: Scope, reserved: str = ""
    ) -> tuple[Series, npt.NDArray[np.uint64]]:
        """The kernel's object for the series of one metric.

        Args:
            view: The series.
            resources: Of the batch.
            scope: Of the batch.
            reserved: A name that the family needs for itself, such as ``le``.
        Returns:
            The object, and uint64[resources + 1]: equal numbers for equal constant texts; entry 0 is for no resource.
        """
        fixed = {**self._scope_labels(scope), **self._constant}
        layout = self._layout(view.labels, fixed, reserved)
        part = ConstantPart(fixed, frozenset(layout.names), reserved, repr((scope, layout.names, reserved)))
        constants = [self._constant_text(None, part)]
        constants += [self._constant_text(resource, part) for resource in resources]
        others, wins = self._others(resources, layout)
        labels = [self._prefix(name) for name in layout.names]
        texts = np.frombuffer(b"".join([*constants, *labels, *others]), dtype=np.uint8)
        ends = np.cumsum([0, *map(len, constants), *map(len, labels), *map(len, others)], dtype=np.int64)
        first_other = len(constants) + len(labels)
        series = Series(
            view,
            len(view.labels),
            texts,
            ends[: len(constants) + 1],
            ends[len(constants) : first_other + 1],
            np.cumsum([0, *map(len, layout.sources)], dtype=np.int32),
            np.array([column for columns in layout.sources for column in columns], dtype=np.int32),
            ends[first_other:] if others else np.zeros(0, dtype=np.int64),
            np.array(wins, dtype=np.uint8),
            self._form is Format.PROTOBUF,
        )
        return series, np.array([hash(text) for text in constants], dtype=np.int64).view(np.uint64)

    def target_info(self, resources: Iterable[Resource]) -> tuple[Series, SeriesView]:
        """A series for each job and instance that have further attributes: the labels of ``target_info``, and their
        number.

        Of several resources with the same job and instance the first counts, because two series would break joins.
        """
        texts: dict[tuple[str, str], bytes] = {}
        for resource in resources:
            identity = (resource.job, resource.instance)
            if identity in texts or not any(identity):
                continue
            labels = self._attribute_labels(resource, IDENTIFYING)
            if labels:
                labels |= _job_and_instance(resource)
                texts[identity] = self._text(labels)
        count = len(texts)
        view = SeriesView(
            (),
            np.zeros(4, dtype=np.uint8),
            np.zeros(count, dtype=np.uint64),
            np.full(count, 4, dtype=np.uint32),
            np.arange(count, dtype=np.int32),
            np.zeros(count, dtype=np.int64),
            np.zeros(count, dtype=np.int64),
        )
        nothing = np.zeros(0, dtype=np.int32)
        series = Series(
            view,
            0,
            np.frombuffer(b"".join(texts.values()), dtype=np.uint8),
            np.cumsum([0, 0, *map(len, texts.values())], dtype=np.int64),
            np.zeros(1, dtype=np.int64),
            np.zeros(1, dtype=np.int32),
            nothing,
            nothing.astype(np.int64),
            nothing.astype(np.uint8),
            self._form is Format.PROTOBUF,
        )
        return series, view

    def _layout(self, keys: tuple[str, ...], fixed: Mapping[str, str], reserved: str) -> Layout:
        columns: dict[str, list[int]] = {}
        for column in sorted(range(len(keys)), key=keys.__getitem__):
            name = self.name(keys[column])
            if name == reserved != "":
                name = f"exported_{name}"
            if name and name not in fixed:
                columns.setdefault(name, []).append(column)
        return Layout(tuple(sorted(columns)), tuple(tuple(columns[name]) for name in sorted(columns)))

    def _scope_labels(self, scope: Scope) -> dict[str, str]:
        if not self._options.with_scope:
            return {}
        labels = {
            "otel_scope_name": scope.name,
            "otel_scope_version": scope.version,
            "otel_scope_schema_url": scope.schema_url,
        }
        for key, value in sorted(scope.attributes.items()):
            name = self.name(f"otel_scope_{key}")
            if name and key not in {"name", "version", "schema_url"}:
                labels[name] = f"{labels[name]};{value}" if name in labels else value
        return {name: value for name, value in labels.items() if value}

    def _constant_text(self, resource: Resource | None, part: ConstantPart) -> bytes:
        texts = self._texts.setdefault(resource, {}) if resource is not None else {}
        text = texts.get(part.signature)
        if text is None:
            labels = dict(part.fixed)
            if resource is not None:
                labels = {**self._promoted_labels(resource), **_job_and_instance(resource), **labels}
            if part.reserved in labels:
                labels[f"exported_{part.reserved}"] = labels.pop(part.reserved)
            text = texts[part.signature] = self._text({name: labels[name] for name in labels.keys() - part.own})
        return text

    def _others(self, resources: tuple[Resource, ...], layout: Layout) -> tuple[list[bytes], list[bool]]:
        """Values from the resource for the point's own labels, by resource and label; and which labels they
        overrule.
        """
        wins = [name in {"job", "instance"} for name in layout.names]
        if not any(wins) and not self._options.promote_resource:
            return [], wins
        others = [b""] * len(layout.names)
        for resource in resources:
            labels = {**self._promoted_labels(resource), **_job_and_instance(resource)}
            others += [self._value(labels.get(name, "")) for name in layout.names]
        return (others if any(others) else []), wins

    def _promoted_labels(self, resource: Resource) -> dict[str, str]:
        if not self._options.promote_resource:
            return {}
        labels = self._promoted.get(resource)
        if labels is None:
            excluded = IDENTIFYING if self._options.exclude_service_attributes else frozenset()
            labels = self._promoted[resource] = self._attribute_labels(resource, excluded)
        return labels

    def _attribute_labels(self, resource: Resource, excluded: frozenset[str]) -> dict[str, str]:
        labels: dict[str, str] = {}
        for key in sorted(resource.attributes):
            name = self.name(key)
            value = value_text(resource.attributes[key])
            if name and value and key not in excluded:
                labels[name] = f"{labels[name]};{value}" if name in labels else value
        return labels

    def _text(self, labels: Mapping[str, str]) -> bytes:
        pairs = ((self._prefix(name), self._value(labels[name])) for name in sorted(labels) if labels[name])
        if self._form is not Format.PROTOBUF:
            return b"".join(b'%s%s",' % pair for pair in pairs)
        pieces = (prefix + varint(len(value)) + value for prefix, value in pairs)
        return b"".join(b"\x0a" + varint(len(piece)) + piece for piece in pieces)

    def _prefix(self, name: str) -> bytes:
        """What stands before a value: ``name="``, or the fields of a LabelPair up to the length of the value."""
        if self._form is Format.PROTOBUF:
            encoded = utf8(name)
            return b"\x0a" + varint(len(encoded)) + encoded + b"\x12"
        return quoted(name) + b'="' if not is_legacy_label(name) else name.encode() + b'="'

    def _value(self, value: str) -> bytes:
        return utf8(value) if self._form is Format.PROTOBUF else escaped(value)


def _job_and_instance(resource: Resource) -> dict[str, str]:
    return {name: value for name, value in (("job", resource.job), ("instance", resource.instance)) if value}


def utf8(text: str) -> bytes:
    """UTF-8; a lone surrogate, which has no UTF-8, becomes "?"."""
    return text.encode(errors="replace")


def escaped(text: str) -> bytes:
    """Between quotes in both text formats."""
    return utf8(text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n"))


def quoted(name: str) -> bytes:
    """A name outside the legacy alphabet, as the UTF-8 syntax of both text formats writes it."""
    return b'"' + escaped(name) + b'"'


def varint(value: int) -> bytes:
    """Base-128 varint of protobuf; negative numbers as 64-bit two's complement."""
    if 0 <= value < 0x4000:
        return _SMALL_VARINTS[value] if value < 0x80 else bytes((value & 0x7F | 0x80, value >> 7))
    value &= 0xFFFFFFFFFFFFFFFF
    head = bytes((value & 0x7F | 0x80, value >> 7 & 0x7F | 0x80))
    return head + varint(value >> 14)


_SMALL_VARINTS = [bytes((value,)) for value in range(0x80)]
