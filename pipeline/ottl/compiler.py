"""Tree → plan: names are looked up, types checked as far as they are known, and constants worked out."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from pipeline.ottl import tree
from pipeline.ottl.arguments import REQUIRED, Parameter
from pipeline.ottl.contexts import LEVELS, Context, Known
from pipeline.ottl.errors import OttlError, nearest
from pipeline.ottl.functions import FUNCTIONS, Function, add, look_into, negate
from pipeline.ottl.item_functions import ITEM_FUNCTIONS, ItemFunction
from pipeline.ottl.parser import MAX_NESTING
from pipeline.ottl.plan import (
    AgainstConstant,
    AgainstEachOther,
    Always,
    Calculated,
    Column,
    Constant,
    Expression,
    Holds,
    Joined,
    Mapped,
    Negated,
    Test,
)
from pipeline.ottl.re2 import RegexError
from pipeline.ottl.values import FLIPPED, Identifier, ValueFault, compare, named

_CONDITIONS = (tree.Comparison, tree.And, tree.Or, tree.Not)


class Compiler:
    """Compiles one condition.

    Args:
        text: The condition, for errors.
        context: What it is about.
        prefixed: Paths must say their context (``span.name``).
    Attributes:
        context: As given.
        reads: Columns that the plan reads, in the order in which they were met.
        warnings: What is odd and allowed: comparisons whose sides are always of different types.
    """

    def __init__(self, text: str, context: Context, *, prefixed: bool = False) -> None:
        self._text = text
        self.context = context
        self._prefixed = prefixed
        self.reads: dict[str, None] = {}
        self.warnings: list[str] = []

    def test(self, node: tree.Node) -> Test:
        """A part that is true or false."""
        match node:
            case tree.Group(inner=inner):
                return self.test(inner)
            case tree.And(operands=operands):
                return self._joined(operands, decides=False)
            case tree.Or(operands=operands):
                return self._joined(operands, decides=True)
            case tree.Not(operand=operand):
                test = self.test(operand)
                return Always(not test.value) if isinstance(test, Always) else Negated(test)
            case tree.Comparison(operator=operator, left=left, right=right):
                return self._comparison(node, operator, self.value(left), self.value(right))
            case tree.Literal(value=bool() as known):
                return Always(known)
            case tree.Call():
                value = self.value(node)
                if value.kind not in (bool, None):
                    what = f"{node.name} gives {named(value.kind)}; compare it with something"
                    raise self.error(what, node)
                return Always(bool(value.value)) if isinstance(value, Constant) else Holds(value)
        shown = self._text[node.start : node.end]
        raise self.error(f"a value alone is no condition; compare it with something: {shown} == true", node)

    def _joined(self, operands: Iterable[tree.Node], *, decides: bool) -> Test:
        """Constants are worked out as in the Collector: one that decides does so whatever else may fail."""
        tests = [self.test(operand) for operand in operands]
        constants = [test.value for test in tests if isinstance(test, Always)]
        rest = [test for test in tests if not isinstance(test, Always)]
        if decides in constants or not rest:
            return Always(decides if decides in constants else not decides)
        return rest[0] if len(rest) == 1 else Joined(rest, decides=decides)

    def _comparison(
        self, node: tree.Node, operator: str, left: Expression | Constant, right: Expression | Constant
    ) -> Test:
        if isinstance(left, Expression) or isinstance(right, Expression):
            self._warn_of_types(node, left.kind, right.kind)
        if isinstance(left, Constant):
            if isinstance(right, Constant):
                return Always(compare(operator, left.value, right.value))
            return AgainstConstant(FLIPPED[operator], right, left.value)
        if isinstance(right, Constant):
            return AgainstConstant(operator, left, right.value)
        return AgainstEachOther(operator, left, right)

    def _warn_of_types(self, node: tree.Node, left: type | None, right: type | None) -> None:
        if left is None or right is None or left is right or {left, right} == {int, float}:
            return
        text = self._text[node.start : node.end]
        self.warnings.append(
            f"{text} compares {named(left)} with {named(right)}, which are never equal and have no order"
        )

    def value(self, node: tree.Node) -> Expression | Constant:
        """A part that has a value."""
        match node:
            case tree.Literal(value=value):
                return Constant(value)
            case tree.Enum(name=name):
                return Constant(self._enum(node, name))
            case tree.Group(inner=inner):
                return self.value(inner)
            case tree.Path():
                return self._path(node)
            case tree.Call():
                return self._call(node)
            case tree.Sign(operator=operator, operand=operand):
                return self._signed(node, operator, self.value(operand))
            case tree.Arithmetic(first=first, rest=rest):
                if len(rest) > MAX_NESTING:
                    raise self.error(f"more than {MAX_NESTING} operations in a row", node)
                result = self.value(first)
                for operator, other in rest:
                    result = self._calculated(node, operator, result, self.value(other))
                return result
            case tree.Items(items=items):
                return self._assembled(items, list)
            case tree.Map(entries=entries):
                names = [key for key, _ in entries]
                return self._assembled(
                    [one for _, one in entries], lambda values: dict(zip(names, values, strict=True))
                )
        raise self.error("expected a value, found a condition", node)

    def _enum(self, node: tree.Node, name: str) -> int:
        number = self.context.enums.get(name)
        if number is None:
            if name in FUNCTIONS or name in ITEM_FUNCTIONS:
                raise self.error(f"{name} is a function; its arguments stand in parentheses", node)
            hint = nearest(name, self.context.enums) if self.context.enums else ""
            raise self.error(f"there is no enum {name} in the context {self.context.name}{hint}", node)
        return number

    def _assembled(self, nodes: Iterable[tree.Node], assemble: Callable[[Iterable[Any]], Any]) -> Expression | Constant:
        """A list or a map of values."""
        parts = [self.value(node) for node in nodes]
        expressions = [part for part in parts if isinstance(part, Expression)]
        if not expressions:
            return Constant(assemble([part.value for part in parts if isinstance(part, Constant)]))

        def build(*values: Any) -> Any:
            got = iter(values)
            return assemble([part.value if isinstance(part, Constant) else next(got) for part in parts])

        return Mapped(build, expressions, type(assemble([None] * len(parts))))

    def _signed(self, node: tree.Node, operator: str, value: Expression | Constant) -> Expression | Constant:
        if operator == "+":
            return value
        return self._applied(node, negate, value)

    def _applied(
        self, node: tree.Node, function: Callable[[Any], Any], value: Expression | Constant, kind: type | None = None
    ) -> Expression | Constant:
        """A function of one value; worked out at once if that is a constant."""
        if isinstance(value, Expression):
            return Mapped(function, [value], kind)
        try:
            return Constant(function(value.value))
        except ValueFault as fault:
            raise self.error(str(fault), node) from fault

    def _calculated(
        self, node: tree.Node, operator: str, left: Expression | Constant, right: Expression | Constant
    ) -> Expression | Constant:
        if isinstance(left, Constant) and isinstance(right, Constant):
            try:
                return Constant(add(operator, left.value, right.value))
            except ValueFault as fault:
                raise self.error(str(fault), node) from fault
        return Calculated(operator, left, right)

    # Paths

    def _path(self, node: tree.Path) -> Expression:
        context, segments = self.context_of(node)
        name = ".".join(segment.name for segment in segments)
        known = self.context.paths[context].get(name)
        if known is None:
            raise self.unknown_path(node, context, name)
        for segment in segments[:-1]:
            if segment.keys:
                raise self.error(f"{segment.name} has no keys here", segment.keys[0])
        keys = segments[-1].keys
        constants = [self.key(key) for key in keys]
        return self._read(node, known, LEVELS[context], constants, keys)

    def context_of(self, node: tree.Path) -> tuple[str, tuple[tree.Segment, ...]]:
        """The context of a path, and the path below it."""
        first = node.segments[0]
        if len(node.segments) > 1 and first.name in self.context.paths and not first.keys:
            return first.name, node.segments[1:]
        if self._prefixed:
            own = self.context.name
            raise self.error(f"paths begin with their context here: {own}.{node.text}", node)
        return self.context.name, node.segments

    def unknown_path(self, node: tree.Path, context: str, name: str) -> OttlError:
        """The error for a path that a context does not have."""
        if name == "cache":
            return self.error("there is no cache here; set an attribute, and delete it at last", node)
        prefix = "" if context == self.context.name else f"{context}."
        others = [f"{one}.{path}" for one, paths in self.context.paths.items() for path in paths if one != context]
        paths = [f"{prefix}{path}" for path in self.context.paths[context]]
        hint = nearest(f"{prefix}{name}", paths if prefix or name.partition(".")[0] not in LEVELS else paths + others)
        return self.error(f"the context {self.context.name} has no path {node.text} here{hint}", node)

    def key(self, node: tree.Node) -> Any:
        """A key of a path."""
        value = self.value(node)
        if not isinstance(value, Constant) or type(value.value) not in (str, int):
            raise self.error("a key is a constant text or integer here", node)
        return value.value

    def _read(
        self, node: tree.Path, known: Known, level: Any, keys: list[Any], nodes: tuple[tree.Node, ...]
    ) -> Expression:
        column, reader = known.column, known.reader
        if known.keyed:
            if not keys or not isinstance(keys[0], str) or not keys[0]:
                where = nodes[0] if nodes else node
                raise self.error(f'{node.text} needs a key that is a text: {node.text}["http.route"]', where)
            column += keys.pop(0)
        self.reads.update(dict.fromkeys((column, *reader.needs)))
        expression: Expression = Column(level, column, reader)
        if known.then is not None:
            expression = Mapped(known.then, [expression], known.kind)
        if not keys:
            return expression
        if known.with_key is not None and len(keys) == 1 and isinstance(keys[0], str):
            function, key = known.with_key, keys[0]
            return Mapped(lambda value: function(value, key), [expression], str)
        if not known.keyed and not known.indexed:
            raise self.error(f"{node.text} has no keys like these", nodes[0])
        return Mapped(_descent(keys, known.keyed), [expression], None)

    # Calls

    def _call(self, node: tree.Call) -> Expression | Constant:
        special = ITEM_FUNCTIONS.get(node.name)
        if special is not None:
            result: Expression | Constant = self._item_function(node, special)
        else:
            function = FUNCTIONS.get(node.name)
            if function is None:
                hint = nearest(node.name, [*FUNCTIONS, *ITEM_FUNCTIONS])
                raise self.error(f"there is no function {node.name} here{hint}", node, len(node.name))
            result = self._function(node, function)
        for key_node in node.keys:
            key = self.key(key_node)
            result = self._applied(key_node, _strict(key), result)
        return result

    def _item_function(self, node: tree.Call, function: ItemFunction) -> Expression:
        if function.contexts and self.context.name not in function.contexts:
            where = ", ".join(function.contexts)
            raise self.error(f"{node.name} works in the context {where}, not in {self.context.name}", node)
        parameters = tuple(Parameter(name, _text_constant, constant=True) for name in function.parameters)
        values = [value for _, value in self.bound(node, parameters)]
        if values and not values[0].value:
            raise self.error("an attribute key is not empty", node)
        reads, expression = function.build(*(one.value for one in values))
        self.reads.update(dict.fromkeys(reads))
        return expression

    def _function(self, node: tree.Call, function: Function) -> Expression | Constant:
        bound = self.bound(node, function.parameters)
        call = function.call
        if function.make is not None:
            call = self._made(node, function, bound)
            bound = [one for one in bound if not one[0].constant]
        assert call is not None  # noqa: S101 - a function has one or makes one
        template = [one.value if isinstance(one, Constant) else REQUIRED for _, one in bound]
        open_gets = [parameter.get for parameter, one in bound if not isinstance(one, Constant)]
        expressions = [one for _, one in bound if isinstance(one, Expression)]

        def apply(*values: Any) -> Any:
            got = iter([get(value) for get, value in zip(open_gets, values, strict=True)])
            return call(*(next(got) if one is REQUIRED else one for one in template))

        if expressions:
            return Mapped(apply, expressions, function.kind)
        try:
            return Constant(apply())
        except ValueFault as fault:
            raise self.error(str(fault), node) from fault

    def _made(self, node: tree.Call, function: Function, bound: list[tuple[Parameter, Any]]) -> Callable[..., Any]:
        assert function.make is not None  # noqa: S101 - the caller has looked
        position = next(i for i, (parameter, _) in enumerate(bound) if parameter.constant)
        argument = self._argument_node(node, function.parameters[position].name, position)
        try:
            return function.make(*(one.value for parameter, one in bound if parameter.constant))
        except RegexError as error:
            raw = self._text[argument.start : argument.end]
            if raw[:1] != '"' or "\\" in raw:  # escapes have moved the places
                raise self.error(str(error), argument) from error
            at = argument.start + 1 + error.offset
            raise OttlError(str(error), self._text, at, at + 1) from error
        except ValueFault as fault:
            raise self.error(str(fault), argument) from fault

    def _argument_node(self, node: tree.Call, name: str, position: int) -> tree.Node:
        named = [argument.value for argument in node.arguments if argument.name == name]
        return named[0] if named else node.arguments[position].value

    def bound(self, node: tree.Call, parameters: tuple[Parameter, ...]) -> list[tuple[Parameter, Any]]:
        """Each parameter with its argument, constants already turned into what the function takes."""
        names = [parameter.name for parameter in parameters]
        given: dict[str, tree.Node] = {}
        for position, argument in enumerate(node.arguments):
            name = argument.name
            if not name:
                if len(given) != position or any(one.name for one in node.arguments[:position]):
                    raise self.error("arguments with names stand behind those without", argument)
                if position >= len(names):
                    raise self.error(f"{node.name} takes {_counted(parameters)}", argument)
                name = names[position]
            if name not in names or name in given:
                raise self.error(f"{node.name} has no argument {name}{nearest(name, names)}", argument)
            given[name] = argument.value
        bound = []
        for parameter in parameters:
            if parameter.name in given:
                bound.append((parameter, self._argument(node, parameter, given[parameter.name])))
            elif parameter.default is not REQUIRED:
                bound.append((parameter, Constant(parameter.default)))
            else:
                raise self.error(f"{node.name} takes {_counted(parameters)}; {parameter.name} is missing", node)
        return bound

    def _argument(self, call: tree.Call, parameter: Parameter, node: tree.Node) -> Expression | Constant:
        value = self.value(node)
        if isinstance(value, Constant):
            try:
                return Constant(parameter.get(value.value))
            except ValueFault as fault:
                raise self.error(f"{parameter.name} of {call.name}: {fault}", node) from fault
        if parameter.constant:
            raise self.error(f"{parameter.name} of {call.name} must be a constant", node)
        if value.kind in parameter.refuses:
            remedy = f"; write {node.text}.string" if value.kind is Identifier and isinstance(node, tree.Path) else ""
            what = f"{parameter.name} of {call.name} cannot be {named(value.kind)}{remedy}"
            raise self.error(what, node)
        return value

    def error(self, what: str, node: tree.Node, length: int = 0) -> OttlError:
        """At a node, or at its first characters."""
        return OttlError(what, self._text, node.start, node.start + length if length else node.end)


def _text_constant(value: Any) -> str:
    if not isinstance(value, str):
        raise ValueFault("expected a text")
    return value


def _counted(parameters: tuple[Parameter, ...]) -> str:
    names = ", ".join(parameter.name for parameter in parameters)
    return f"the arguments {names}" if names else "no arguments"


def _descent(keys: list[Any], keyed: bool) -> Callable[[Any], Any]:
    """Look into a value with keys from a path; what is missing on the way is nil."""

    def look(value: Any) -> Any:
        for depth, key in enumerate(keys):
            if value is None and (depth or keyed):
                return None
            value = look_into(value, key, strict=False)
        return value

    return look


def _strict(key: Any) -> Callable[[Any], Any]:
    return lambda value: look_into(value, key, strict=True)
