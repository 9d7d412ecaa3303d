"""Resources as identities of series: equal attributes are one resource, however a sender orders or encodes them."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from google.protobuf.message import DecodeError
from opentelemetry.proto.common.v1.common_pb2 import KeyValue
from opentelemetry.proto.resource.v1.resource_pb2 import Resource as ResourceMessage

from pipeline.model.attribute_text import plain_value, value_text
from pipeline.model.key_text import label_bytes
from pipeline.model.row_finder import UNKNOWN_RESOURCE

MAX_ATTRIBUTES = 128
MAX_BYTES = 16_384
"""What is kept of one resource; its identity is taken over all it has."""

ENCODINGS_PER_RESOURCE = 4
"""Encodings of a resource that are remembered: replicas of one sender may order its attributes differently."""

_DIGEST_ABOVE = 512


SavedResource = tuple[dict[str, Any], str]
"""Attributes, and identity in hexadecimal: what is kept of the attributes may be less than the identity was taken
over.
"""


@dataclass(frozen=True, eq=False)
class Resource:
    """The entity that sent telemetry.

    Attributes:
        id: Unique in a meter and never given twice.
        attributes: Plain Python values (str, bool, int, float, bytes, list, dict).
        job: ``service.namespace/service.name`` or ``service.name``; empty where there is no name.
        instance: ``service.instance.id`` or empty.
    """

    id: int
    attributes: dict[str, Any]
    job: str
    instance: str


def make_resource(number: int, attributes: dict[str, Any]) -> Resource:
    """A resource with its Prometheus identity (OpenTelemetry specification,
    compatibility/prometheus_and_openmetrics.md).
    """
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
    """What is kept of attributes, which a sender can make as large as a request: at most ``MAX_ATTRIBUTES`` and
    ``MAX_BYTES``.

    Strings above ``max_value_bytes`` are shortened as label values are; other values that large are left out.
    """
    kept: dict[str, Any] = {}
    room = MAX_BYTES
    for key, value in attributes.items():
        text = value_text(value).encode(errors="replace")
        if len(text) > max_value_bytes and isinstance(value, str):
            text = label_bytes(text, max_value_bytes)
            value = text.decode()
        size = len(key.encode(errors="replace")) + len(text)
        if len(kept) < MAX_ATTRIBUTES and len(text) <= max_value_bytes and size <= room:
            kept[key] = value
            room -= size
    return kept


class ResourceTable:
    """The resources that a series table knows, in numbered slots.

    The bytes of a Resource message are parsed once and then found in a bounded dict. Slots of resources that are gone
    are used again.

    Attributes:
        slots: Resource per slot; None where free.
        updated: int64, monotonic nanoseconds of the last span per slot. The entry behind the last slot stands for no
            resource.
    """

    def __init__(self, max_resources: int, keys: Collection[str], max_value_bytes: int, numbers: Iterator[int]) -> None:
        self.slots: list[Resource | None] = [None] * max_resources
        self.updated = np.zeros(max_resources + 1, np.int64)
        self.live = 0
        self._keys = frozenset(keys)
        self._max_value_bytes = max_value_bytes
        self._numbers = numbers
        self._free = list(range(max_resources - 1, -1, -1))
        self._by_identity: dict[bytes, int] = {}
        self._identities: list[bytes] = [b""] * max_resources
        self._by_bytes: dict[bytes, int] = {}
        self._by_number: dict[int, int] = {}

    @property
    def full(self) -> bool:
        """No slot is free."""
        return not self._free

    def known(self, body: bytes) -> int:
        """Slot of a Resource message that was met before in this encoding, or ``UNKNOWN_RESOURCE``."""
        return self._by_bytes.get(_short(body), UNKNOWN_RESOURCE)

    def known_all(self, ranges: Sequence[int], payload: bytes) -> list[int]:
        """``known`` of Resource messages that stand in these ranges of the payload."""
        slot_of = self._by_bytes.get
        slots = []
        for place in ranges:
            at, size = place >> 32, place & 0xFFFF_FFFF
            body = payload[at : at + size]
            slots.append(slot_of(body if size <= _DIGEST_ABOVE else _short(body), UNKNOWN_RESOURCE))
        return slots

    def find(self, body: bytes) -> tuple[int, dict[str, Any]]:
        """Slot, -1 where the resource is new, and the attributes. A damaged message is a resource without
        attributes.
        """
        attributes = parse_resource(body) or {}
        slot = self._by_identity.get(identity(attributes, self._keys), -1)
        if slot >= 0:
            self._remember(body, slot)
        return slot, attributes

    def add(self, attributes: dict[str, Any], now: int, body: bytes | None = None, unique: bytes = b"") -> int:
        """Give a new resource a free slot. ``unique`` is its identity where that is known."""
        slot = self._free.pop()
        unique = unique or identity(attributes, self._keys)
        resource = make_resource(next(self._numbers), bounded(attributes, self._max_value_bytes))
        self.slots[slot] = resource
        self._by_number[resource.id] = slot
        self.updated[slot] = now
        self.live += 1
        self._by_identity[unique] = slot
        self._identities[slot] = unique
        if body is not None:
            self._remember(body, slot)
        return slot

    def identity_of(self, slot: int) -> bytes:
        """What makes the resource the same in another table."""
        return self._identities[slot]

    def slot_of(self, resource: Resource) -> int:
        """Slot of a resource of this table, or of one from another table with the same identity; -1 where there is
        none.
        """
        slot = self._by_number.get(resource.id, -1)
        return slot if slot >= 0 else self._by_identity.get(identity(resource.attributes, self._keys), -1)

    def least_recent(self) -> int:
        """The slot whose last span is the longest ago. None may be free."""
        return int(np.argmin(self.updated[:-1]))

    def release(self, slots: Collection[int]) -> None:
        """Forget resources."""
        gone = set(slots)
        for slot in gone:
            resource = self.slots[slot]
            assert resource is not None  # noqa: S101
            del self._by_number[resource.id]
            self.slots[slot] = None
            del self._by_identity[self._identities[slot]]
        self._free.extend(gone)
        self.live -= len(gone)
        self._by_bytes = {body: slot for body, slot in self._by_bytes.items() if slot not in gone}

    def state(self) -> list[SavedResource]:
        """Attributes and identity of the live resources, by slot."""
        return [
            (resource.attributes, self._identities[slot].hex())
            for slot, resource in enumerate(self.slots)
            if resource is not None
        ]

    def restore(self, saved: list[SavedResource], now: int) -> list[int]:
        """Slots of resources that ``state`` gave, in its order. ValueError where two are the same."""
        identities = [bytes.fromhex(unique) for _, unique in saved]
        if len(set(identities)) < len(identities):
            raise ValueError("a resource is there twice")
        return [self.add(one[0], now, unique=unique) for one, unique in zip(saved, identities, strict=True)]

    def _remember(self, body: bytes, slot: int) -> None:
        if len(self._by_bytes) >= ENCODINGS_PER_RESOURCE * len(self.slots):
            del self._by_bytes[next(iter(self._by_bytes))]
        self._by_bytes[_short(body)] = slot


def _short(body: bytes) -> bytes:
    """The bytes themselves, or a digest of long ones. 0xFF cannot begin a Resource message."""
    return body if len(body) <= _DIGEST_ABOVE else b"\xff" + hashlib.blake2b(body, digest_size=16).digest()


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
        return ["list", *(_tagged(inner) for inner in value)]
    if isinstance(value, bytes):
        return ["bytes", value.hex()]
    if isinstance(value, float):
        return ["float", value.hex()]
    return value
