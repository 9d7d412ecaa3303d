"""Statements: what Go's libraries make of patterns, and mistakes with their place and a way out."""

from __future__ import annotations

import pytest

from pipeline.ottl import OttlError, compile_statement
from pipeline.ottl.editors import MAP_EDITORS, NOT_HERE, VALUE_EDITORS
from pipeline.ottl.replacing import glob, replacer, truncated
from pipeline.ottl.values import ValueFault


@pytest.mark.parametrize(
    ("pattern", "text", "new", "expected"),
    [
        # as Go 1.24 answers: regexp.MustCompile(pattern).ReplaceAllString(text, new)
        ("a*", "baaac", "x", "xbxcx"),
        ("", "ab", "-", "-a-b-"),
        ("a+", "baaac", "<$0>", "b<aaa>c"),
        ("(a)(b)?", "ab a", "[$1|$2]", "[a|b] [a|]"),
        ("(a)", "a", "$1x", ""),
        ("(a)", "a", "${1}x", "ax"),
        ("(?P<one>a)", "a", "$one-$two", "a-"),
        ("a", "a", "$$1", "$1"),
        ("a", "a", "$", "$"),
        ("a", "a", "${", "${"),
        ("(a)", "a", "$2", ""),
        ("^", "ab", "x", "xab"),
        ("$", "ab", "x", "abx"),
        (r"\b", "a b", "|", "|a| |b|"),
        ("é", "aéb", "e", "aeb"),
        ("a", "bbb", "x", "bbb"),
    ],
)
def test_texts_are_replaced_as_go_replaces_them(pattern: str, text: str, new: str, expected: str) -> None:
    assert replacer(pattern)(text, new) == expected


@pytest.mark.parametrize(
    ("pattern", "yes", "no"),
    [
        ("GET /api/*", ["GET /api/", "GET /api/a/b?c\nd"], ["GET /ap", "xGET /api/"]),
        ("/user/*/list/**", ["/user/1/list/2/3"], ["/user/1/lis"]),
        ("a?c", ["abc", "a\nc"], ["ac", "abbc"]),
        ("[a-c]x", ["bx"], ["dx", "-x"]),
        ("[!a-c]x", ["dx"], ["bx"]),
        ("[xyz]", ["y"], ["a"]),
        ("{one,t[wx]o*}", ["one", "two", "txo "], ["three"]),
        ("a\\*b", ["a*b"], ["axb"]),
        ("a.b+", ["a.b+"], ["axb+"]),
        ("", [""], ["a"]),
    ],
)
def test_globs_match_whole_texts(pattern: str, yes: list[str], no: list[str]) -> None:
    matches = glob(pattern)
    assert [text for text in (*yes, *no) if matches(text)] == yes


@pytest.mark.parametrize("pattern", ["[a", "{a", "[c-a]"])
def test_what_is_no_glob_is_refused(pattern: str) -> None:
    with pytest.raises(ValueFault):
        glob(pattern)


def test_truncated_texts_end_with_a_whole_character() -> None:
    text = "aé€😀"
    assert [truncated(text, n) for n in range(11)] == [
        *("", "a", "a", "aé", "aé", "aé", "aé€", "aé€", "aé€", "aé€", text),
    ]


@pytest.mark.parametrize("name", [*VALUE_EDITORS, *MAP_EDITORS])
def test_there_is_no_editor_that_is_said_not_to_be(name: str) -> None:
    assert name not in NOT_HERE


@pytest.mark.parametrize(
    ("text", "context", "what", "at"),
    [
        ("set(name)", "span", "set takes the arguments value; value is missing", 0),
        ("set()", "span", "set takes what it changes first", 0),
        ('sett(name, "x")', "span", 'there is no editor sett here; did you mean "set"?', 0),
        ('Set(name, "x")', "span", "expected a name", 0),
        ('set(name, "x") were kind == 1', "span", 'found "were"', 15),
        ('set(name, "x") where', "span", "found the end of the statement", 20),
        ('set(name, "x") where name', "span", "a value alone is no condition", 21),
        ('set(nmae, "x")', "span", 'did you mean "name"?', 4),
        ('set("name", "x")', "span", "the first argument is what is changed: a path", 4),
        ("set(name, 5)", "span", "name is a string, not an int", 10),
        ('set(attributes, "x")', "span", 'set changes one value: write attributes["key"]', 4),
        ('set(attributes["a"]["b"], 1)', "span", "set the value as a whole", 4),
        ("set(flags, 1)", "span", "flags cannot be changed here; attributes can, and scope.name, scope.", 4),
        ("set(kind.string, \"x\")", "span", "kind.string cannot be changed here", 4),
        ('set(kind, "server")', "span", "kind is an int, not a string", 10),
        ('set(name, "x")', "metric", "name cannot be changed here", 4),
        ('set(metadata["a"], "x")', "metric", "metadata cannot be changed here", 4),
        ('set(attributes["t"], start_time)', "span", "value of set cannot be a time", 21),
        ('delete_key(attributes["a"], "b")', "span", "delete_key changes all attributes of something", 11),
        ("delete_key(attributes, name)", "span", "key of delete_key must be a constant", 23),
        ('keep_keys(attributes, "a")', "span", "keys of keep_keys: expected a value of type list, found string", 22),
        ('replace_pattern(name, "(", "x")', "span", 'missing ")"', 22),
        ('replace_match(name, "[", "x")', "span", "a [ of the pattern is not closed", 20),
        ('replace_all_patterns(attributes, "key", "a", "b")', "span", "keys cannot be replaced", 33),
        ("truncate_all(attributes, -1)", "span", "a limit is not negative", 25),
        ('replace_pattern(name, "a", "b", SHA256)', "span", "replace_pattern takes the arguments regex", 32),
        ("limit(attributes, 10, [])", "span", "keep_keys and delete_matching_keys say which attributes stay", 0),
        ('merge_maps(attributes, ParseJSON(body), "upsert")', "log", "set each key", 0),
        ('set(cache["a"], 1)', "span", "there is no cache here", 4),
        ('set(name, Concta(["a"], ""))', "span", 'did you mean "Concat"?', 10),
    ],
)  # fmt: skip
def test_what_is_not_supported_is_an_error_with_a_place_and_a_way_out(
    text: str, context: str, what: str, at: int
) -> None:
    with pytest.raises(OttlError) as caught:
        compile_statement(text, context)
    assert what in str(caught.value)
    assert caught.value.start == at


def test_paths_begin_with_their_context_where_it_is_inferred() -> None:
    with pytest.raises(OttlError, match=r"span\.name"):
        compile_statement('set(name, "x")', "span", prefixed=True)
    ready = compile_statement('set(span.name, resource.attributes["a"])', "span", prefixed=True)
    assert ready.sets == ("name",)
    assert ready.reads == ("resource.a", "name") or set(ready.reads) == {"resource.a", "name"}
