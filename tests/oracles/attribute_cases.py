"""What actions on attributes do, as the Collector's own tests of attributesprocessor and attraction claim it: name,
actions, attributes before, attributes after.
"""

from __future__ import annotations

import hashlib
import struct
from typing import Any


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


CASES: list[tuple[str, dict[str, Any] | list[dict[str, Any]], dict[str, Any], dict[str, Any]]] = [
    ("insert where absent", {"key": "a", "action": "insert", "value": 1}, {}, {"a": 1}),
    ("insert where present", {"key": "a", "action": "insert", "value": 1}, {"a": "x"}, {"a": "x"}),
    ("insert where present and empty", {"key": "a", "action": "insert", "value": 1}, {"a": ""}, {"a": ""}),
    (
        "insert from",
        {"key": "a", "action": "insert", "from_attribute": "b"},
        {"b": [1, "x"]},
        {"b": [1, "x"], "a": [1, "x"]},
    ),
    ("insert from absent", {"key": "a", "action": "insert", "from_attribute": "b"}, {"c": 1}, {"c": 1}),
    ("update where present", {"key": "a", "action": "update", "value": True}, {"a": "x"}, {"a": True}),
    ("update where absent", {"key": "a", "action": "update", "value": True}, {"b": 1}, {"b": 1}),
    (
        "update from",
        {"key": "a", "action": "update", "from_attribute": "b"},
        {"a": 1, "b": b"\xff"},
        {"a": b"\xff", "b": b"\xff"},
    ),
    ("update from absent", {"key": "a", "action": "update", "from_attribute": "b"}, {"a": 1}, {"a": 1}),
    ("upsert where absent", {"key": "a", "action": "upsert", "value": 0.5}, {"b": 1}, {"b": 1, "a": 0.5}),
    ("upsert where present", {"key": "a", "action": "upsert", "value": "y"}, {"a": 1}, {"a": "y"}),
    ("upsert of a list", {"key": "a", "action": "upsert", "value": ["x", 1]}, {}, {"a": ["x", 1]}),
    (
        "upsert of a map",
        {"key": "a", "action": "upsert", "value": {"k": {"l": 2.5}}},
        {"a": 1},
        {"a": {"k": {"l": 2.5}}},
    ),
    ("upsert of an empty text", {"key": "a", "action": "upsert", "value": ""}, {"a": 1}, {"a": ""}),
    ("upsert from itself", {"key": "a", "action": "upsert", "from_attribute": "a"}, {"a": 7}, {"a": 7}),
    (
        "upsert from a map",
        {"key": "a", "action": "upsert", "from_attribute": "b"},
        {"b": {"k": 1}},
        {"b": {"k": 1}, "a": {"k": 1}},
    ),
    ("delete", {"key": "a", "action": "delete"}, {"a": 1, "b": 2}, {"b": 2}),
    ("delete where absent", {"key": "a", "action": "delete"}, {"b": 2}, {"b": 2}),
    (
        "delete by pattern",
        {"pattern": "^db\\.", "action": "delete"},
        {"db.user": 1, "db.name": "x", "adb.x": 2},
        {"adb.x": 2},
    ),
    ("delete by both", {"key": "b", "pattern": "^a", "action": "delete"}, {"a": 1, "ab": 1, "b": 2, "c": 3}, {"c": 3}),
    ("hash a text", {"key": "a", "action": "hash"}, {"a": "foo"}, {"a": sha256(b"foo")}),
    ("hash an empty text", {"key": "a", "action": "hash"}, {"a": ""}, {"a": sha256(b"")}),
    ("hash an integer", {"key": "a", "action": "hash"}, {"a": -3}, {"a": sha256(struct.pack("<q", -3))}),
    ("hash a double", {"key": "a", "action": "hash"}, {"a": 2.4}, {"a": sha256(struct.pack("<d", 2.4))}),
    ("hash a boolean", {"key": "a", "action": "hash"}, {"a": True}, {"a": sha256(b"\1")}),
    ("hash an array", {"key": "a", "action": "hash"}, {"a": ["x"]}, {"a": ""}),
    ("hash where absent", {"key": "a", "action": "hash"}, {"b": "x"}, {"b": "x"}),
    (
        "hash by pattern",
        {"pattern": "user", "action": "hash"},
        {"user.id": 1, "enduser": "x", "other": "x"},
        {"user.id": sha256(struct.pack("<q", 1)), "enduser": sha256(b"x"), "other": "x"},
    ),
    (
        "hash by key and by pattern",
        {"key": "a", "pattern": "a", "action": "hash"},
        {"a": "x"},
        {"a": sha256(sha256(b"x").encode())},
    ),
    (
        "extract",
        {"key": "url", "action": "extract", "pattern": r"^(?P<scheme>.*):\/\/(?P<host>[^\/]*)\/?(?P<path>.*)$"},
        {"url": "http://example.com/a?b", "host": 3},
        {"url": "http://example.com/a?b", "host": "example.com", "scheme": "http", "path": "a?b"},
    ),
    (
        "extract without a match",
        {"key": "a", "action": "extract", "pattern": "(?P<n>[0-9]+)"},
        {"a": "x", "n": 1},
        {"a": "x", "n": 1},
    ),
    (
        "extract a group that is not there",
        {"key": "a", "action": "extract", "pattern": "x(?P<n>y)?"},
        {"a": "x", "n": 1},
        {"a": "x", "n": ""},
    ),
    ("extract from a number", {"key": "a", "action": "extract", "pattern": "(?P<n>[0-9]+)"}, {"a": 12}, {"a": 12}),
    ("extract from nothing", {"key": "a", "action": "extract", "pattern": "(?P<n>[0-9]+)"}, {"b": "12"}, {"b": "12"}),
    ("convert to int", {"key": "a", "action": "convert", "converted_type": "int"}, {"a": "123"}, {"a": 123}),
    ("convert a double to int", {"key": "a", "action": "convert", "converted_type": "int"}, {"a": 15.9}, {"a": 15}),
    ("convert a boolean to int", {"key": "a", "action": "convert", "converted_type": "int"}, {"a": True}, {"a": 1}),
    (
        "convert text that is no int",
        {"key": "a", "action": "convert", "converted_type": "int"},
        {"a": "None"},
        {"a": "None"},
    ),
    (
        "convert text that is too large",
        {"key": "a", "action": "convert", "converted_type": "int"},
        {"a": "9" * 20},
        {"a": "9" * 20},
    ),
    ("convert an array", {"key": "a", "action": "convert", "converted_type": "int"}, {"a": ["1"]}, {"a": ["1"]}),
    ("convert to double", {"key": "a", "action": "convert", "converted_type": "double"}, {"a": "1.5e3"}, {"a": 1500.0}),
    ("convert an int to double", {"key": "a", "action": "convert", "converted_type": "double"}, {"a": 3}, {"a": 3.0}),
    ("convert to string", {"key": "a", "action": "convert", "converted_type": "string"}, {"a": 99.1}, {"a": "99.1"}),
    ("convert an int to string", {"key": "a", "action": "convert", "converted_type": "string"}, {"a": -9}, {"a": "-9"}),
    (
        "convert a boolean to string",
        {"key": "a", "action": "convert", "converted_type": "string"},
        {"a": True},
        {"a": "true"},
    ),
    ("convert nothing", {"key": "a", "action": "convert", "converted_type": "string"}, {"b": 1}, {"b": 1}),
    (
        "one action after the other",
        [
            {"key": "svc.operation", "action": "insert", "value": "default"},
            {"key": "operation", "action": "UPSERT", "from_attribute": "svc.operation"},
            {"key": "svc.operation", "action": "delete"},
            {"key": "operation", "action": "hash"},
        ],
        {"x": 1},
        {"x": 1, "operation": sha256(b"default")},
    ),
    (
        "removed and set again",
        [{"key": "a", "action": "delete"}, {"key": "a", "action": "insert", "value": 2}],
        {"a": 1},
        {"a": 2},
    ),
]
