"""W3C tracestate and OpenTelemetry's part of it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from processors.tracestate import ONE, TraceState, parse, threshold_text

MEMBERS = ",".join(f"k{n}=v" for n in range(32))


@pytest.mark.parametrize(
    ("text", "state"),
    [
        ("", TraceState()),
        ("a=1,\tb=2 , ,c=3", TraceState(others=("a=1", "b=2", "c=3"))),
        ("v=1,ot=rv:00000000000001;p:1;th:0", TraceState(0, 1, True, ("p:1",), ("v=1",))),
        ("ot=th:8;x:,t1@sys=a b", TraceState(ONE // 2, None, True, ("x:",), ("t1@sys=a b",))),
        ("ot=th:8;th:c", TraceState(3 * ONE // 4)),
        (MEMBERS, TraceState(others=tuple(MEMBERS.split(",")))),
        ("_-=" + "v" * 256, None),
        ("k=" + "v" * 256, TraceState(others=("k=" + "v" * 256,))),
    ],
)
def test_what_a_tracestate_says(text: str, state: TraceState | None) -> None:
    if state is None:
        assert not parse(text).is_valid
    else:
        assert parse(text) == state


@pytest.mark.parametrize(
    "text",
    [
        *("a", "=", "a=", "A=1", "a=b=c", "a=b,c", "a=é", "k=" + "v" * 257, "k" * 257 + "=v", "t@system-too-long1=v"),
        *(
            "ot=",
            "ot=th",
            "ot=th:",
            "ot=th:8;",
            "ot=th:g",
            "ot=th:123456789012345",
            "ot=rv:1",
            "ot=th:8;;x:1",
            "ot=A:1",
        ),
        *("ot=x:" + "y" * 255, f"{MEMBERS},one-more=v", "k=" + "v" * 200 + "," + "l=" + "v" * 1000),
    ],
)
def test_malformed_ones_are_noticed(text: str) -> None:
    assert not parse(text).is_valid


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("", "ot=th:c"),
        ("a=1, ot=p:1;th:8 ,b=2", "ot=th:c;p:1,a=1,b=2"),
        ("ot=th:8;rv:ffffffffffffff", "ot=rv:ffffffffffffff;th:c"),
        (MEMBERS, "ot=th:c," + MEMBERS.removesuffix(",k31=v")),
    ],
)
def test_a_threshold_is_written_in_front_and_all_else_is_kept(before: str, after: str) -> None:
    assert parse(before)._replace(threshold=3 * ONE // 4).text() == after


@given(st.integers(0, ONE - 1), st.none() | st.integers(0, ONE - 1))
def test_what_is_written_is_read_again(threshold: int, randomness: int | None) -> None:
    state = TraceState(threshold, randomness, True, ("p:1",), ("v=1",))
    assert parse(state.text()) == state
    assert threshold_text(threshold) == "0" or not threshold_text(threshold).endswith("0")
