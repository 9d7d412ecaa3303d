"""Bytes that say the same as a message and that no encoder writes: fields in any order, some twice, messages in parts,
fields that nobody knows.
"""

from __future__ import annotations

from random import Random
from typing import Any

from google.protobuf.descriptor import FieldDescriptor

_WHOLE = frozenset({"KeyValue", "AnyValue", "ArrayValue", "KeyValueList"})
"""Messages whose fields come once each."""
_UNKNOWN = (b"\xf8\x3e\x07", b"\xfa\x3e\x02hi")
"""Field 1007, as a number and as bytes."""


def scrambled(message: Any, random: Random) -> bytes:
    """An encoding that the official parser reads as ``message``, but for unknown fields."""
    is_whole = message.DESCRIPTOR.name in _WHOLE
    pieces: list[list[bytes]] = []
    for field, value in message.ListFields():
        one = type(message)()
        if field.is_repeated and field.message_type is not None:
            pieces.append([_element(field, scrambled(child, random)) for child in value])
        elif field.message_type is not None:
            body = scrambled(value, random)
            parts = _parts(value, random) if not is_whole and field.message_type.name not in _WHOLE else None
            pieces.append([_element(field, part) for part in parts or [body]])
        elif field.is_repeated:
            getattr(one, field.name).extend(value)
            pieces.append([one.SerializePartialToString()])
        else:
            setattr(one, field.name, value)
            twice = not is_whole and field.containing_oneof is None and not random.randrange(4)
            pieces.append([one.SerializePartialToString()] * (2 if twice else 1))
    if not is_whole and not random.randrange(3):
        pieces.append([random.choice(_UNKNOWN)])
    out = b""
    while pieces:  # the order within a field stays
        field_pieces = random.choice(pieces)
        out += field_pieces.pop(0)
        if not field_pieces:
            pieces.remove(field_pieces)
    return out


def _parts(message: Any, random: Random) -> list[bytes] | None:
    """The message as two messages that merge into it."""
    if random.randrange(3):
        return None
    first, second = type(message)(), type(message)()
    for field, value in message.ListFields():
        target = random.choice((first, second))
        if field.is_repeated:
            cut = random.randrange(len(value) + 1)
            getattr(first, field.name).extend(value[:cut])
            getattr(second, field.name).extend(value[cut:])
        elif field.message_type is not None:
            getattr(target, field.name).CopyFrom(value)
        else:
            setattr(target, field.name, value)
    return [scrambled(first, random), scrambled(second, random)]


def _element(field: FieldDescriptor, body: bytes) -> bytes:
    return _varint(field.number << 3 | 2) + _varint(len(body)) + body


def _varint(value: int) -> bytes:
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)
