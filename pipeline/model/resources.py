"""Resources as identities of series: equal attributes are one resource, however a sender orders or encodes them."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from typing import Any

from google.protobuf.message import DecodeError
from opentelemetry.proto.common.v1.common_pb2 import KeyValue
from opentelemetry.proto.resource.v1.resource_pb2 import Resource as ResourceMessage

from pipeline.model.attribute_text import plain_value, value_text

MAX_ATTRIBUTES = 128
"""Attributes kept of one resource; the identity is taken over all of them."""


@dataclass(frozen=True, eq=False)
class Resource:
    """The entity that sent telemetry.

    Attributes:
        id: Unique in a series table and never given twice.
        attributes: Plain Python values (str, bool, int, float, bytes, list, dict).
        job: ``service.namespace/service.name`` or ``service.name``; empty where there is no name.
        instance: ``service.instance.id`` or empty.
    """

    id: int
    attributes: dict[str, Any]
    job: str
    instance: str


def make_resource(number: int, attributes: dict[str, Any]) -> Resource:
    """A resource with its Prometheus identity."""
    name = value_text(attributes.get("service.name"))
    namespace = value_text(attributes.get("service.namespace"))
    return Resource(
        number,
        attributes,
        f"{namespace}/{name}" if namespace and name else name,
        value_text(attributes.get("service.instance.id")),
    )


def parse_resource(body: bytes) -> dict[str, Any] | None:
    """Attributes of an encoded Resource message; of equal keys the first counts. None where the message is damaged."""
    try:
        message = ResourceMessage.FromString(body)
    except DecodeError:
        return None
    return _first_of_each(message.attributes)


def identity(attributes: dict[str, Any], keys: Collection[str] = ()) -> bytes:
    """16 bytes that are equal for equal attributes in any order; over ``keys`` alone where given."""
    chosen = {key: value for key, value in attributes.items() if not keys or key in keys}
    return hashlib.blake2b(json.dumps(_tagged(chosen), sort_keys=True).encode(), digest_size=16).digest()


def bounded(attributes: dict[str, Any], max_value_bytes: int) -> dict[str, Any]:
    """At most ``MAX_ATTRIBUTES`` attributes; values whose text is longer than the limit are left out, as a sender can make them huge."""
    kept = {}
    for key, value in attributes.items():
        if len(kept) == MAX_ATTRIBUTES:
            break
        if len(key) <= max_value_bytes and len(value_text(value).encode(errors="replace")) <= max_value_bytes:
            kept[key] = value
    return kept


def _first_of_each(pairs: Iterable[KeyValue]) -> dict[str, Any]:
    attributes: dict[str, Any] = {}
    for pair in pairs:
        if pair.key not in attributes:
            attributes[pair.key] = plain_value(pair.value)
    return attributes


def _tagged(value: Any) -> Any:
    """JSON in which values of different types stay different: 1, 1.0, true and "1" are four resources."""
    if isinstance(value, dict):
        return {key: _tagged(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [_tagged(inner) for inner in value]
    if isinstance(value, bytes):
        return [["bytes", value.hex()]]
    if isinstance(value, float):
        return [["float", value.hex()]]
    return value
