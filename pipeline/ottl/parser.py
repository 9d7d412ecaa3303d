"""Text of a condition or a statement → tree.

The grammar is ``ottl.lark``; here its matches become nodes, and its complaints errors that a person can act on.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from importlib.resources import files
from typing import Any

from lark import Lark, Token, Transformer, v_args
from lark.exceptions import UnexpectedCharacters, UnexpectedToken, VisitError

from pipeline.ottl import tree
from pipeline.ottl.errors import OttlError
from pipeline.ottl.strings import BadEscapeError, unquote

MAX_LENGTH = 10_000
"""Characters of a condition or a statement."""
MAX_NESTING = 50
"""Levels of parentheses, brackets and braces."""

_OPENING, _CLOSING = {"LPAR", "LSQB", "LBRACE"}, {"RPAR", "RSQB", "RBRACE"}
_CONSTANTS = {"NIL": None, "TRUE": True, "FALSE": False}
_INT64 = 1 << 63
_EXPECTED = (
    ("STRING", "a value"),
    ("OPERATOR", "a comparison (== != < <= > >=)"),
    ("AND", '"and" or "or"'),
    ("RPAR", '")"'),
    ("RSQB", '"]"'),
    ("RBRACE", '"}"'),
    ("COLON", '":"'),
    ("NAME", "a name"),
    ("LPAR", '"("'),
)
"""Terminal of the grammar → what a person would call it; told in this order."""
_REMEDIES = {
    "&": 'write "and"',
    "|": 'write "or"',
    "!": 'write "not"',
    "'": "strings stand in double quotes",
    "=": 'equality is written "=="',
    '"': "the string is not closed",
    "$": "a dollar sign can only stand inside a string",
}
"""First character of what cannot be read → what to do."""


class _BadLiteralError(Exception):
    """A literal that the grammar takes and its meaning does not."""

    def __init__(self, what: str, start: int, end: int) -> None:
        super().__init__(what)
        self.place = start, end


class _Nesting:
    """Refuses what is nested too deeply, so that nobody who walks the tree needs to count."""

    always_accept = ()

    def process(self, stream: Iterator[Token]) -> Iterator[Token]:
        """The tokens as they are."""
        depth = 0
        for token in stream:
            if token.type in _OPENING:
                depth += 1
                if depth > MAX_NESTING:
                    raise _BadLiteralError(f"more than {MAX_NESTING} levels of parentheses", *_place(token))
            elif token.type in _CLOSING:
                depth -= 1
            yield token


def _place(token: Token) -> tuple[int, int]:
    start = token.start_pos or 0
    return start, start + len(token)


@v_args(meta=True)
class _Nodes(Transformer[Token, Any]):
    """Matches of the grammar's rules, from the inside out."""

    def start(self, _: Any, children: list[Any]) -> tree.Node:
        node: tree.Node = children[0]
        return node

    def statement(self, meta: Any, children: list[Any]) -> tree.Statement:
        name: Token = children[0]
        arguments = tuple(child for child in children[1:] if isinstance(child, tree.Argument))
        where = children[-1] if not isinstance(children[-1], (Token, tree.Argument)) else None
        start, end = _place(name)
        end = arguments[-1].end if arguments else end
        editor = tree.Call(start, end, str(name), arguments, ())
        return tree.Statement(meta.start_pos, meta.end_pos, editor, where)

    def disjunction(self, meta: Any, children: list[Any]) -> tree.Node:
        return tree.Or(meta.start_pos, meta.end_pos, tuple(children))

    def conjunction(self, meta: Any, children: list[Any]) -> tree.Node:
        return tree.And(meta.start_pos, meta.end_pos, tuple(children))

    def negated(self, meta: Any, children: list[Any]) -> tree.Node:
        return tree.Not(meta.start_pos, meta.end_pos, children[1])

    def comparison(self, meta: Any, children: list[Any]) -> tree.Node:
        left, operator, right = children
        return tree.Comparison(meta.start_pos, meta.end_pos, str(operator), left, right)

    def total(self, meta: Any, children: list[Any]) -> tree.Node:
        rest = tuple((str(one), other) for one, other in zip(children[1::2], children[2::2], strict=True))
        return tree.Arithmetic(meta.start_pos, meta.end_pos, children[0], rest)

    product = total

    def sign(self, meta: Any, children: list[Any]) -> tree.Node:
        operator, operand = children
        return tree.Sign(meta.start_pos, meta.end_pos, str(operator), operand)

    def group(self, meta: Any, children: list[Any]) -> tree.Node:
        return tree.Group(meta.start_pos, meta.end_pos, children[0])

    def literal(self, _: Any, children: list[Any]) -> tree.Node:
        token: Token = children[0]
        start, end = _place(token)
        if token.type == "SYMBOL":
            return tree.Enum(start, end, str(token))
        return tree.Literal(start, end, _literal(token, start, end))

    def path(self, meta: Any, children: list[Any]) -> tree.Node:
        return tree.Path(meta.start_pos, meta.end_pos, tuple(children))

    def segment(self, meta: Any, children: list[Any]) -> tree.Node:
        return tree.Segment(meta.start_pos, meta.end_pos, str(children[0]), tuple(children[1:]))

    def key(self, _: Any, children: list[Any]) -> tree.Node:
        node: tree.Node = children[0]
        return node

    def call(self, meta: Any, children: list[Any]) -> tree.Node:
        arguments = tuple(child for child in children[1:] if isinstance(child, tree.Argument))
        keys = tuple(child for child in children[1:] if not isinstance(child, tree.Argument))
        return tree.Call(meta.start_pos, meta.end_pos, str(children[0]), arguments, keys)

    def argument(self, meta: Any, children: list[Any]) -> tree.Node:
        name = str(children[0]) if len(children) > 1 else ""
        return tree.Argument(meta.start_pos, meta.end_pos, name, children[-1])

    def items(self, meta: Any, children: list[Any]) -> tree.Node:
        return tree.Items(meta.start_pos, meta.end_pos, tuple(children))

    def map(self, meta: Any, children: list[Any]) -> tree.Node:
        return tree.Map(meta.start_pos, meta.end_pos, tuple(children))

    def entry(self, _: Any, children: list[Any]) -> tuple[str, tree.Node]:
        token, value = children
        return str(_literal(token, *_place(token))), value


