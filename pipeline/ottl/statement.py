"""Statements: an editor, its target, and the condition under which it works.

statement = compile_statement('set(name, attributes["http.route"]) where kind == SPAN_KIND_SERVER', "span")
statement.reads, statement.sets       # columns, to be declared by the component
statement.apply(editor, where, now)   # editor: of a batch (pipeline/model/editor.py)
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from pipeline.model.column import Bools
from pipeline.model.editor import REMOVED, Editor
from pipeline.ottl import tree
from pipeline.ottl.arguments import REQUIRED, Parameter
from pipeline.ottl.compiler import Compiler
from pipeline.ottl.contexts import CONTEXTS
from pipeline.ottl.decision import natively
from pipeline.ottl.editors import MAP_EDITORS, NOT_HERE, VALUE_EDITORS, KeyChange, MapEditor, ValueEditor
from pipeline.ottl.errors import nearest
from pipeline.ottl.parser import parse_statement
from pipeline.ottl.plan import Column, Constant, Expression, Mapped, Test
from pipeline.ottl.re2 import RegexError
from pipeline.ottl.tables import Tables
from pipeline.ottl.values import TYPE_NAMES, Failed, ValueFault, named, type_name

TEXTS = ("name", "trace_state", "status_message", "scope.name", "scope.version", "severity_text", "event_name")
NUMBERS = ("kind", "status_code", "severity_number")
FIELDS = (*TEXTS, *NUMBERS, "body")
"""Columns besides attributes that statements can set."""
MAPS = ("resource.", "scope.attributes.", "span.", "point.", "log.")
"""Prefixes of the attributes that they can set."""


class Fault(Exception):  # noqa: N818 - said by whoever applies the statement
    """A statement cannot be carried out for some items.

    Attributes:
        items: How many.
    """

    def __init__(self, items: int, reason: str) -> None:
        super().__init__(reason)
        self.items = items


class Target:
    """What an editor changes.

    Attributes:
        column: Of one value; of attributes the prefix of their columns.
        is_map: Attributes, all of something.
        kind: Type that it must have: of attributes and bodies None.
    """

    def __init__(self, column: str, *, is_map: bool) -> None:
        self.column = column
        self.is_map = is_map
        self.kind: type | None = str if column in TEXTS else int if column in NUMBERS else None


class Step(ABC):
    """What an editor does. Items that it cannot be done for are left alone and told, if any, by ``Fault``."""

    @abstractmethod
    def run(self, editor: Editor[Any], tables: Tables, where: Bools) -> None:
        """Do it to the items where the mask is true."""


class SetValue(Step):
    """A value of each item becomes what a function says."""

    def __init__(self, target: Target, function: Callable[..., Any], arguments: Sequence[Expression]) -> None:
        self._target = target
        self._value = Mapped(function, arguments, None) if arguments else Constant(function())

    def run(self, editor: Editor[Any], tables: Tables, where: Bools) -> None:
        """Cost: a dictionary of each argument, and a call per distinct combination; see ``Mapped``."""
        found: Sequence[Any]
        if isinstance(self._value, Constant):
            codes, found = np.zeros(len(tables.batch), np.int32), [self._value.value]
        else:
            some, found = self._value.at(tables, tables.batch.item_level).distinct()
            codes = np.where(some < 0, len(found) - 1, some).astype(np.int32)
        values = [self._checked(value) for value in found]
        failures = np.array([type(value) is Failed for value in values])
        stays = failures | np.array([value is None for value in values])
        new = [REMOVED if kept else value for kept, value in zip(stays, values, strict=True)]  # kept: read by nobody
        editor.set_codes(self._target.column, np.where(stays[codes], -1, codes), new, where)
        # of items that are not meant nothing was asked
        if failures.any() and (failed := failures[codes] & where).any():
            raise Fault(int(failed.sum()), values[codes[failed.argmax()]].reason)

    def _checked(self, value: Any) -> Any:
        kind = self._target.kind
        if kind is None or value is None or type(value) in (kind, Failed):
            in_range = kind is not int or not isinstance(value, int) or 0 <= value < 1 << 31
            return value if in_range else Failed("no enum has a number like this")
        return Failed(f"expected a value of type {TYPE_NAMES[kind]}, found {type_name(value)}")


class ChangeKeys(Step):
    """Attributes whose key passes a test are changed, or go."""

    def __init__(self, target: Target, change: KeyChange) -> None:
        self._prefix = target.column
        self._change = change

    def run(self, editor: Editor[Any], tables: Tables, where: Bools) -> None:  # noqa: ARG002 - as all steps
        """Cost: see ``Editor.change_keys``."""
        test, change, least_bytes = self._change
        editor.change_keys(self._prefix, test, change, where, least_bytes)


class RemoveKey(Step):
    """One attribute goes. Cost: none where it is not there."""

    def __init__(self, target: Target, key: str) -> None:
        self._column = target.column + key

    def run(self, editor: Editor[Any], tables: Tables, where: Bools) -> None:  # noqa: ARG002 - as all steps
        """Take it away."""
        editor.remove(self._column, where)


@dataclass(frozen=True)
class Statement:
    """A compiled statement.

    Attributes:
        text: As written.
        context: Name of what it is about.
        reads: Columns that it needs.
        sets: Columns that it changes.
        warnings: What is odd about it and allowed, for the log of whoever uses it.
    """

    text: str
    context: str
    reads: tuple[str, ...]
    sets: tuple[str, ...]
    warnings: tuple[str, ...]
    _where: Test | None
    _step: Step

    def apply(self, editor: Editor[Any], chosen: Bools | None, now_unix_nano: int) -> list[Fault]:
        """Carry it out.

        Args:
            chosen: bool[n], the items that it may concern; None: all.
        Returns:
            What could not be done.
        """
        faults = []
        tables = Tables(editor.batch, now_unix_nano)
        where = np.ones(len(tables.batch), bool) if chosen is None else chosen
        if self._where is not None:
            hits, failed, reason = self._where.at(tables, tables.batch.item_level)
            if failed is not None and (failed & where).any():
                faults.append(Fault(int((failed & where).sum()), reason))
            where = where & hits
        if where.any():
            try:
                self._step.run(editor, tables, where)
            except Fault as fault:
                faults.append(fault)
        return faults


def compile_statement(text: str, context: str, *, prefixed: bool = False) -> Statement:
    """Compile a statement.

    Args:
        context: ``span``, ``metric``, ``datapoint``, ``log``, ``scope`` or ``resource``.
        prefixed: Every path must say its context, as where contexts are inferred.
    Raises:
        OttlError: It cannot be used; the message shows where and why.
    """
    node = parse_statement(text)
    compiler = Compiler(text, CONTEXTS[context], prefixed=prefixed)
    step, sets = _step(compiler, node.editor)
    where = None if node.where is None else natively(compiler.test(node.where))
    return Statement(text, context, tuple(compiler.reads), sets, tuple(compiler.warnings), where, step)


def _step(compiler: Compiler, call: tree.Call) -> tuple[Step, tuple[str, ...]]:
    """What an editor does, and the columns that it sets."""
    value_editor, map_editor = VALUE_EDITORS.get(call.name), MAP_EDITORS.get(call.name)
    if value_editor is None and map_editor is None:
        what = f"there is no editor {call.name} here"
        hint = NOT_HERE.get(call.name)
        hint = f"; {hint}" if hint else nearest(call.name, [*VALUE_EDITORS, *MAP_EDITORS])
        raise compiler.error(what + hint, call, len(call.name))
    if not call.arguments or call.arguments[0].name not in ("", "target"):
        raise compiler.error(f"{call.name} takes what it changes first", call)
    first = call.arguments[0].value
    if not isinstance(first, tree.Path):
        raise compiler.error('the first argument is what is changed: a path, such as attributes["key"]', first)
    target = _target(compiler, first)
    rest = tree.Call(call.start, call.end, call.name, call.arguments[1:], ())
    if map_editor is not None:
        if not target.is_map:
            what = f"{call.name} changes all attributes of something: write attributes, without a key"
            raise compiler.error(what, first)
        return _map_step(compiler, rest, map_editor, target)
    assert value_editor is not None  # noqa: S101 - looked at above
    if target.is_map:
        what = f'{call.name} changes one value: write attributes["key"]'
        raise compiler.error(what, first)
    return _value_step(compiler, rest, value_editor, target, first), (target.column,)


def _map_step(compiler: Compiler, call: tree.Call, editor: MapEditor, target: Target) -> tuple[Step, tuple[str, ...]]:
    values = [value.value for _, value in compiler.bound(call, editor.parameters)]
    if call.name == "delete_key":
        return RemoveKey(target, values[0]), (target.column + values[0],)
    return ChangeKeys(target, _made(compiler, call, editor.make, values)), ()


def _value_step(compiler: Compiler, call: tree.Call, editor: ValueEditor, target: Target, first: tree.Path) -> Step:
    bound = compiler.bound(call, editor.parameters)
    make = _made(compiler, call, editor.make, [value.value for parameter, value in bound if parameter.constant])
    open_ones = [(parameter, value) for parameter, value in bound if not parameter.constant]
    function, arguments = _partly_applied(make, open_ones)
    if not editor.reads_target:
        value = bound[0][1]
        if target.kind is not None and isinstance(value, Constant) and value.kind not in (target.kind, None):
            raise compiler.error(f"{first.text} is {named(target.kind)}, not {named(value.kind)}", call.arguments[0])
        return SetValue(target, function, arguments)
    there = compiler.value(first)
    assert isinstance(there, Expression)  # noqa: S101 - a path is one
    return SetValue(target, function, [there, *arguments])


def _made(compiler: Compiler, call: tree.Call, make: Callable[..., Any], values: list[Any]) -> Any:
    try:
        return make(*values)
    except (RegexError, ValueFault) as error:
        raise compiler.error(str(error), call.arguments[-1 if len(call.arguments) == 1 else 0]) from error


def _partly_applied(
    function: Callable[..., Any], bound: Sequence[tuple[Parameter, Any]]
) -> tuple[Callable[..., Any], list[Expression]]:
    """A function of what is there, if it wants that, and of those arguments that are no constants."""
    template = [value.value if isinstance(value, Constant) else REQUIRED for _, value in bound]
    gets = [parameter.get for parameter, value in bound if not isinstance(value, Constant)]
    n = len(gets)

    def apply(*values: Any) -> Any:
        there, given = values[: len(values) - n], values[len(values) - n :]
        got = iter([get(value) for get, value in zip(gets, given, strict=True)])
        return function(*there, *(next(got) if one is REQUIRED else one for one in template))

    return apply, [value for _, value in bound if isinstance(value, Expression)]


def _target(compiler: Compiler, node: tree.Path) -> Target:
    """What a path stands for, if it can be changed."""
    context, segments = compiler.context_of(node)
    name = ".".join(segment.name for segment in segments)
    known = compiler.context.paths[context].get(name)
    if known is None:
        raise compiler.unknown_path(node, context, name)
    keys = segments[-1].keys
    if known.keyed and known.column in MAPS and not keys:
        return Target(known.column, is_map=True)
    if len(keys) > 1 or (keys and not known.keyed):
        raise compiler.error("what is inside a value cannot be changed; set the value as a whole", node)
    is_field = known.column in FIELDS and known.then is None
    if known.column not in MAPS and not is_field:
        raise compiler.error(
            f"{node.text} cannot be changed here; attributes can, and {', '.join(_fields(compiler))}", node
        )
    there = compiler.value(node)
    assert isinstance(there, Column)  # noqa: S101 - neither has a function behind it
    return Target(there.name, is_map=False)


def _fields(compiler: Compiler) -> list[str]:
    """What else a context can change, as it writes it."""
    return [
        f"{context}.{name}"
        for context, paths in compiler.context.paths.items()
        for name, known in paths.items()
        if known.column in FIELDS and known.then is None and context != "instrumentation_scope"
    ]
