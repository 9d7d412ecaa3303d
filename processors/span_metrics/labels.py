"""From configured dimensions to the labels of a table, and the columns that have to be derived for them."""

from __future__ import annotations

import fnmatch
import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any, NamedTuple

import numpy as np

from pipeline.api import Column, Label, SpanBatch
from pipeline.model.attribute_text import plain_value, value_text
from pipeline.model.series import SeriesTable
from processors.adjusted_count import Adjusted
from processors.span_metrics.config import DimensionMapping, Dimensions
from processors.span_metrics.derived import derived_column, encoded, with_derived
from processors.span_metrics.durations import Count
from processors.span_metrics.names import COUNTED, EXTRAPOLATED, SAMPLING_METHOD, SCOPE_NAME, SCOPE_VERSION
from processors.span_metrics.open_labels import OpenLabels

Columns = Mapping[str, Column]


class Derivation(NamedTuple):
    """Makes some columns out of a batch and its adjusted counts."""

    reads: tuple[str, ...]
    make: Callable[[SpanBatch, Adjusted | None], Columns]


class LabelMaker:
    """The labels of one flavour.

    Args:
        flavour: Tells the derived columns of the flavours apart.
        resource_first: An attribute of the resource comes before one of the span.
        rename: From attribute key to label name.
        count: Told when a glob matches more attribute keys than there are labels for.
    """

    def __init__(self, flavour: str, resource_first: bool, rename: Callable[[str], str], count: Count) -> None:
        self._flavour = flavour
        self._resource_first = resource_first
        self._rename = rename
        self._count = count
        self._derivations: list[Derivation] = []
        self._open: list[OpenLabels] = []

    @property
    def reads(self) -> tuple[str, ...]:
        """Columns that the derivations need and fill."""
        return tuple(column for derivation in self._derivations for column in derivation.reads)

    def columns_of(self, key: str) -> tuple[str, str]:
        """Where an attribute is looked for, in order."""
        columns = (f"span.{key}", f"resource.{key}")
        return (columns[1], columns[0]) if self._resource_first else columns

    def dimensions(self, dimensions: Dimensions, purpose: str) -> tuple[Label, ...]:
        """The labels of dimensions. ``purpose`` tells several lists with globs apart."""
        named = [
            Label(self._rename(dimension.name), self.columns_of(dimension.name), dimension.default)
            for dimension in dimensions
            if dimension.name
        ]
        globs = [dimension.glob for dimension in dimensions if dimension.glob]
        return (*named, *(self._globs(globs, purpose) if globs else ()))

    def mappings(self, mappings: Iterable[DimensionMapping]) -> tuple[Label, ...]:
        """The labels that join several attributes."""
        labels = []
        for number, mapping in enumerate(mappings):
            column = derived_column(f"{self._flavour}.mapping.{number}")
            sources = tuple(Label(key, (f"resource.{key}", f"span.{key}")) for key in mapping.source_labels)
            self._derive((column,), sources, mapping.join.join)
            labels.append(Label(self._rename(mapping.name), (column,)))
        return tuple(labels)

    def job(self, name: str) -> Label:
        """The label ``service.namespace/service.name``, or the name alone; absent where there is no name."""
        column = derived_column(f"{self._flavour}.job")
        sources = tuple(Label(key, (f"resource.{key}",)) for key in ("service.namespace", "service.name"))
        service = sources[1]

        def make(spans: SpanBatch, _adjusted: Adjusted | None) -> Columns:
            jobs = _joined(spans, sources, "/".join)
            return {column: Column(np.where(spans.coalesce(service).present(), jobs.codes, -1), jobs.values)}

        reads = (column, *(source for label in sources for source in label.columns))
        self._derivations.append(Derivation(reads, make))
        return Label(name, (column,))

    def scopes(self, included: frozenset[str]) -> tuple[Label, ...]:
        """Name and version of the instrumentation scope, on spans of these scopes alone."""
        columns = tuple(derived_column(f"{self._flavour}.scope.{part}") for part in ("name", "version"))

        def make(spans: SpanBatch, _adjusted: Adjusted | None) -> Columns:
            name, version = spans["scope.name"], spans["scope.version"]
            chosen = name.isin(included)
            kept = (chosen & (name != ""), chosen & (version != ""))
            return {
                column: Column(np.where(mask, part.codes, -1), part.values)
                for column, mask, part in zip(columns, kept, (name, version), strict=True)
            }

        self._derivations.append(Derivation((*columns, "scope.name", "scope.version"), make))
        return Label(SCOPE_NAME, columns[:1]), Label(SCOPE_VERSION, columns[1:])

    def sampling_method(self) -> Label:
        """Whether a span's count was extrapolated."""
        column = derived_column(f"{self._flavour}.sampling_method")

        def make(spans: SpanBatch, adjusted: Adjusted | None) -> Columns:
            codes = np.zeros(len(spans), np.int32) if adjusted is None else adjusted.adjusted.astype(np.int32)
            return {column: Column(codes, [COUNTED, EXTRAPOLATED])}

        self._derivations.append(Derivation((column,), make))
        return Label(SAMPLING_METHOD, (column,))

    def bind(self, table: SeriesTable) -> None:
        """Name the open labels of a table as their names become known."""
        for labels in self._open:
            if labels.labels[0] in table.labels:
                labels.bind(table)

    def derive(self, spans: SpanBatch, adjusted: Adjusted | None) -> SpanBatch:
        """The batch with all derived columns; the same object where there are none."""
        columns: dict[str, Column] = {}
        for derivation in self._derivations:
            columns |= derivation.make(spans, adjusted)
        return with_derived(spans, columns) if columns else spans

    def state(self) -> list[list[str]]:
        """The names that open labels have got."""
        return [labels.names for labels in self._open]

    def restore(self, state: list[list[str]]) -> None:
        """Take up ``state`` of an earlier run of the same configuration."""
        for labels, names in zip(self._open, state, strict=True):
            labels.restore(names)

    def _derive(self, columns: tuple[str], sources: tuple[Label, ...], join: Callable[[Iterable[str]], str]) -> None:
        def make(spans: SpanBatch, _adjusted: Adjusted | None) -> Columns:
            return {columns[0]: _joined(spans, sources, join)}

        reads = (*columns, *(source for label in sources for source in label.columns))
        self._derivations.append(Derivation(reads, make))

    def _globs(self, globs: list[str], purpose: str) -> tuple[Label, ...]:
        opened = OpenLabels(f"{self._flavour}.{purpose}", self._rename)
        matches = re.compile("|".join(fnmatch.translate(glob) for glob in globs)).match

        def make(spans: SpanBatch, _adjusted: Adjusted | None) -> Columns:
            cells: dict[int, list[str | None]] = {}
            left_out = 0
            for number, attributes in enumerate(self._matching(spans, matches)):
                for key, text in attributes.items():
                    place = opened.place(key)
                    if place >= 0:
                        cells.setdefault(place, [None] * len(spans))[number] = text
                    elif opened.full:
                        left_out += 1
            if left_out:
                self._count("glob_keys", left_out)
            nothing: list[str | None] = [None] * len(spans)
            return {column: encoded(cells.get(place, nothing)) for place, column in enumerate(opened.columns)}

        self._open.append(opened)
        self._derivations.append(Derivation((*opened.columns, "resource"), make))
        return opened.labels

    def _matching(self, spans: SpanBatch, matches: Callable[[str], Any]) -> Iterable[dict[str, str]]:
        """Per span the attributes whose key matches, with the official classes: some 10 µs per span."""
        resources: dict[int, dict[str, str]] = {}
        for row, span in zip(spans.resource_rows.tolist(), spans.iter(), strict=True):
            if row not in resources:
                resources[row] = _texts(spans.resource(row).attributes, matches)
            own = _texts(span.attributes, matches)
            yield own | resources[row] if self._resource_first else resources[row] | own


def _texts(pairs: Iterable[Any], matches: Callable[[str], Any]) -> dict[str, str]:
    """Attributes whose key matches, as label texts; of equal keys the first counts."""
    found: dict[str, str] = {}
    for pair in pairs:
        if pair.key not in found and matches(pair.key):
            found[pair.key] = value_text(plain_value(pair.value))
    return found


def _joined(spans: SpanBatch, sources: tuple[Label, ...], join: Callable[[Iterable[str]], str]) -> Column:
    """The values of several labels joined, absent and empty ones left out; absent where none is there."""
    groups = spans.group_by(*sources)
    texts = encoded(join([part for part in key if part]) for key in groups.keys)
    return Column(texts.codes[groups.ids], texts.values)
