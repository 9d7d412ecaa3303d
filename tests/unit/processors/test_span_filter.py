"""Filter policies mean what they mean in Tempo (pkg/spanfilter)."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import TypeAdapter, ValidationError

from pipeline.testing_spans import span_batch
from processors.span_filter import FilterPolicy, SpanFilter

SPANS: list[dict[str, Any]] = [
    {
        "name": "GET /api",
        "kind": "server",
        "attributes": {"code": 200, "route": "/api/x"},
        "resource": {"team": "shop"},
    },
    {"name": "GET /health", "kind": "server", "attributes": {"code": "200", "route": "/health"}},
    {"name": "SELECT", "kind": "client", "status": "error", "attributes": {"code": 5.0, "cached": True}},
    {"name": "", "kind": "internal"},
]


def passing(*policies: dict[str, Any]) -> list[str]:
    parsed = TypeAdapter(tuple[FilterPolicy, ...]).validate_python(policies)
    spans = span_batch(spans=[dict(span, resource={"at": number, **span.get("resource", {})})
                              for number, span in enumerate(SPANS)])  # fmt: skip
    chosen = SpanFilter(parsed)
    kept = spans.where(chosen.mask(spans))
    return kept["name"].tolist() if len(kept) else []


def strict(*pairs: tuple[str, Any]) -> dict[str, Any]:
    return {"match_type": "strict", "attributes": [{"key": key, "value": value} for key, value in pairs]}


def regex(*pairs: tuple[str, Any]) -> dict[str, Any]:
    return {"match_type": "regex", "attributes": [{"key": key, "value": value} for key, value in pairs]}


def test_include_needs_all_attributes() -> None:
    assert passing({"include": strict(("kind", "SPAN_KIND_SERVER"))}) == ["GET /api", "GET /health"]
    assert passing({"include": strict(("kind", "SPAN_KIND_SERVER"), ("resource.team", "shop"))}) == ["GET /api"]


def test_include_any_needs_one() -> None:
    assert passing({"include_any": strict(("name", "SELECT"), ("resource.team", "shop"))}) == ["GET /api", "SELECT"]


def test_exclude_takes_away_what_matches_in_all_attributes() -> None:
    assert passing({"exclude": strict(("kind", "SPAN_KIND_SERVER"), ("name", "GET /health"))}) == [
        "GET /api",
        "SELECT",
        "",
    ]


def test_every_policy_must_let_a_span_pass() -> None:
    assert passing({"include": regex(("name", "GET"))}, {"exclude": regex(("name", "health$"))}) == ["GET /api"]


def test_values_are_compared_with_their_type() -> None:
    assert passing({"include": strict(("span.code", 200))}) == ["GET /api"]
    assert passing({"include": strict(("span.code", "200"))}) == ["GET /health"]
    assert passing({"include": strict(("span.code", 5.0))}) == ["SELECT"]
    assert passing({"include": strict(("span.code", 5))}) == []
    assert passing({"include": strict(("span.cached", True))}) == ["SELECT"]


def test_a_regular_expression_is_searched_in_strings_alone() -> None:
    assert passing({"include": regex(("span.route", "api|h"))}) == ["GET /api", "GET /health"]
    assert passing({"include": regex(("span.code", "200"))}) == ["GET /health"]
    assert passing({"include": regex(("status", "ERROR$"))}) == ["SELECT"]


def test_an_absent_attribute_matches_nothing() -> None:
    assert passing({"include": regex(("span.route", ".*"))}) == ["GET /api", "GET /health"]
    assert passing({"exclude": regex(("span.route", ".*"))}) == ["SELECT", ""]


def test_no_policy_passes_everything() -> None:
    assert not SpanFilter(())
    assert len(passing()) == 4


@pytest.mark.parametrize(
    ("policy", "message"),
    [
        ({}, "policies must have at least"),
        ({"include": {"match_type": "glob", "attributes": [{"key": "name", "value": "x"}]}}, "'strict' or 'regex'"),
        ({"include": strict()}, "at least 1 item"),
        ({"include": strict(("duration", "1s"))}, '"duration" is not supported'),
        ({"include": strict((".foo", "x"))}, "is not supported"),
        ({"include": strict(("kind", "server"))}, "kind is never 'server'"),
        ({"include": regex(("name", "("))}, "is not a regular expression"),
        ({"include": regex(("span.code", 5))}, "is not a regular expression"),
    ],
)
def test_a_policy_that_cannot_work_is_refused(policy: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        TypeAdapter(FilterPolicy).validate_python(policy)


def test_quoted_keys_are_unquoted() -> None:
    policy = FilterPolicy.model_validate({"include": strict(('span."a b"', "x"))})
    assert SpanFilter((policy,)).reads == ("span.a b",)
