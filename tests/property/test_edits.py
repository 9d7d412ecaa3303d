"""Edits of batches of all signals, against the same edits of official messages.

Must never regress: what is sent on equals the official message with the same edit; items that were not touched keep
their bytes; whoever reads a column afterwards, also one that holds a message whole, sees what is sent on.
"""

from __future__ import annotations

from difflib import unified_diff
from random import Random
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from opentelemetry.proto.common.v1.common_pb2 import AnyValue

from pipeline.codec import item_edits, otlp_encode
from pipeline.codec.signals import projection
from pipeline.errors import WeirError
from pipeline.model.any_value import any_value
from pipeline.model.batch import Batch
from pipeline.model.columns import of_signal
from pipeline.model.editor import REMOVED
from pipeline.model.records import RANGE, Kind
from pipeline.testing import export_request, span_batch
from tests.kernels import MODES, uncompiled
from tests.oracles.edits import Item, all_items
from tests.oracles.otlp_requests import ITEMS, PREFIXES, accepted, official, prune, requests
from tests.oracles.scrambled import scrambled

VALUES: list[Any] = [
    "x",
    "",
    "ä" * 70,
    3,
    -1,
    1 << 62,
    True,
    False,
    0.5,
    -0.0,
    b"\xff",
    [1, "a"],
    [],
    {"k": [None]},
    None,
]
WHOLE = ("resource", "scope", "attributes")
FIELDS: dict[str, dict[str, Any]] = {
    "traces": {"kind": 3, "status_code": 2, "status_message": "why"},
    "logs": {"severity_number": 9, "body": {"a": 1}},
    "metrics": {},
}
"""Other things that can be changed, with values."""


def columns_of(signal: str) -> tuple[str, ...]:
    own = PREFIXES[signal]
    keys = [
        f"{prefix}{key}" for prefix in (own, "resource.", "scope.attributes.") for key in ("added", "k", "service.name")
    ]
    texts = {
        "traces": ("trace_state", "name", "status_message"),
        "logs": ("severity_text", "event_name", "body"),
        "metrics": (),
    }[signal]
    return (*keys, "scope.name", "scope.version", *texts)


