"""What compares how: LANGUAGE.md's table, and the pairs that the Collector's own tests have."""

from __future__ import annotations

from typing import Any

import pytest

from pipeline.ottl.functions import add, negate, parse_duration
from pipeline.ottl.values import Duration, Identifier, Time, ValueFault, body_text, compare, go_json, text_of

OPERATORS = ("==", "!=", "<", "<=", ">=", ">")
NOT_EQUAL = (False, True, False, False, False, False)
EQUAL = (True, False, False, True, True, False)
LESS = (False, True, True, True, False, False)
GREATER = (False, True, False, False, True, True)


@pytest.mark.parametrize(
    ("left", "right", "expected"),
    [
        # numbers
        (1, 1, EQUAL),
        (1, 2, LESS),
        (2, 1.5, GREATER),
        (1.0, 1, EQUAL),
        (float("nan"), float("nan"), NOT_EQUAL),
        (2**53 + 1, 2.0**53, EQUAL),  # compared as doubles
        (2**53 + 1, 2**53, GREATER),
        # texts, booleans, bytes
        ("a", "b", LESS),
        ("é", "z", GREATER),
        (False, True, LESS),
        (True, True, EQUAL),
        (b"\x01\x02", b"\x01\x03", LESS),
        # what has no order
        ([1, "a"], [1, "a"], (True, False, False, False, False, False)),
        ([1], [1.0], NOT_EQUAL),
        ({"a": 1}, {"a": True}, NOT_EQUAL),
        (Identifier(b"a" * 8), Identifier(b"a" * 8), (True, False, False, False, False, False)),
        # times
        (Time(1), Time(2), LESS),
        (Duration(2), Duration(1), GREATER),
        (Time(1), Duration(1), NOT_EQUAL),
        # different types
        (1, "1", NOT_EQUAL),
        (1, True, NOT_EQUAL),
        (0, None, NOT_EQUAL),
        ("", None, NOT_EQUAL),
        (Identifier(bytes(8)), None, NOT_EQUAL),
        (Identifier(b"a" * 8), b"a" * 8, NOT_EQUAL),
        ([], None, NOT_EQUAL),
        (Time(1), 1, NOT_EQUAL),
        # nil
        (None, None, EQUAL),
        (b"", None, EQUAL),
        (b"", b"", EQUAL),
    ],
)
def test_values_compare_as_in_the_language(left: Any, right: Any, expected: tuple[bool, ...]) -> None:
    assert tuple(compare(op, left, right) for op in OPERATORS) == expected
    swapped: dict[tuple[bool, ...], tuple[bool, ...]] = {LESS: GREATER, GREATER: LESS}
    mirrored = swapped.get(expected, expected)
    assert tuple(compare(op, right, left) for op in OPERATORS) == mirrored


@pytest.mark.parametrize(
    ("operator", "left", "right", "expected"),
    [
        ("+", 2**63 - 1, 1, -(2**63)),
        ("/", -7, 2, -3),
        ("/", -(2**63), -1, -(2**63)),
        ("/", 7, 2.0, 3.5),
        ("-", 1, 0.5, 0.5),
        ("*", 3, 4, 12),
        ("-", Time(5), Time(7), Duration(-2)),
        ("+", Time(5), Duration(7), Time(12)),
        ("+", Duration(5), Time(7), Time(12)),
        ("-", Duration(5), Duration(7), Duration(-2)),
        ("-", Time(-(2**63)), Time(2**63 - 1), Duration(-(2**63))),
    ],
)
def test_arithmetic_is_that_of_go(operator: str, left: Any, right: Any, expected: Any) -> None:
    result = add(operator, left, right)
    assert (type(result), result) == (type(expected), expected)


@pytest.mark.parametrize(
    ("operator", "left", "right"),
    [
        ("/", 1, 0),
        ("/", 1.0, 0.0),
        ("+", "a", "b"),
        ("+", None, 1),
        ("+", True, 1),
        ("*", Duration(1), 2),
        ("-", Duration(1), Time(1)),
        ("+", Time(1), Time(1)),
    ],
)
def test_what_cannot_be_worked_out_is_a_fault(operator: str, left: Any, right: Any) -> None:
    with pytest.raises(ValueFault):
        add(operator, left, right)


def test_only_numbers_have_a_sign() -> None:
    assert negate(-(2**63)) == -(2**63)
    assert negate(1.5) == -1.5
    with pytest.raises(ValueFault):
        negate(True)


def test_json_is_that_of_go() -> None:
    assert go_json({"z": [1, 1.0, None, True], "a": "<&>", "b": b"hi"}) == (
        '{"a":"\\u003c\\u0026\\u003e","b":"aGk=","z":[1,1,null,true]}'
    )
    assert go_json(1e-7) == "1e-7"
    with pytest.raises(ValueFault):
        go_json([float("inf")])


def test_texts_of_values() -> None:
    assert [text_of(value) for value in (None, "a", 5, 2.0, True, b"\xab")] == [None, "a", "5", "2", "true", "ab"]
    assert [body_text(value) for value in (None, "a", 5, 2.0, True, b"\xab", [1])] == [
        "", "a", "5", "2", "true", "qw==", "[1]",
    ]  # fmt: skip
    with pytest.raises(ValueFault):
        text_of(Time(1))


@pytest.mark.parametrize(
    ("text", "nanoseconds"),
    [("1s", 10**9), ("1h30m", 5400 * 10**9), ("-1.5ms", -1_500_000), ("2us3ns", 2003), ("0", 0), (".5s", 5 * 10**8)],
)
def test_durations_are_exact(text: str, nanoseconds: int) -> None:
    assert parse_duration(text) == Duration(nanoseconds)


@pytest.mark.parametrize("text", ["", "1", "s", "1 s", "1x", "1s5", "--1s", "9999999999h", "."])
def test_what_is_no_duration_is_a_fault(text: str) -> None:
    with pytest.raises(ValueFault):
        parse_duration(text)
