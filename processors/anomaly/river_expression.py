"""A river model written as text, such as ``preprocessing.StandardScaler() | anomaly.LODA(n_bins=10)``.

The text is parsed, never evaluated: what may stand in it are calls of classes that river exports, with keyword
arguments that are literals or such calls again, and ``|`` between them.
"""

from __future__ import annotations

import ast
import importlib
import inspect
from typing import Any

MODULES = (
    "anomaly",
    "compose",
    "drift",
    "feature_extraction",
    "linear_model",
    "optim",
    "preprocessing",
    "stats",
    "time_series",
    "utils",
)
"""Modules of river whose classes may be named."""
MAX_LENGTH = 1000
MAX_SIZE = 10_000
"""Of a whole number: nobody needs so many trees, and memory is not endless."""


def parse(text: str) -> Any:
    """The model that ``text`` describes, new.

    Raises:
        ValueError: It is no such expression, or the class does not take these arguments. Says which part.
    """
    if len(text) > MAX_LENGTH:
        raise ValueError(f"a model of {len(text)} characters; {MAX_LENGTH} are allowed")
    try:
        tree = ast.parse(text.strip(), mode="eval")
    except (SyntaxError, RecursionError, MemoryError) as error:
        raise ValueError(f"{text!r} is not a river model: {error}") from None
    return _build(tree.body)


def _build(node: ast.expr) -> Any:
    match node:
        case ast.BinOp(left=left, op=ast.BitOr(), right=right):
            return _build(left) | _build(right)
        case ast.Call(func=ast.Attribute(value=ast.Name(id=module), attr=name), args=[], keywords=keywords):
            return _call(module, name, keywords)
        case ast.Call(args=[_, *_]):
            raise ValueError(f"{ast.unparse(node)}: name the arguments")
    raise ValueError(f"{ast.unparse(node)!r} is not allowed: write calls of river classes, like module.Class(name=1)")


def _call(module: str, name: str, keywords: list[ast.keyword]) -> Any:
    if module not in MODULES:
        raise ValueError(f"{module}.{name}: the modules are {', '.join(MODULES)}")
    namespace = importlib.import_module(f"river.{module}")
    found = getattr(namespace, name, None) if name in namespace.__all__ else None
    if not inspect.isclass(found):
        raise ValueError(f"river.{module} has no class {name!r}")
    if any(keyword.arg is None for keyword in keywords):
        raise ValueError(f"{module}.{name}: ** is not allowed")
    arguments = {str(keyword.arg): _argument(keyword.value) for keyword in keywords}
    try:
        return found(**arguments)
    except (TypeError, ValueError, AttributeError) as error:
        raise ValueError(f"{module}.{name}: {error}") from None


def _argument(node: ast.expr) -> Any:
    if isinstance(node, (ast.Call, ast.BinOp)):
        return _build(node)
    try:
        value = ast.literal_eval(node)
    except ValueError:
        raise ValueError(f"{ast.unparse(node)!r} is not allowed as an argument: write a literal or a model") from None
    if isinstance(value, int) and abs(value) > MAX_SIZE:
        raise ValueError(f"{value} is too large: at most {MAX_SIZE}")
    return value