class Edited:
    """A batch and the official message, edited side by side."""

    def __init__(self, signal: str, request: Any, seed: int | None, whole: tuple[str, ...]) -> None:
        self.signal = signal
        self.columns = columns_of(signal)
        self.whole = tuple(of_signal(whole, signal))
        payload = request.SerializeToString() if seed is None else scrambled(request, Random(seed))
        self.batch, self.expected = accepted(signal, request, payload, (*self.columns, *self.whole))
        self.decoded = self.batch
        self.items: list[Item] = all_items(signal, self.expected)
        self.touched = np.zeros(len(self.items), bool)

    def step(self, draw: Any) -> None:
        """One edit."""
        n = len(self.items)
        column = draw(st.sampled_from(self.columns))
        where = np.array(draw(st.lists(st.booleans(), min_size=n, max_size=n)), bool)
        chosen = [item for item, meant in zip(self.items, where.tolist(), strict=True) if meant]
        is_text = self.items[0].is_text(column)
        is_own = self.batch.projection.field(column).level == self.batch.item_level
        editor = self.batch.edit()
        changed = [False] * n
        match draw(st.sampled_from(["one", "each", "remove", "copy", "keys", "numbers"])):
            case "one":
                value = draw(st.sampled_from(["x", "", "ö" * 200] if is_text else VALUES))
                editor.set_codes(column, np.zeros(n, np.int32), [value], where)
                for item in chosen:
                    item.set(column, any_value(value))
                changed = where.tolist()
            case "each":
                given_values = draw(st.lists(st.sampled_from(["x", "y", None, REMOVED]), min_size=n, max_size=n))
                editor.set(column, given_values, where)
                meant = where & np.array([value is not None for value in given_values])
                for i in self.last_of_each(column, meant):
                    item, value = self.items[i], given_values[i]
                    if value is REMOVED:
                        changed[i] = is_text or item.get(column) is not None
                        item.remove(column)
                    else:
                        changed[i] = True
                        item.set(column, any_value(value))
            case "remove":
                changed = [
                    bool(meant and (value := item.get(column)) is not None and (not is_text or value.string_value))
                    for item, meant in zip(self.items, where.tolist(), strict=True)
                ]
                editor.remove(column, where)
                for item in chosen:
                    item.remove(column)
            case "copy":
                source = draw(st.sampled_from(self.columns))
                found = [item.get(source) for item in self.items]
                found = [
                    AnyValue.FromString(value.SerializeToString()) if value is not None else None for value in found
                ]
                editor.copy(column, source, where)
                for i, (item, value) in enumerate(zip(self.items, found, strict=True)):
                    if where[i] and value is not None and (not is_text or value.WhichOneof("value") == "string_value"):
                        changed[i] = True
                        item.set(column, value)
            case "keys":
                prefix = draw(st.sampled_from([PREFIXES[self.signal], "resource.", "scope.attributes."]))
                is_own = prefix == PREFIXES[self.signal]
                first = draw(st.sampled_from(["a", "k", "", "s"]))
                new = draw(st.sampled_from([REMOVED, "***", 7, ["x"]]))
                editor.change_keys(prefix, lambda key: key.startswith(first), lambda _: new, where)
                for i, item in enumerate(self.items):
                    message, _ = item.holder(prefix)
                    if where[i]:
                        changed[i] = any(pair.key.startswith(first) for pair in message.attributes)
                for item in chosen:
                    item.change_keys(prefix, lambda key: key.startswith(first), lambda _: new, self.columns)
            case "numbers" if not is_text:
                editor.set(column, np.arange(n) - 1.5, where)
                for i in self.last_of_each(column, where):
                    self.items[i].set(column, any_value(i - 1.5))
                changed = where.tolist()
        self.batch = editor.done()
        if is_own:
            self.touched |= np.array(changed, bool)

    def last_of_each(self, column: str, where: Any) -> list[int]:
        """The chosen items, or of those that share a resource or scope the last one."""
        around = column.partition(".")[0]  # resource, scope, or none of both
        holders = {id(getattr(self.items[i], around, None) or self.items[i]): i for i in np.flatnonzero(where).tolist()}
        return sorted(holders.values())

    def check(self) -> None:
        """The claims of this module."""
        out = self.batch.to_otlp()
        sent = official(self.signal, out)
        for request in (self.expected, sent):
            prune(self.signal, request)  # empty envelopes are left out where anything changed
            clear_empty(self.signal, request)
            for item in all_items(self.signal, request):
                for message in (item.item, item.scope.scope, item.resource.resource):
                    in_order(message)
        assert sent == self.expected, difference(sent, self.expected)
        again, rejected = projection(self.signal, (*self.columns, *self.whole)).decode(out)
        assert not rejected
        level = again.item_level
        for i, row in enumerate(self.decoded.item_rows.tolist()):
            assert in_order(self.batch.message(row)) == self.items[i].item
            assert self.batch.item_bytes()[i] == len(again.records.body(level, i))
            if not self.touched[i]:
                assert again.records.body(level, i) == self.decoded.records.body(level, row)
        for column in self.columns:
            assert self.batch[column].tolist() == again[column].tolist(), column
            assert self.batch.present(column).tolist() == again.present(column).tolist(), column
            assert typed(self.batch, column) == typed(again, column), column
        for column in self.whole:
            assert self.batch[column].tolist() == again[column].tolist(), column


def clear_empty(signal: str, request: Any) -> None:
    """Take out resources and scopes that say nothing: one that lost all it was given is absent or empty."""
    resources, scopes, _ = ITEMS[signal]
    for resource in getattr(request, resources):
        for holder, name in ((resource, "resource"), *((scope, "scope") for scope in getattr(resource, scopes))):
            if holder.HasField(name) and not getattr(holder, name).ByteSize():
                holder.ClearField(name)


def in_order(message: Any) -> Any:
    """With its attributes ordered by key: one that was removed and set again may stand in its old place."""
    if message.attributes:
        message.attributes.sort(key=lambda pair: pair.key)
    return message


def difference(sent: Any, expected: Any) -> str:
    return "\n".join(unified_diff(str(sent).splitlines(), str(expected).splitlines(), "sent", "expected", lineterm=""))


