"""The editors of statements: what each takes, and what it does to its target.

A target is one value (an attribute, a text) or the attributes of something. What becomes of one value is a function of
plain values, called once per distinct combination; attributes are changed by their keys (``Editor.change_keys``).
Source: pkg/ottl/ottlfuncs/README.md of the Collector, "Editors".
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

from pipeline.model.editor import REMOVED, Removed
from pipeline.ottl import arguments as take
from pipeline.ottl.arguments import Parameter
from pipeline.ottl.re2 import compile_re2
from pipeline.ottl.replacing import glob, replacer, truncated
from pipeline.ottl.values import Duration, Identifier, Time, ValueFault


class KeyChange(NamedTuple):
    """What becomes of attributes: arguments of ``Editor.change_keys``."""

    test: Callable[[str], bool]
    change: Callable[[Any], Any] | Removed
    least_bytes: int = 0


@dataclass(frozen=True)
class ValueEditor:
    """An editor of one value.

    Attributes:
        parameters: Behind the target.
        make: Gets the constant arguments and gives a function of the value that is there and of the other arguments. It
            gives the new value, or nil, which changes nothing.
        reads_target: False: what is there does not matter, and the function does not get it.
    """

    parameters: tuple[Parameter, ...]
    make: Callable[..., Callable[..., Any]]
    reads_target: bool = True


@dataclass(frozen=True)
class MapEditor:
    """An editor of attributes.

    Attributes:
        parameters: Behind the target; all of them constant.
        make: Gets the arguments.
    """

    parameters: tuple[Parameter, ...]
    make: Callable[..., KeyChange]


def _names(value: Any) -> frozenset[str]:
    return frozenset(take.text(one) for one in take.a_list(value))


def _limit(value: Any) -> int:
    number: int = take.integer(value)
    if number < 0:
        raise ValueFault("a limit is not negative")
    return number


def _boolean(value: Any) -> bool:
    if not isinstance(value, bool):
        raise ValueFault("expected true or false")
    return value


def _value_mode(value: Any) -> str:
    if value == "key":
        raise ValueFault('keys cannot be replaced; with "value" values can')
    if value != "value":
        raise ValueFault('the mode is "value"')
    return "value"


def _text(name: str, *, constant: bool = True) -> Parameter:
    return Parameter(name, take.text, (bool, int, float, bytes, list, dict, *_NO_VALUE), constant=constant)


_NO_VALUE = (Identifier, Time, Duration)
_KEYS = Parameter("keys", _names, constant=True)


def _set() -> Callable[..., Any]:
    return lambda value: value


def _replace_pattern(pattern: str) -> Callable[..., Any]:
    replace = replacer(pattern)

    def replaced(value: Any, new: str) -> str | None:
        changed = replace(value, new) if isinstance(value, str) else value
        return None if changed == value else changed

    return replaced


def _replace_match(pattern: str) -> Callable[..., Any]:
    matches = glob(pattern)
    return lambda value, new: new if isinstance(value, str) and matches(value) else None


def _append() -> Callable[..., Any]:
    def append(value: Any, more: Any) -> Any:
        if more is None:
            return None
        return [*(value if isinstance(value, list) else [] if value is None else [value]), more]

    return append


def _every(_: str) -> bool:
    return True


def _of_texts(change: Callable[[str], str], least_bytes: int = 0) -> KeyChange:
    return KeyChange(_every, lambda value: change(value) if isinstance(value, str) else value, least_bytes)


def _replace_all_patterns(mode: str, pattern: str, new: str) -> KeyChange:  # noqa: ARG001
    replace = replacer(pattern)
    return _of_texts(lambda value: replace(value, new))


def _replace_all_matches(pattern: str, new: str) -> KeyChange:
    matches = glob(pattern)
    return _of_texts(lambda value: new if matches(value) else value)


def _delete_matching_keys(pattern: str) -> KeyChange:
    search = compile_re2(pattern).search
    return KeyChange(lambda key: search(key) is not None, REMOVED)


def _keep_matching_keys(pattern: str) -> KeyChange:
    search = compile_re2(pattern).search
    return KeyChange(lambda key: search(key) is None, REMOVED)


VALUE_EDITORS: dict[str, ValueEditor] = {
    "append": ValueEditor((Parameter("value", take.anything, _NO_VALUE),), _append),
    "replace_match": ValueEditor((_text("pattern"), _text("replacement", constant=False)), _replace_match),
    "replace_pattern": ValueEditor((_text("regex"), _text("replacement", constant=False)), _replace_pattern),
    "set": ValueEditor((Parameter("value", take.anything, _NO_VALUE),), _set, reads_target=False),
}

MAP_EDITORS: dict[str, MapEditor] = {
    "delete_key": MapEditor((_text("key"),), lambda key: KeyChange(lambda other: other == key, REMOVED)),
    "delete_keys": MapEditor((_KEYS,), lambda keys: KeyChange(lambda key: key in keys, REMOVED)),
    "delete_matching_keys": MapEditor((_text("pattern"),), _delete_matching_keys),
    "keep_keys": MapEditor((_KEYS,), lambda keys: KeyChange(lambda key: key not in keys, REMOVED)),
    "keep_matching_keys": MapEditor((_text("pattern"),), _keep_matching_keys),
    "replace_all_matches": MapEditor((_text("pattern"), _text("replacement")), _replace_all_matches),
    "replace_all_patterns": MapEditor(
        (Parameter("mode", _value_mode, constant=True), _text("regex"), _text("replacement")), _replace_all_patterns
    ),
    "truncate_all": MapEditor(
        (
            Parameter("limit", _limit, constant=True),
            Parameter("utf8_safe", _boolean, default=True, constant=True),
        ),
        lambda limit, _: _of_texts(lambda value: truncated(value, limit), limit + 1),
    ),
}

NOT_HERE = {
    "flatten": 'write what is wanted of a map: set(attributes["a.b"], attributes["a"]["b"])',
    "limit": "keep_keys and delete_matching_keys say which attributes stay",
    "merge_maps": 'set each key: set(attributes["level"], ParseJSON(body)["level"])',
}
"""Editors of the Collector that there are not, and what to write instead."""
