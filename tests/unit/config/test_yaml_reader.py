"""YAML with line numbers."""

import math

import pytest

from pipeline.config.node import Node
from pipeline.config.yaml_reader import read_yaml, resolve_scalar
from pipeline.errors import ConfigError


def problems_of(text: str) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        read_yaml(text, "x.yaml")
    return caught.value.problems


def line_of(node: Node, *path: str | int) -> int:
    return node.nearest(path).mark.line


def test_every_value_knows_the_line_of_its_key() -> None:
    node = read_yaml("a:\n  b: 1\n  c:\n    - x\n    - y\n", "x.yaml")
    assert [line_of(node, "a"), line_of(node, "a", "b"), line_of(node, "a", "c"), line_of(node, "a", "c", 1)] == [
        1,
        2,
        3,
        5,
    ]
    assert node.plain() == {"a": {"b": 1, "c": ["x", "y"]}}


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("", None),
        ("null", None),
        ("true", True),
        ("FALSE", False),
        ("yes", "yes"),
        ("on", "on"),
        ("12", 12),
        ("-3", -3),
        ("0x1F", 31),
        ("0o17", 15),
        ("1e3", 1000.0),
        (".5", 0.5),
        ("1:30", "1:30"),
        ("2026-01-01", "2026-01-01"),
        ("127.0.0.1:4317", "127.0.0.1:4317"),
        (".inf", math.inf),
        ("-.Inf", -math.inf),
        ("9" * 200, float("9" * 200)),
    ],
)
def test_plain_scalars_follow_the_core_schema(text: str, value: object) -> None:
    assert resolve_scalar(text) == value
    assert type(resolve_scalar(text)) is type(value)


def test_quoted_scalars_are_strings() -> None:
    assert read_yaml("a: '12'\nb: \"true\"\nc: |\n  3\n", "x").plain() == {"a": "12", "b": "true", "c": "3\n"}


def test_tags_decide_the_type() -> None:
    assert read_yaml("a: !!str 12\nb: !!float 1\n", "x").plain() == {"a": "12", "b": 1.0}
    assert problems_of("a: !!int abc\nb: !!python/object:os.system x\n") == [
        "x.yaml:1: 'abc' is not a int",
        "x.yaml:2: YAML tag tag:yaml.org,2002:python/object:os.system is not supported",
    ]


def test_all_duplicate_keys_are_told_with_both_lines() -> None:
    assert problems_of("a: 1\nb:\n  c: 1\n  c: 2\na: 2\n") == [
        "x.yaml:4: key 'c' is already given at line 3",
        "x.yaml:5: key 'a' is already given at line 1",
    ]


def test_aliases_and_merge_keys_are_expanded() -> None:
    text = "base: &b {x: 1, y: 2}\ncopy: *b\nmore:\n  <<: *b\n  y: 3\n"
    assert read_yaml(text, "x").plain() == {
        "base": {"x": 1, "y": 2},
        "copy": {"x": 1, "y": 2},
        "more": {"x": 1, "y": 3},
    }


def test_a_billion_laughs_end_at_the_bound() -> None:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 10)}]" for i in range(1, 10)]
    assert "more than 100000 values once aliases are expanded" in problems_of("\n".join(lines))[0]


def test_an_alias_inside_its_own_anchor_is_an_error() -> None:
    assert problems_of("a: &a\n  b: *a\n") == ["x.yaml:2: alias *a names no anchor that is complete here"]


@pytest.mark.parametrize("text", ["[" * 5000, "{a: " * 5000, "a: [1, 2", "a: b: c", "\tx: 1", "a: 'x", "%x", "a: \x00"])
def test_what_is_not_yaml_is_one_documented_error(text: str) -> None:
    assert problems_of(text)[0].startswith("x.yaml")


def test_a_syntax_error_names_its_line() -> None:
    assert problems_of("a: 1\nb: [1, 2\nc: 3\n")[0].startswith("x.yaml:3: not valid YAML:")


def test_a_second_document_is_an_error() -> None:
    assert "second document" in problems_of("a: 1\n---\nb: 2\n")[0]


def test_keys_must_be_words() -> None:
    assert "a key must be a plain word" in problems_of("[1, 2]: x\n")[0]
