"""Requests with many spans that differ in a number, made without a message per span."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt

from pipeline.codec.otlp_encode import varint
from pipeline.model.any_value import key_values
from pipeline.service.clock import SystemClock
from pipeline.testing import span_message

DIGITS = "00000000"


def requests(number: int, *, a_request: int = 10_000, service: str = "loud", **fields: Any) -> Iterator[bytes]:
    """Requests of ``number`` spans in all.

    ``DIGITS`` in any field become the number of the span; ids are numbered unless given. With digits in the service's
    name every span has a resource of its own.
    """
    numbered_ids = {"trace_id": b"trace***" + DIGITS.encode(), "span_id": DIGITS.encode()}
    span = span_message(**{**numbered_ids, "start_unix_nano": SystemClock().unix_nano() - 10_000_000, **fields})
    (attribute,) = key_values({"service.name": service})
    resource = element(b"\x0a", element(b"\x0a", attribute.SerializeToString()))
    block = element(b"\x12", span.SerializeToString())
    for first in range(0, number, a_request):
        numbers = np.arange(first, min(first + a_request, number))
        if DIGITS in service:
            yield repeated(element(b"\x0a", resource + element(b"\x12", block)), numbers)
        else:
            yield element(b"\x0a", resource + element(b"\x12", repeated(block, numbers)))


def repeated(block: bytes, numbers: npt.NDArray[np.int64]) -> bytes:
    """The block once for each number, which stands in it where the digits were."""
    rows = np.tile(np.frombuffer(block, np.uint8), (len(numbers), 1))
    digits = np.frombuffer(b"".join(b"%08d" % number for number in numbers.tolist()), np.uint8).reshape(-1, 8)
    at = block.find(DIGITS.encode())
    while at >= 0:
        rows[:, at : at + 8] = digits
        at = block.find(DIGITS.encode(), at + 8)
    return rows.tobytes()


def element(tag: bytes, content: bytes) -> bytes:
    return tag + varint(len(content)) + content