def use_writers(mode: str, patch: pytest.MonkeyPatch) -> None:
    """Let edits be written compiled or not."""
    if mode == "uncompiled":
        patch.setattr(item_edits, "edit_table", uncompiled("pipeline.codec.edit_table"))
        patch.setattr(item_edits, "body_writer", uncompiled("pipeline.codec.body_writer"))
        patch.setattr(otlp_encode, "request_writer", uncompiled("pipeline.codec.request_writer"))


def typed(batch: Batch, column: str) -> list[Any]:
    codes, values = batch.distinct(column)
    return [repr(values[code]) if code >= 0 else REMOVED for code in codes.tolist()]


def drawn(data: st.DataObject, signal: str) -> Edited | None:
    request = data.draw(requests(signal))
    seed = data.draw(st.none() | st.integers(0, 1 << 30))
    edited = Edited(signal, request, seed, data.draw(st.sampled_from([(), WHOLE])))
    return edited if edited.items else None


@pytest.mark.parametrize("signal", ITEMS)
@given(data=st.data())
@settings(max_examples=150, deadline=None)
def test_edits_equal_those_of_official_messages(signal: str, data: st.DataObject) -> None:
    edited = drawn(data, signal)
    if edited is None:
        return
    for _ in range(data.draw(st.integers(1, 4))):
        edited.step(data.draw)
    edited.check()


@pytest.mark.parametrize("signal", ITEMS)
@given(data=st.data())
@settings(max_examples=25, deadline=None)
def test_the_uncompiled_writer_gives_the_same(signal: str, data: st.DataObject) -> None:
    with pytest.MonkeyPatch.context() as patch:
        use_writers("uncompiled", patch)
        edited = drawn(data, signal)
        if edited is None:
            return
        edited.step(data.draw)
        edited.step(data.draw)
        edited.check()


@pytest.mark.parametrize("signal", ITEMS)
@given(data=st.data())
@settings(max_examples=60, deadline=None)
def test_what_is_dropped_after_an_edit_is_not_written(signal: str, data: st.DataObject) -> None:
    edited = drawn(data, signal)
    if edited is None:
        return
    edited.step(data.draw)
    keep = np.array(data.draw(st.lists(st.booleans(), min_size=len(edited.items), max_size=len(edited.items))), bool)
    left = edited.batch.where(keep)
    if not len(left):
        assert left.to_otlp() == b""
        return
    whole, part = official(signal, edited.batch.to_otlp()), official(signal, left.to_otlp())
    bodies = [item.item.SerializeToString() for item in all_items(signal, whole)]
    assert [item.item.SerializeToString() for item in all_items(signal, part)] == [
        body for body, kept in zip(bodies, keep.tolist(), strict=True) if kept
    ]
    dropped = np.setdiff1d(edited.batch.item_rows, left.item_rows)
    level = left.item_level
    before = edited.batch.records.column(level, RANGE)[dropped]
    assert (left.written.column(level, RANGE)[dropped] == before).all()


def test_what_cannot_be_changed_is_refused() -> None:
    batch, _ = projection("traces", ("flags", "duration_nano", "trace_state", "span.a")).decode(b"")
    for column in ("flags", "start_time_unix_nano"):
        with pytest.raises(KeyError, match="cannot be changed"):
            batch.with_column(column, [])
    with pytest.raises(KeyError, match="declare it in `adds`"):
        batch.with_column("span.other", [])
    assert batch.projection.field("trace_state").kind == Kind.STRING


@pytest.mark.parametrize("signal", ITEMS)
@given(data=st.data())
@settings(max_examples=60, deadline=None)
def test_damaged_bytes_are_written_alike_compiled_and_not(signal: str, data: st.DataObject) -> None:
    payload = bytearray(scrambled(data.draw(requests(signal)), Random(data.draw(st.integers(0, 1 << 30)))))
    for _ in range(data.draw(st.integers(1, 3))):
        if payload:
            payload[data.draw(st.integers(0, len(payload) - 1))] = data.draw(st.integers(0, 255))
    own = PREFIXES[signal]
    try:
        batch, _ = projection(signal, (f"{own}added", "scope.name", *FIELDS[signal])).decode(bytes(payload))
    except WeirError:
        return
    outs = []
    for mode in MODES:
        with pytest.MonkeyPatch.context() as patch:
            use_writers(mode, patch)
            if not len(batch):
                return
            editor = batch.edit()
            editor.set(f"{own}added", "new")
            for column, value in FIELDS[signal].items():
                editor.set_codes(column, np.zeros(len(batch), np.int32), [value])
            for prefix in (own, "resource.", "scope.attributes."):  # nobody has looked into resources before
                editor.change_keys(prefix, lambda key: "k" in key or "e" in key, lambda _: "***")
            edited = editor.done()
            outs.append((edited.to_otlp(), [edited.resource_bytes(row) for row in np.unique(edited.resource_rows)]))
    assert outs[0] == outs[1]


