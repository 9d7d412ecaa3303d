"""What passes through leaves as it came: for every field of the three protocols, in any combination.

Must never regress: an unchanged request leaves byte by byte; a request of which items were dropped leaves as the
official message without these items. What edits change is in ``test_edits.py``.
"""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.codec.signals import projection
from tests.oracles.otlp_requests import ITEMS, accepted, items_of, official, prune, requests


@pytest.mark.parametrize("signal", ITEMS)
@given(data=st.data())
@settings(max_examples=80, deadline=None)
def test_an_unchanged_request_leaves_byte_by_byte(signal: str, data: st.DataObject) -> None:
    request = data.draw(requests(signal))
    payload = request.SerializeToString()
    batch, rejected = projection(signal, ()).decode(payload)
    if not rejected:
        assert batch.to_otlp() is payload
    else:
        batch, expected = accepted(signal, request, payload)
        prune(signal, expected)
        assert official(signal, batch.to_otlp()) == expected


@pytest.mark.parametrize("signal", ITEMS)
@given(data=st.data())
@settings(max_examples=80, deadline=None)
def test_what_remains_leaves_as_it_came(signal: str, data: st.DataObject) -> None:
    request = data.draw(requests(signal))
    batch, expected = accepted(signal, request, request.SerializeToString())
    keep = np.array(data.draw(st.lists(st.booleans(), min_size=len(batch), max_size=len(batch))), bool)
    left = batch.where(keep)
    if left.rows is None:
        return
    places = items_of(signal, expected)
    for row in np.flatnonzero(~keep)[::-1].tolist():
        holder, index = places[row]
        del holder[index]
    prune(signal, expected)
    assert official(signal, left.to_otlp()) == expected
