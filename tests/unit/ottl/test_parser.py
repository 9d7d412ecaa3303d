"""The grammar: what binds to what, and what is said about what it does not take."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.errors import ConfigError
from pipeline.ottl import CONTEXTS, OttlError, compile_condition
from pipeline.ottl.parser import MAX_LENGTH, MAX_NESTING, parse
from pipeline.ottl.strings import unquote
from pipeline.ottl.tree import Node


def shape(node: Any) -> Any:
    """A tree without its places."""
    if isinstance(node, Node):
        values = [shape(getattr(node, field.name)) for field in dataclasses.fields(node)][2:]
        return type(node).__name__, *values
    return tuple(map(shape, node)) if isinstance(node, tuple) else node


@pytest.mark.parametrize(
    ("text", "same"),
    [
        ("a == 1 or b == 2 and c == 3", "a == 1 or (b == 2 and c == 3)"),
        ("not a == 1 and b == 2", "(not a == 1) and b == 2"),
        ("a == 1 and not b == 2 or c == 3", "(a == 1 and (not b == 2)) or c == 3"),
        ("1 + 2 * 3 == 4", "1 + (2 * 3) == 4"),
        ("-a * 2 == 4", "(-a) * 2 == 4"),
        ("1 - 2 - 3 == 4", "(1 - 2) - 3 == 4"),
        ("a == 1 and b == 2 and c == 3", "a == 1 and (b == 2) and c == 3"),
    ],
)
def test_precedence_is_that_of_the_language(text: str, same: str) -> None:
    def without_groups(node: Any) -> Any:
        if isinstance(node, tuple) and node and node[0] == "Group":
            return without_groups(node[1])
        if isinstance(node, tuple) and node and node[0] == "Arithmetic":
            first, rest = without_groups(node[1]), without_groups(node[2])
            if first[0] == "Arithmetic" and {op for op, _ in first[2]} <= {"+", "-"} >= {op for op, _ in rest}:
                return "Arithmetic", first[1], (*first[2], *rest)
            return "Arithmetic", first, rest
        return tuple(map(without_groups, node)) if isinstance(node, tuple) else node

    assert without_groups(shape(parse(text))) == without_groups(shape(parse(same)))


@pytest.mark.parametrize(
    ("text", "what", "at"),
    [
        ("name ==", "expected a value, found the end of the condition", 7),
        ("", "expected a value, found the end of the condition", 0),
        ("name == 'a'", "strings stand in double quotes", 8),
        ('name = "a"', 'equality is written "=="', 5),
        ('name == "a" && kind == 1', 'write "and"', 12),
        ('name == "a" || kind == 1', 'write "or"', 12),
        ('!(name == "a")', 'write "not"', 0),
        ('(name == "a"', 'expected ")", found the end of the condition', 12),
        ('name == "a")', 'found ")"', 11),
        ('isMatch(name, "a")', "functions begin with a capital letter", 2),
        ('match(name, "a") == true', "functions begin with a capital letter", 5),
        ("a == b == c", 'found "=="', 7),
        ("not not a == 1", 'found "not"', 4),
        ('name == "a', "the string is not closed", 8),
        (r'IsMatch(name, "\d+")', r'is no escape of strings; a backslash itself is written twice: "\\d"', 15),
        ('name == "a\nb"', "strings end on the line on which they begin", 10),
        ("a == 9223372036854775808", "integers have 64 bits", 5),
        ("0xabc == a", "this number of digits is odd", 0),
        ("name == $a", "a dollar sign can only stand inside a string", 8),
        ("attributes[] == 1", 'found "]"', 11),
        ("a == [1, 2", 'expected "]"', 10),
    ],
)
def test_a_mistake_is_shown_at_its_place_with_a_remedy(text: str, what: str, at: int) -> None:
    with pytest.raises(OttlError) as caught:
        parse(text)
    assert what in str(caught.value)
    assert caught.value.start == at


def test_the_caret_stands_below_the_mistake() -> None:
    with pytest.raises(OttlError) as caught:
        parse('name == "a" and\nkind = 1 and true')
    assert str(caught.value).splitlines()[1:] == ["    kind = 1 and true", "         ^"]


def test_a_long_line_is_cut_around_the_mistake() -> None:
    text = 'name == "' + "a" * 400 + '" && kind == 1 or ' + "x" * 400
    with pytest.raises(OttlError) as caught:
        parse(text)
    _, shown, caret = str(caught.value).splitlines()
    assert len(shown) < 140
    assert shown[caret.index("^")] == "&"


def test_length_and_nesting_have_limits() -> None:
    depth = MAX_NESTING
    parse("(" * depth + "true" + ")" * depth)
    for text in ("(" * (depth + 1) + "true" + ")" * (depth + 1), "not (" * 5000 + "true" + ")" * 5000):
        with pytest.raises(OttlError, match="levels of parentheses"):
            parse(text[:MAX_LENGTH])
    with pytest.raises(OttlError, match="at most"):
        parse("true or " * MAX_LENGTH + "true")


def test_escapes_are_those_of_go() -> None:
    assert unquote(r'"\a\b\f\n\r\t\v\\\"\x41\101\u00e9\U0001F600"') == '\a\b\f\n\r\t\v\\"AAé😀'
    assert unquote(r'"\xc3\xa9"') == "é"
    for bad in (r'"\q"', r'"\x4"', r'"\400"', r'"\ud800"', r'"\U00110000"', r'"\'"'):
        with pytest.raises(ValueError, match="escape"):
            unquote(bad)


WORDS = st.sampled_from(
    [
        "name",
        "kind",
        "attributes",
        '["a"]',
        "[0]",
        "==",
        "<",
        "and",
        "or",
        "not",
        "(",
        ")",
        "{",
        "}",
        ":",
        ",",
        ".",
        "=",
        "IsMatch(",
        '"x"',
        '"("',
        '"\\q"',
        "1",
        "2.5",
        "0xab",
        "nil",
        "true",
        "-",
        "+",
        "*",
        "/",
        "SPAN_KIND_SERVER",
        "Duration(",
        "Concat([",
        "body",
        "Substring(",
        "#",
        "'",
        "metric.name",
        "TraceID(",
        "é",
        "\n",
    ]
)
TEXTS = st.one_of(st.lists(WORDS, max_size=12).map(" ".join), st.lists(WORDS, max_size=12).map("".join), st.text())


@settings(max_examples=800, deadline=None)
@given(TEXTS, st.sampled_from(sorted(CONTEXTS)))
def test_any_text_compiles_or_is_refused_at_a_place_in_it(text: str, context: str) -> None:
    found = None
    try:
        condition = compile_condition(text, context)
    except ConfigError as error:
        found = error
    if found is None:
        assert condition.context == context
        return
    assert isinstance(found, OttlError)
    assert 0 <= found.start <= len(text)
    assert "^" in str(found)
