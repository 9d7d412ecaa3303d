"""The rules of grafana/dashboard-linter for Prometheus, ported; exceptions have reasons.

Source: dashboard-linter ``lint/rule_*.go`` (2026). Left out are the rules for Loki.
"""

import re
from typing import Any

import promql_parser
import pytest

from tests.unit.dashboards.reading import EVERY, VARIABLES, expressions, load, panels, substitute

UNITS = {"cps", "short", "percentunit", "reqps", "s", "ms", "bytes"}
SHOWS_ONE_UNIT = {"stat", "timeseries", "gauge"}
RATE_INTERVAL = 4 * 60 + 17
ON_SELECTORS_OF_SPANS = "span metrics belong to services; job and instance are those of the service's resources"
EXCEPTIONS = {
    "template-job-rule": ON_SELECTORS_OF_SPANS,
    "template-instance-rule": ON_SELECTORS_OF_SPANS,
    "target-job-rule": ON_SELECTORS_OF_SPANS,
    "target-instance-rule": ON_SELECTORS_OF_SPANS,
    "target-counter-agg-rule": "timestamp() reads when a counter was seen last, not its value, so a reset does no harm",
}
"""Rules that do not apply. Their names are the linter's; `.lint` of a Grafana repository would list the same."""


def nodes(node: Any) -> list[Any]:
    """An expression and all in it."""
    found = [node]
    for name in ("expr", "lhs", "rhs", "param", "vector_selector"):
        child = getattr(node, name, None)
        if child is not None and not isinstance(child, str):
            found += nodes(child)
    for child in getattr(node, "args", None) or ():
        found += nodes(child)
    return found


@pytest.mark.parametrize(("edition", "slug"), EVERY)
def test_template_datasource_rule(edition: str, slug: str) -> None:
    found = [v for v in load(edition, slug)["templating"]["list"] if v["type"] == "datasource"]
    assert {v["name"]: v["query"] for v in found}["datasource"] == "prometheus"


@pytest.mark.parametrize(("edition", "slug"), EVERY)
def test_template_on_time_change_reload_rule(edition: str, slug: str) -> None:
    queries = [v for v in load(edition, slug)["templating"]["list"] if v["type"] == "query"]
    assert all(v["refresh"] == 2 for v in queries)
    for variable in queries:
        if variable["query"].startswith("query_result("):
            assert re.fullmatch(r'/\w+="\(\[\^"\]\+\)"/', variable["regex"])
            assert variable["sort"] == 0
        else:
            assert re.fullmatch(r"label_values\(.+, \w+\)", variable["query"])


@pytest.mark.parametrize(("edition", "slug"), EVERY)
def test_panels_have_title_description_unit_targets_and_the_datasource_variable(edition: str, slug: str) -> None:
    for panel in panels(load(edition, slug)):
        assert panel["title"]
        assert panel["description"].endswith((".", "chapter 5)."))
        assert panel["targets"]
        assert panel["datasource"] == {"type": "prometheus", "uid": "${datasource}"}
        defaults = panel["fieldConfig"]["defaults"]
        if panel["type"] in SHOWS_ONE_UNIT and not defaults.get("mappings"):
            assert defaults["unit"] in UNITS


@pytest.mark.parametrize(("edition", "slug"), EVERY)
def test_panels_have_numbers_of_their_own(edition: str, slug: str) -> None:
    """A link to a panel, or an alert on it, names it by this number."""
    dashboard = load(edition, slug)
    rows = [panel for panel in dashboard["panels"] if panel["type"] == "row"]
    numbers = [panel["id"] for panel in (*rows, *panels(dashboard))]
    assert len(set(numbers)) == len(numbers)


@pytest.mark.parametrize(("edition", "slug"), EVERY)
def test_titles_are_unique_within_a_dashboard(edition: str, slug: str) -> None:
    titles = [(panel["title"], panel["type"]) for panel in panels(load(edition, slug))]
    assert len(set(titles)) == len(titles)


@pytest.mark.parametrize(("edition", "slug"), EVERY)
def test_uneditable_dashboard_rule(edition: str, slug: str) -> None:
    assert load(edition, slug)["editable"] is False


@pytest.mark.parametrize(("edition", "slug"), EVERY)
def test_target_promql_rule(edition: str, slug: str) -> None:
    for expression in expressions(load(edition, slug)):
        text = substitute(expression.text)
        assert not set(re.findall(r"\$[a-z_{]\w*", text)), expression
        promql_parser.parse(text)


@pytest.mark.parametrize(("edition", "slug"), EVERY)
def test_target_rate_interval_rule(edition: str, slug: str) -> None:
    for panel in panels(load(edition, slug)):
        for target in panel["targets"]:
            for node in nodes(promql_parser.parse(substitute(target["expr"]))):
                if isinstance(node, promql_parser.Call) and node.func.name in {"rate", "irate"}:
                    assert node.args[0].range.total_seconds() == RATE_INTERVAL, target["expr"]


@pytest.mark.parametrize(("edition", "slug"), EVERY)
def test_target_counter_agg_rule(edition: str, slug: str) -> None:
    """A counter's value is read through rate, irate or increase."""
    for panel in panels(load(edition, slug)):
        for target in panel["targets"]:
            tree = promql_parser.parse(substitute(target["expr"]))
            through_rate = [
                selector
                for node in nodes(tree)
                if isinstance(node, promql_parser.Call) and node.func.name in {"rate", "irate", "increase", "timestamp"}
                for selector in nodes(node)
            ]
            for node in nodes(tree):
                if isinstance(node, promql_parser.VectorSelector) and str(node.name).endswith("_total"):
                    exempt = "uptime" in str(node.name)  # the Collector's name for what is a gauge
                    assert exempt or any(node is other or node == other for other in through_rate), target["expr"]


def test_every_variable_of_the_dashboards_has_a_value_here() -> None:
    used: set[str] = set()
    for edition, slug in EVERY:
        for expression in expressions(load(edition, slug)):
            used |= set(re.findall(r"\$[a-z_]\w*", expression.text))
    assert used == set(VARIABLES)


def test_exceptions_say_why() -> None:
    assert all(len(reason) > 40 for reason in EXCEPTIONS.values())
