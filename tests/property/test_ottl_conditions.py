"""Compiled conditions against the oracle: the same verdict in every row, and the same rows without one."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import assume, event, given, settings
from hypothesis import strategies as st

from pipeline.codec.signals import projection
from pipeline.ottl import Condition, OttlError, Tables, Truth, compile_condition, decide, decision
from tests.kernels import MODES, uncompiled
from tests.oracles import ottl
from tests.property.ottl_cases import SIGNALS, conditions, requests, simple_conditions

KERNELS = {"compiled": decide, "uncompiled": uncompiled("pipeline.ottl.decide")}


def compiled(text: str, context: str) -> Condition:
    """The condition, or another example where a function is given what it is known never to take."""
    try:
        return compile_condition(text, context)
    except OttlError as error:
        event("refused")
        assume(not any(part in error.what for part in ("cannot be a", "of type", "cannot become", "has no")))
        raise


def verdicts(truth: Truth) -> list[bool | None]:
    failed = np.zeros(len(truth.hits), bool) if truth.failed is None else truth.failed
    assert not (truth.hits & failed).any()
    return [None if one else hit for hit, one in zip(truth.hits.tolist(), failed.tolist(), strict=True)]


@pytest.mark.parametrize("context", SIGNALS)
def test_conditions_say_of_every_row_what_the_oracle_says(context: str) -> None:
    @settings(max_examples=200, deadline=None)
    @given(conditions(context), requests[SIGNALS[context]])
    def check(condition: ottl.Written, request: Any) -> None:
        ready = compiled(condition.text, context)
        batch, rejected = projection(SIGNALS[context], ready.reads).decode(request.SerializeToString())
        assume(not rejected)
        assert verdicts(ready.evaluate(Tables(batch, 0))) == ottl.verdicts(condition, context, request)

    check()


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("context", ["span", "spanevent", "datapoint", "log"])
def test_simple_comparisons_are_decided_alike_by_compiled_and_by_plain_code(
    mode: str, context: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(decision, "decide", KERNELS[mode].decide)

    @settings(max_examples=100, deadline=None)
    @given(simple_conditions(context), requests[SIGNALS[context]])
    def check(condition: ottl.Written, request: Any) -> None:
        ready = compile_condition(condition.text, context)
        batch, rejected = projection(SIGNALS[context], ready.reads).decode(request.SerializeToString())
        assume(not rejected)
        assert verdicts(ready.evaluate(Tables(batch, 0))) == ottl.verdicts(condition, context, request)

    check()


@settings(max_examples=100, deadline=None)
@given(conditions("span"), requests["traces"], st.data())
def test_a_part_of_a_batch_gets_the_verdicts_of_its_rows(condition: ottl.Written, request: Any, data: Any) -> None:
    ready = compiled(condition.text, "span")
    batch, _ = projection("traces", ready.reads).decode(request.SerializeToString())
    mask = np.array(data.draw(st.lists(st.booleans(), min_size=len(batch), max_size=len(batch))))
    whole = verdicts(ready.of_items(Tables(batch, 0)))
    part = verdicts(ready.of_items(Tables(batch.where(mask), 0)))
    assert part == [verdict for verdict, kept in zip(whole, mask.tolist(), strict=True) if kept]