def _literal(token: Token, start: int, end: int) -> Any:
    match token.type:
        case "STRING":
            try:
                return unquote(token)
            except BadEscapeError as error:
                raise _BadLiteralError(str(error), start + error.offset, start + error.offset + 2) from error
        case "INT":
            value = int(token)
            if value >= _INT64:
                raise _BadLiteralError("integers have 64 bits", start, end)
            return value
        case "FLOAT":
            return float(token)
        case "BYTES":
            if len(token) % 2:
                raise _BadLiteralError("two hexadecimal digits make a byte; this number of digits is odd", start, end)
            return bytes.fromhex(token[2:])
    return _CONSTANTS[token.type]


@cache
def _lark() -> Lark:
    return Lark(
        files("pipeline.ottl").joinpath("ottl.lark").read_text(),
        parser="lalr",
        start=["start", "statement"],
        lexer="basic",
        propagate_positions=True,
        maybe_placeholders=False,
        postlex=_Nesting(),
    )


def parse(text: str) -> tree.Node:
    """The tree of a condition.

    >>> parse("kind == 1").left.text
    'kind'

    Raises:
        OttlError: It is no OTTL; the message shows the place, what was found and what may stand there.
    """
    return _parsed(text, "start", "condition")


def parse_statement(text: str) -> tree.Statement:
    """The tree of a statement.

    >>> parse_statement('set(name, "x") where kind == 1').editor.name
    'set'

    Raises:
        OttlError: As ``parse``.
    """
    node = _parsed(text, "statement", "statement")
    assert isinstance(node, tree.Statement)  # noqa: S101 - what the rule gives
    return node


def _parsed(text: str, rule: str, what: str) -> tree.Node:
    if len(text) > MAX_LENGTH:
        raise OttlError(f"a {what} has at most {MAX_LENGTH} characters", text, MAX_LENGTH, MAX_LENGTH)
    try:
        node: tree.Node = _Nodes().transform(_lark().parse(text, rule))
    except UnexpectedCharacters as error:
        start = error.pos_in_stream or 0
        found = text[start : start + 1]
        remedy = _REMEDIES.get(found, "there is no such character in OTTL")
        raise OttlError(f"cannot read {found!r}: {remedy}", text, start, start + 1) from None
    except UnexpectedToken as error:
        raise _unexpected(error, text, what) from None
    except VisitError as error:
        if isinstance(error.orig_exc, _BadLiteralError):
            raise OttlError(str(error.orig_exc), text, *error.orig_exc.place) from None
        raise
    except _BadLiteralError as error:
        raise OttlError(str(error), text, *error.place) from None
    return node


def _unexpected(error: UnexpectedToken, text: str, what: str) -> OttlError:
    token = error.token
    wanted = {name for name in error.accepts or error.expected if not name.startswith("__")}
    names = [name for terminal, name in _EXPECTED if terminal in wanted] or [f"the end of the {what}"]
    expected = names[0] if "STRING" in wanted else ", ".join(names[:3])
    if token.type == "$END":
        end = len(text.rstrip())
        return OttlError(f"expected {expected}, found the end of the {what}", text, end, end + 1)
    start, end = _place(token)
    remedy = _REMEDIES.get(token, "")
    before = text[:start].rstrip()
    if (token.type == "LPAR" and before[-1:].isalnum()) or (token.type == "SYMBOL" and before == text[:start]):
        remedy = "functions begin with a capital letter, and names of paths have none"
    problem = f'expected {expected}, found "{token}"'
    return OttlError(f"{problem}; {remedy}" if remedy else problem, text, start, end)
