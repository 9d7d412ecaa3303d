"""OTLP protobuf to OTLP JSON: the counterpart of ``otlp_json.py``.

protobuf's own JSON mapping, with what OTLP changes in it (opentelemetry-proto ``docs/specification.md``): trace and
span ids are hex, enumerations are numbers. Off the hot path: JSON is for files that people read and for destinations
that take nothing else.
"""

from __future__ import annotations

import base64
import json
from typing import Any

from google.protobuf.json_format import MessageToDict
from google.protobuf.message import Message

_HEX_IDS = frozenset({"traceId", "spanId", "parentSpanId"})


def encode_json(payload: bytes, request: type[Message]) -> bytes:
    """One line of JSON, without a line break.

    Args:
        payload: An export request.
        request: Its class.
    """
    tree = MessageToDict(request.FromString(payload), use_integers_for_enums=True)
    _ids_to_hex(tree)
    return json.dumps(tree, separators=(",", ":"), ensure_ascii=False).encode(errors="replace")


def _ids_to_hex(tree: Any) -> None:
    """Without recursion: attribute values may be nested as deep as the sender likes."""
    todo = [tree]
    while todo:
        node = todo.pop()
        if isinstance(node, list):
            todo += node
        elif isinstance(node, dict):
            for key, value in node.items():
                if key in _HEX_IDS and isinstance(value, str):
                    node[key] = base64.b64decode(value).hex()
                else:
                    todo.append(value)
