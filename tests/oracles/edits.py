"""Edits of a batch, done to official messages one item after the other."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue

from pipeline.model.any_value import any_value
from pipeline.model.attribute_text import plain_value
from pipeline.model.editor import REMOVED
from tests.oracles.otlp_requests import ITEMS, PREFIXES

ENUMS = ("kind", "status_code", "severity_number")


class Item:
    """One item with what it lies in."""

    def __init__(self, signal: str, item: Any, scope: Any, resource: Any) -> None:
        self.signal = signal
        self.item = item
        self.scope = scope
        self.resource = resource

    def holder(self, column: str) -> tuple[Any, str]:
        """The message that a column belongs to, and the key of the attribute or the name of the field."""
        for prefix, message in (
            ("resource.", self.resource.resource),
            ("scope.attributes.", self.scope.scope),
            ("scope.", self.scope.scope),
            (PREFIXES[self.signal], self.item),
        ):
            if column.startswith(prefix):
                return message, column.removeprefix(prefix)
        if column.startswith("status_"):
            return self.item.status, column.removeprefix("status_")
        return self.item, column

    def is_text(self, column: str) -> bool:
        return column != "body" and not column.startswith(("resource.", "scope.attributes.", PREFIXES[self.signal]))

    def get(self, column: str) -> AnyValue | None:
        message, key = self.holder(column)
        if column == "body":
            return _told(message.body) if message.HasField("body") else None
        if column in ENUMS:
            return AnyValue(int_value=getattr(message, key))
        if self.is_text(column):
            return AnyValue(string_value=getattr(message, key))
        value = next((pair.value for pair in message.attributes if pair.key == key), None)
        return value if value is None else _told(value)

    def set(self, column: str, value: AnyValue) -> None:
        message, key = self.holder(column)
        if column == "body":
            message.body.CopyFrom(value)
            return
        if column in ENUMS:
            if value.int_value != getattr(message, key):
                setattr(message, key, value.int_value)
            return
        if self.is_text(column):
            if value.string_value != getattr(message, key):  # an empty text brings no message into being
                setattr(message, key, value.string_value)
            return
        pairs = list(message.attributes)
        place = next((i for i, pair in enumerate(pairs) if pair.key == key), len(pairs))
        kept = [pair for pair in pairs[place + 1 :] if pair.key != key]
        pair = KeyValue(key=key)
        pair.value.CopyFrom(value)
        _replace(message, [*pairs[:place], pair, *kept])

    def remove(self, column: str) -> None:
        message, key = self.holder(column)
        if self.is_text(column) or column == "body":
            if message.HasField(key) if column == "body" else getattr(message, key):
                message.ClearField(key)
        else:
            self.change_keys(column.removesuffix(key), lambda other: other == key, lambda _: REMOVED, (column,))

    def change_keys(
        self, prefix: str, test: Callable[[str], bool], change: Callable[[Any], Any], columns: Sequence[str]
    ) -> None:
        """Attributes that are columns are there once at most afterwards."""
        message, _ = self.holder(prefix)
        kept: list[KeyValue] = []
        seen: set[str] = set()
        for pair in message.attributes:
            if not test(pair.key):
                kept.append(pair)
                continue
            new = change(plain_value(pair.value))
            if new is not REMOVED and pair.key not in seen:
                kept.append(KeyValue(key=pair.key, value=any_value(new)))
            if f"{prefix}{pair.key}" in columns:
                seen.add(pair.key)
        _replace(message, kept)


def all_items(signal: str, request: Any) -> list[Item]:
    """Every item of a request, in order."""
    resources, scopes, items = ITEMS[signal]
    found = []
    for resource in getattr(request, resources):
        for scope in getattr(resource, scopes):
            for item in getattr(scope, items):
                if signal != "metrics":
                    found.append(Item(signal, item, scope, resource))
                elif kind := item.WhichOneof("data"):
                    found += [Item(signal, point, scope, resource) for point in getattr(item, kind).data_points]
    return found


def _told(value: AnyValue) -> AnyValue:
    """A value as it is read: an index into a table of strings, which no signal but profiles has, says nothing."""
    return AnyValue() if value.HasField("string_value_strindex") else value


def _replace(message: Any, pairs: list[KeyValue]) -> None:
    copies = [KeyValue.FromString(pair.SerializeToString()) for pair in pairs]
    del message.attributes[:]
    message.attributes.extend(copies)