def test_a_text_in_several_edits_is_kept_once_and_numbers_keep_their_type() -> None:
    spans = span_batch(3, columns=("span.a", "span.b", "resource.r", "trace_state"))
    changed = spans.with_column("span.a", ["x", None, REMOVED]).with_column(
        "span.b", np.array([1, 2, 3]), np.arange(3) > 0
    )
    assert changed["span.a"].tolist() == ["x", None, None]
    assert changed["span.b"].int64()[0].tolist() == [0, 2, 3]
    changed = changed.with_column("resource.r", 1.5).with_column("trace_state", "ot=th:8", np.arange(3) == 1)
    assert changed["resource.r"].float64()[0].tolist() == [1.5, 1.5, 1.5]
    assert [span.trace_state for span in changed.iter()] == ["", "ot=th:8", ""]
    assert changed.without_column("trace_state")["trace_state"].tolist() == ["", "", ""]
    assert spans["span.a"].tolist() == [None, None, None]


@pytest.mark.parametrize("value", ["server", 1.0, -1, 1 << 31, True])
def test_an_enum_takes_its_numbers_only(value: Any) -> None:
    spans = span_batch(2, columns=("kind", "status_code"))
    with pytest.raises(TypeError, match="'kind' is a number of an enum"):
        spans.with_column("kind", [value, 1])
    changed = spans.with_column("kind", np.array([3, 5])).with_column("status_code", 1)
    assert [(span.kind, span.status.code) for span in changed.iter()] == [(3, 1), (5, 1)]
    assert [span.kind for span in changed.without_column("kind").iter()] == [0, 0]


def test_an_edit_that_changes_nothing_gives_the_same_batch() -> None:
    spans = span_batch(2, columns=("span.a",))
    assert spans.without_column("span.a") is spans
    assert spans.with_column("span.a", [None, None]) is spans
    assert spans.with_column("span.a", 1, np.zeros(2, bool)).to_otlp() is spans.to_otlp()


def test_values_that_do_not_fit_are_refused() -> None:
    spans = span_batch(2, columns=("span.a", "trace_state"))
    with pytest.raises(ValueError, match="3 values for 2 spans"):
        spans.with_column("span.a", [1, 2, 3])
    with pytest.raises(ValueError, match="mask has 1 entries for 2 spans"):
        spans.with_column("span.a", 1, np.ones(1, bool))
    with pytest.raises(TypeError, match="is a text"):
        spans.with_column("trace_state", 1)
    with pytest.raises(TypeError, match="is a text"):
        spans.with_column("trace_state", np.arange(2))


@pytest.mark.parametrize("mode", MODES)
def test_a_damaged_resource_that_nobody_reads_is_passed_on_as_it_came(mode: str) -> None:
    sound = export_request([{"resource": {"key": n}, "number": n} for n in range(2)])
    whole = sound.resource_spans[1].resource.SerializeToString()
    damaged = whole + b"\x0a\x7f\x0a"  # an attribute longer than what follows
    one, two = (resource.SerializeToString() for resource in sound.resource_spans)
    two = two.replace(b"\x0a" + bytes([len(whole)]) + whole, b"\x0a" + bytes([len(damaged)]) + damaged)
    body = b"".join(b"\x0a" + bytes([len(part) & 127 | 128, len(part) >> 7]) + part for part in (one, two))
    with pytest.MonkeyPatch.context() as patch:
        use_writers(mode, patch)
        spans, _ = projection("traces", ("name",)).decode(body)
        editor = spans.edit()
        editor.change_keys("resource.", lambda key: key == "key", lambda value: f"changed {value}")
        out = editor.done().to_otlp()
    assert b"changed 0" in out
    assert b"changed 1" not in out
    assert damaged in out
