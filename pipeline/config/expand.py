"""Variables in values: ``${env:NAME:-default}``, ``${NAME}``, ``${file:path}``, ``${yaml:text}`` and ``$$``.

A value that is exactly one variable is read as YAML (so it may become a number or a map); a variable inside other
text stays text. Rules are the Collector's (its ``confmap`` package), including that ``$NAME`` without braces is not a
variable.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping

from pipeline.config.node import Mark, Node, Path, format_path
from pipeline.config.yaml_reader import read_yaml
from pipeline.errors import ConfigError

MAX_ROUNDS = 16
"""How often a variable may hold another variable before it counts as holding itself."""
MAX_TEXT = 1 << 20
MAX_VARIABLES = 10_000

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]+):(.*)", re.DOTALL)


class Expander:
    """Replaces variables in a tree of nodes and collects what is wrong with them.

    Args:
        environ: Environment variables.
        read_file: Text of a file, for ``${file:…}``; raises ``OSError`` or ``ConfigError``.
    """

    def __init__(self, environ: Mapping[str, str], read_file: Callable[[str], str]) -> None:
        self.problems: list[str] = []
        self.warnings: list[str] = []
        self._environ = environ
        self._read_file = read_file
        self._variables = 0

    def expand(self, node: Node, path: Path = ()) -> Node:
        """``node`` with all variables replaced; problems are collected, not raised."""
        if isinstance(node.value, dict):
            return Node({key: self.expand(child, (*path, key)) for key, child in node.value.items()}, node.mark)
        if isinstance(node.value, list):
            return Node([self.expand(child, (*path, index)) for index, child in enumerate(node.value)], node.mark)
        if not isinstance(node.value, str) or "$" not in node.value:
            return node
        try:
            return self._scalar(node.value, node.mark, 0)
        except _BadVariable as error:
            self.problems.append(f"{format_path(path)} ({node.mark}): {error}")
            return Node(None, node.mark)

    def _scalar(self, text: str, mark: Mark, rounds: int) -> Node:
        if rounds > MAX_ROUNDS:
            raise _BadVariable("a variable holds itself")
        if not (text.startswith("${") and _closing(text, 2) == len(text) - 1):
            return Node(self._text(text, mark, rounds), mark)
        held = self._lookup(self._text(text[2:-1], mark, rounds, literal_dollars=False), mark)
        try:
            parsed = read_yaml(held, str(mark))
        except ConfigError:
            parsed = Node(held, mark)
        return self._again(parsed, held, mark, rounds + 1)

    def _again(self, parsed: Node, held: str, mark: Mark, rounds: int) -> Node:
        """What a variable held may contain variables, at any depth."""
        if isinstance(parsed.value, dict):
            entries = {key: self._again(child, "", mark, rounds) for key, child in parsed.value.items()}
            return Node(entries, mark, held or None)
        if isinstance(parsed.value, list):
            return Node([self._again(child, "", mark, rounds) for child in parsed.value], mark, held or None)
        if isinstance(parsed.value, str):
            return self._scalar(parsed.value, mark, rounds) if "${" in parsed.value else Node(parsed.value, mark)
        return Node(parsed.value, mark, held or None)

    def _text(self, text: str, mark: Mark, rounds: int, literal_dollars: bool = True) -> str:
        if rounds > MAX_ROUNDS:
            raise _BadVariable("a variable holds itself")
        pieces: list[str] = []
        position = 0
        while (dollar := text.find("$", position)) >= 0:
            pieces.append(text[position:dollar])
            if literal_dollars and text.startswith("$$", dollar):
                pieces.append("$")
                position = dollar + 2
                continue
            end = _closing(text, dollar + 2) if text.startswith("${", dollar) else -1
            if end < 0:
                pieces.append("$")
                position = dollar + 1
                continue
            inner = self._text(text[dollar + 2 : end], mark, rounds + 1, literal_dollars=False)
            held = self._lookup(inner, mark)
            pieces.append(self._text(held, mark, rounds + 1) if "${" in held else held)
            position = end + 1
        pieces.append(text[position:])
        joined = "".join(pieces)
        if len(joined) > MAX_TEXT:
            raise _BadVariable("grows beyond 1 MiB")
        return joined

    def _lookup(self, variable: str, mark: Mark) -> str:
        """The text behind ``env:NAME:-default``, ``NAME``, ``file:path`` or ``yaml:text``."""
        self._variables += 1
        if self._variables > MAX_VARIABLES:
            raise _BadVariable(f"more than {MAX_VARIABLES} variables")
        match = _SCHEME.fullmatch(variable)
        scheme, rest = (match[1], match[2]) if match and not match[2].startswith("-") else ("env", variable)
        if scheme == "env":
            return self._environment(rest, mark)
        if scheme == "file":
            try:
                return self._read_file(rest).rstrip("\r\n")
            except OSError as error:
                raise _BadVariable(f"cannot read {rest}: {error.strerror or error}") from None
            except ConfigError as error:
                raise _BadVariable(str(error)) from None
        if scheme == "yaml":
            return rest
        raise _BadVariable(f"${{{scheme}:…}} is not supported; use env, file or yaml")

    def _environment(self, variable: str, mark: Mark) -> str:
        name, has_default, default = variable.partition(":-")
        if not _NAME.fullmatch(name):
            raise _BadVariable(f"{name!r} is not the name of an environment variable; write $$ for a literal $")
        if name in self._environ:
            return self._environ[name]
        if not has_default:
            self.warnings.append(f"environment variable {name} is not set ({mark}); using an empty value")
        return default


class _BadVariable(Exception):  # noqa: N818 - private, never leaves this module
    """A variable that cannot be replaced."""


def _closing(text: str, start: int) -> int:
    """Index of the ``}`` that closes the variable whose inside begins at ``start``; -1 if none does."""
    depth = 1
    position = start
    while position < len(text):
        if text.startswith("${", position):
            depth += 1
            position += 2
            continue
        if text[position] == "}":
            depth -= 1
            if depth == 0:
                return position
        position += 1
    return -1
