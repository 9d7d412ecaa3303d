"""``trace_state["key"]``: one member of a W3C tracestate."""

from __future__ import annotations

import re

MAX_MEMBERS = 32
_KEY = re.compile(r"[a-z][a-z0-9_\-*/]{0,255}|[a-z0-9][a-z0-9_\-*/]{0,240}@[a-z][a-z0-9_\-*/]{0,13}")
_VALUE = re.compile(r"[\x20-\x2b\x2d-\x3c\x3e-\x7e]{0,255}[\x21-\x2b\x2d-\x3c\x3e-\x7e]")


def trace_state_member(text: str, key: str) -> str | None:
    """The value of a member: empty where there is none, None where the list is none by the standard.

    >>> trace_state_member("ot=th:8,vendor=x", "ot"), trace_state_member("a=1", "b"), trace_state_member("=", "a")
    ('th:8', '', None)
    """
    members: dict[str, str] = {}
    for member in text.split(","):
        if not member:
            continue
        name, equals, value = member.partition("=")
        name, value = name.lstrip(" \t"), value.rstrip(" \t")
        if not equals or name in members or not _KEY.fullmatch(name) or not _VALUE.fullmatch(value):
            return None
        members[name] = value
        if len(members) > MAX_MEMBERS:
            return None
    return members.get(key, "")
