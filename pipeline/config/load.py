"""From ``--config`` and ``--set`` to one document: read, merge, override, expand, check the shape.

--config base.yaml --config env:MORE --set exporters.debug.verbosity=detailed
    │ read_yaml      │ read_yaml        │ read_yaml
    └──── merge ─────┴───── merge ──────┘ → expand ${…} → Document
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path

from pipeline.config.document import Document, read_document
from pipeline.config.expand import Expander
from pipeline.config.node import Mark, Node, format_path, merge
from pipeline.config.node import Path as NodePath
from pipeline.config.secrets import REDACTED, REDACTED_USERINFO
from pipeline.config.yaml_reader import read_yaml
from pipeline.errors import ConfigError

MAX_FILE_BYTES = 1 << 20


def load_document(
    uris: Sequence[str], overrides: Sequence[str] = (), environ: Mapping[str, str] | None = None
) -> Document:
    """Read and merge all sources and check the shape of the result.

    Args:
        uris: ``path``, ``file:path``, ``env:NAME`` or ``yaml:text`` (``::`` separates keys, as in
            ``yaml:exporters::debug: {}``).
            Later ones override earlier ones: maps are merged, scalars and lists replaced.
        overrides: ``a.b=value`` with the value in YAML; applied last.
        environ: Environment variables; those of the process by default.
    Raises:
        ConfigError: With every problem that could be found.
    """
    environ = os.environ if environ is None else environ
    problems: list[str] = []
    root: Node | None = None
    readers: list[Callable[[], Node]] = [partial(read_uri, uri, environ) for uri in uris]
    readers += [partial(read_override, text) for text in overrides]
    for read in readers:
        try:
            node = read()
        except ConfigError as error:
            problems += error.problems
            continue
        root = node if root is None else merge(root, node)
    if problems:
        raise ConfigError(problems)
    if root is None:
        raise ConfigError(["no configuration given; name a file with --config"])
    expander = Expander(environ, read_file)
    root = expander.expand(root)
    return read_document(root, expander.problems, [*expander.warnings, *_placeholders(root)])


def read_uri(uri: str, environ: Mapping[str, str]) -> Node:
    """The tree behind one ``--config``."""
    scheme, colon, rest = uri.partition(":")
    if not colon or len(scheme) < 2 or scheme == "file":
        return _mapping(read_yaml(_read_config_file(rest if scheme == "file" and colon else uri), rest or uri), uri)
    if scheme == "env":
        if rest not in environ:
            raise ConfigError([f"--config {uri}: the environment variable {rest} is not set"])
        return _mapping(read_yaml(environ[rest], uri), uri)
    if scheme == "yaml":
        return _unfold(_mapping(read_yaml(rest, "--config yaml"), uri))
    if scheme in {"http", "https"}:
        raise ConfigError(
            [f"--config {uri}: configuration is not fetched over the network; download it to a file first"]
        )
    if Path(uri).exists():
        return _mapping(read_yaml(_read_config_file(uri), uri), uri)
    raise ConfigError([f"--config {uri}: scheme {scheme!r} is not supported; use file, env or yaml"])


def read_override(text: str) -> Node:
    """The tree of one ``--set a.b=value``."""
    path, equals, value = text.partition("=")
    keys = [key.strip() for key in path.replace("::", ".").split(".")]
    if not equals or not all(keys):
        raise ConfigError([f"--set {text}: write it as path.to.key=value"])
    node = read_yaml(value, f"--set {path}")
    mark = Mark(f"--set {path}")
    node = _with_mark(node, mark)
    for key in reversed(keys):
        node = Node({key: node}, mark)
    return node


def read_file(path: str) -> str:
    """Text of a file of at most 1 MiB.

    Raises:
        OSError: It cannot be read.
        ConfigError: Too large, or not UTF-8.
    """
    with Path(path).open("rb") as file:
        data = file.read(MAX_FILE_BYTES + 1)
    if len(data) > MAX_FILE_BYTES:
        raise ConfigError([f"{path}: larger than 1 MiB"])
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise ConfigError([f"{path}: not UTF-8 at byte {error.start}"]) from None


def _read_config_file(path: str) -> str:
    try:
        return read_file(path)
    except OSError as error:
        raise ConfigError([f"{path}: {error.strerror or error}"]) from None


def _mapping(node: Node, uri: str) -> Node:
    if node.value is None:
        return Node({}, node.mark)
    if not isinstance(node.value, dict):
        raise ConfigError([f"{node.mark}: the configuration {uri} must be a map with receivers, exporters and service"])
    return node


def _unfold(node: Node) -> Node:
    """``{"a::b": x}`` as ``{"a": {"b": x}}``."""
    if not isinstance(node.value, dict):
        return node
    unfolded = Node({}, node.mark)
    for key, child in node.value.items():
        entry = _unfold(child)
        for part in reversed(key.split("::")):
            entry = Node({part: entry}, node.mark)
        unfolded = merge(unfolded, entry)
    return unfolded


def _placeholders(node: Node, path: NodePath = ()) -> Iterator[str]:
    """A warning for each secret that ``weir print-config`` has taken away."""
    if isinstance(node.value, (dict, list)):
        entries = node.value.items() if isinstance(node.value, dict) else enumerate(node.value)
        for step, child in entries:
            yield from _placeholders(child, (*path, step))
    elif isinstance(node.value, str) and (node.value == REDACTED or f"://{REDACTED_USERINFO}" in node.value):
        what = (
            "is the mark of `weir print-config` in place of a secret; put the secret here, for example as ${env:NAME}"
        )
        yield f"{format_path(path)} ({node.mark}): {what}"


def _with_mark(node: Node, mark: Mark) -> Node:
    if isinstance(node.value, dict):
        return Node({key: _with_mark(child, mark) for key, child in node.value.items()}, mark)
    if isinstance(node.value, list):
        return Node([_with_mark(child, mark) for child in node.value], mark)
    return Node(node.value, mark, node.text)
