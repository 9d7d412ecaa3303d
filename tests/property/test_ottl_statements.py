"""Compiled statements against the oracle: the same messages afterwards, and the same number of items left alone.

Must never regress: what is sent on is the official message with the same changes; a statement sees what those before it
have changed.
"""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import assume, event, given, settings
from hypothesis import strategies as st

from pipeline.codec.signals import projection
from pipeline.ottl import OttlError, compile_statement
from pipeline.ottl.statement import FIELDS, MAPS
from tests.kernels import MODES
from tests.oracles import ottl, statements
from tests.oracles.statements import Statement, attribute, map_editor, under, value_editor
from tests.property.ottl_cases import KEYS, conditions, requests, values
from tests.property.test_edits import use_writers

SIGNALS = {
    "resource": "traces",
    "scope": "logs",
    "span": "traces",
    "metric": "metrics",
    "datapoint": "metrics",
    "log": "logs",
}
TEXT_TARGETS = {
    "span": ("name", "trace_state", "status.message", "status.code", "kind"),
    "log": ("severity_text", "event_name", "severity_number", "body"),
    "scope": ("name", "version"),
}
NEW_KEYS = (*KEYS, "new", "service.name")
PATTERNS = st.sampled_from([("G", "x"), ("(.)E", "<$1>"), ("[a-z]+$", ""), ("^", "^"), ("(?i)get", "gotten")])
GLOBS = st.sampled_from(["GET*", "*", "?ET", "[a-g]et", "", "x"])


def targets(context: str) -> st.SearchStrategy[statements.Target]:
    """What statements of a context can change."""
    above = [] if context == "resource" else ["resource"] if context == "scope" else ["resource", "scope"]
    found = [attribute(context, key, path) for path in above for key in NEW_KEYS]
    if context != "metric":
        found += [attribute(context, key) for key in NEW_KEYS]
    prefix = "scope." if context == "scope" else ""
    found += [statements.Target(text, prefix + text.replace(".", "_")) for text in TEXT_TARGETS.get(context, ())]
    if above[1:]:
        found.append(statements.Target("scope.name", "scope.name"))
    return st.sampled_from(found)


def maps(context: str) -> st.SearchStrategy[str]:
    """Paths of attributes, before the dot."""
    above = {"resource": [""], "scope": ["", "resource"], "metric": ["resource", "scope"]}
    return st.sampled_from(above.get(context, ["", "resource", "scope"]))


def edits(context: str) -> st.SearchStrategy[Statement]:
    value, target, path = values(context), targets(context), maps(context)
    literal = st.sampled_from(["x", 1, 2, True, 2.5, [1, "a"], b"\xab", ottl.NIL]).map(ottl.literal)
    keys = st.lists(st.sampled_from(NEW_KEYS), max_size=2)
    expressions = st.sampled_from(["^a", "o", "e$"])
    return st.one_of(
        st.builds(lambda where, new: value_editor("set", where, [new]), target, st.one_of(value, literal)),
        st.builds(lambda where, new: value_editor("append", where, [new]), target, st.one_of(value, literal)),
        st.builds(
            lambda where, one: value_editor("replace_pattern", where, [*map(ottl.literal, one)]), target, PATTERNS
        ),
        st.builds(
            lambda where, glob, new: value_editor("replace_match", where, [ottl.literal(glob), new]),
            target,
            GLOBS,
            st.one_of(value, st.just(ottl.literal("new"))),
        ),
        st.builds(lambda where, some: map_editor("keep_keys", context, where, some), path, keys),
        st.builds(lambda where, some: map_editor("delete_keys", context, where, some), path, keys),
        st.builds(lambda where, key: map_editor("delete_key", context, where, key), path, st.sampled_from(NEW_KEYS)),
        st.builds(lambda where, one: map_editor("delete_matching_keys", context, where, one), path, expressions),
        st.builds(lambda where, one: map_editor("keep_matching_keys", context, where, one), path, expressions),
        st.builds(lambda where, n: map_editor("truncate_all", context, where, n), path, st.integers(0, 5)),
        st.builds(lambda where, one: map_editor("replace_all_patterns", context, where, "value", *one), path, PATTERNS),
        st.builds(lambda where, glob: map_editor("replace_all_matches", context, where, glob, "new"), path, GLOBS),
    )


def statement(context: str) -> st.SearchStrategy[Statement]:
    edit = edits(context)
    return st.one_of(edit, st.builds(under, edit, conditions(context)))


def compiled(text: str, context: str) -> Any:
    """The statement, or another example where it is given what it is known never to take."""
    try:
        return compile_statement(text, context)
    except OttlError as error:
        event("refused")
        assume(
            not any(
                part in error.what
                for part in ("cannot be a", "of type", "cannot become", "has no", "is a string, not", "is an int, not")
            )
        )
        raise


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("context", SIGNALS)
def test_statements_change_what_the_oracle_changes(context: str, mode: str, monkeypatch: pytest.MonkeyPatch) -> None:
    signal = SIGNALS[context]
    use_writers(mode, monkeypatch)

    @settings(max_examples=150, deadline=None)
    @given(st.lists(statement(context), min_size=1, max_size=3), requests[signal])
    def check(several: list[Statement], request: Any) -> None:
        ready = [compiled(one.text, context) for one in several]
        columns = {column for one in ready for column in (*one.reads, *one.sets)}
        batch, rejected = projection(signal, columns).decode(request.SerializeToString())
        assume(not rejected)
        expected = type(request).FromString(request.SerializeToString())
        failures = statements.carry_out(several, signal, expected)
        editor = batch.edit()
        faults = [fault for one in ready for fault in one.apply(editor, None, 0)]
        found = type(request).FromString(editor.done().to_otlp())
        assert found.SerializeToString(deterministic=True) == expected.SerializeToString(deterministic=True)
        assert sum(fault.items for fault in faults) == failures

    check()


COLUMNS = {
    "traces": ("name", "trace_state", "status_message", "status_code", "kind", "span.k"),
    "metrics": ("point.k",),
    "logs": ("severity_text", "event_name", "severity_number", "body", "log.k"),
}
ABOVE = ("scope.name", "scope.version", "resource.k", "scope.attributes.k")


def test_what_statements_can_set_is_what_batches_can_change() -> None:
    every = {column for columns in COLUMNS.values() for column in columns} | set(ABOVE)
    assert every == {*FIELDS, *(f"{prefix}k" for prefix in MAPS)}
    for signal, columns in COLUMNS.items():
        decoder = projection(signal, (*columns, *ABOVE))
        assert [name for name in (*columns, *ABOVE) if not decoder.is_editable(name)] == []
