"""Tempo's ``filter_policies``: which spans a component looks at.

    filter_policies:
      - include: {match_type: strict, attributes: [{key: kind, value: SPAN_KIND_SERVER}]}
      - include_any: {match_type: regex, attributes: [{key: span.http.route, value: ^/api}, {key: name, value: "GET"}]}
        exclude: {match_type: strict, attributes: [{key: resource.team, value: test}]}

A span passes if every policy lets it pass; a policy lets it pass if all attributes of ``include`` match, any of
``include_any`` does, and not all of ``exclude`` do. Source: grafana/tempo, ``pkg/spanfilter``; so values are compared
with their type (404 is not "404"), a regular expression is searched for anywhere in a string and never matches
another type, and the keys are ``span.X``, ``resource.X`` and the intrinsics ``kind``, ``name``, ``status``.

Regular expressions run once per distinct value in a batch. They are Python's: as the expressions come from the
configuration and the values from strangers, avoid nested repetition.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Annotated, Literal

import numpy as np
import numpy.typing as npt
from pydantic import AfterValidator, Field, StrictBool, StrictFloat, StrictInt, StrictStr, model_validator

from pipeline.api import Column, ComponentConfig, SpanBatch
from pipeline.model.attribute_text import value_text
from pipeline.model.columns import ENUM_NAMES
from pipeline.model.records import ValueType

Mask = npt.NDArray[np.bool_]

INTRINSICS = {"kind": "kind", "name": "name", "status": "status_code"}
"""Intrinsic of a policy → column."""

_TYPES = {bool: ValueType.BOOL, int: ValueType.INT, float: ValueType.DOUBLE, str: ValueType.STRING}
"""Type of a policy's value → type of the attributes that it can match."""


def _checked_key(key: str) -> str:
    scope, _, name = key.partition(".")
    if key in INTRINSICS or (scope in ("span", "resource") and name):
        return key
    raise ValueError(f'"{key}" is not supported; write span.<key>, resource.<key>, kind, name or status')


class MatchAttribute(ComponentConfig):
    """One attribute and the value, or the regular expression for the value, that it must have."""

    key: Annotated[str, AfterValidator(_checked_key)]
    value: StrictBool | StrictInt | StrictFloat | StrictStr

    @property
    def column(self) -> str:
        """The column that ``key`` names."""
        scope, _, name = self.key.partition(".")
        if len(name) > 1 and name[0] == name[-1] == '"':  # TraceQL quotes keys with unusual characters
            name = name[1:-1]
        return INTRINSICS.get(self.key, f"{scope}.{name}")


class PolicyMatch(ComponentConfig):
    """Attributes to match."""

    match_type: Literal["strict", "regex"]
    attributes: tuple[MatchAttribute, ...] = Field(min_length=1)

    @model_validator(mode="after")
    def _values_can_match(self) -> PolicyMatch:
        for attribute in self.attributes:
            if self.match_type == "regex":
                _checked_regex(attribute)
            elif (names := ENUM_NAMES.get(attribute.column)) and attribute.value not in names:
                raise ValueError(f"{attribute.key} is never {attribute.value!r}; one of {', '.join(names)}")
        return self


def _checked_regex(attribute: MatchAttribute) -> None:
    if not isinstance(attribute.value, str):
        raise ValueError(f"{attribute.key}: {attribute.value!r} is not a regular expression")
    try:
        re.compile(attribute.value)
    except re.error as error:
        raise ValueError(f"{attribute.key}: {attribute.value!r} is not a regular expression: {error}") from error


class FilterPolicy(ComponentConfig):
    """One policy."""

    include: PolicyMatch | None = None
    include_any: PolicyMatch | None = None
    exclude: PolicyMatch | None = None

    @model_validator(mode="after")
    def _says_something(self) -> FilterPolicy:
        if not (self.include or self.include_any or self.exclude):
            raise ValueError("policies must have at least an `include`, `include_any` or `exclude`")
        return self


class SpanFilter:
    """The policies, ready to run.

    Attributes:
        reads: Columns needed.
    """

    def __init__(self, policies: tuple[FilterPolicy, ...]) -> None:
        self._policies = policies
        matches = [m for policy in policies for m in (policy.include, policy.include_any, policy.exclude) if m]
        self.reads = tuple(dict.fromkeys(attribute.column for match in matches for attribute in match.attributes))

    def __bool__(self) -> bool:
        return bool(self._policies)

    def mask(self, spans: SpanBatch) -> Mask:
        """bool[n], the spans that pass. Cost: a dictionary of each column that the policies name."""
        passed = np.ones(len(spans), bool)
        for policy in self._policies:
            if policy.include:
                passed &= _combined(policy.include, spans, np.logical_and)
            if policy.include_any:
                passed &= _combined(policy.include_any, spans, np.logical_or)
            if policy.exclude:
                passed &= ~_combined(policy.exclude, spans, np.logical_and)
        return passed


def _combined(match: PolicyMatch, spans: SpanBatch, combine: Callable[[Mask, Mask], Mask]) -> Mask:
    masks = [_matches(attribute, match.match_type, spans) for attribute in match.attributes]
    result = masks[0]
    for mask in masks[1:]:
        result = combine(result, mask)
    return result


def _matches(attribute: MatchAttribute, match_type: str, spans: SpanBatch) -> Mask:
    name, value = attribute.column, attribute.value
    column: Column = spans[name]
    if match_type == "regex":
        search = re.compile(str(value)).search
        hits = column.test(lambda text: search(text) is not None)
    else:
        hits = column == value_text(value)
    if attribute.key in INTRINSICS:
        return hits
    matched: Mask = hits & (_types(spans, name) == _TYPES[type(value)])
    return matched


def _types(spans: SpanBatch, column: str) -> npt.NDArray[np.uint64]:
    """uint64[n]: the ``ValueType`` of each span's attribute."""
    field = spans.projection.field(column)
    assert field is not None, column  # noqa: S101 - spans[column] has succeeded
    return spans.words(field)
