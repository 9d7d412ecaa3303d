"""OpenSLO v1 documents to objectives and back."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from typer.testing import CliRunner

from pipeline.cli import app
from pipeline.errors import ConfigError
from pipeline.promql.flavour import Flavour
from pipeline.rules.openslo import from_openslo, to_openslo
from processors.slo.config import Objective
from tests.unit.rules.test_rules import CONFIG

OBJECTIVES = [
    Objective.model_validate({"name": "a", "service": "cart", "objective": 99.9, "period": "28d"}),
    Objective.model_validate(
        {"name": "b", "service": "cart", "operation": "GET /", "objective": 99, "latency": "100ms"}
    ),
]


def foreign(**spec: Any) -> dict[str, Any]:
    """As other tools write it."""
    sources = {
        part: {"metricSource": {"type": "Prometheus", "spec": {"query": f"sum(rate({part}_total[5m]))"}}}
        for part in ("good", "total")
    }
    return {
        "apiVersion": "openslo/v1",
        "kind": "SLO",
        "metadata": {"name": "foo"},
        "spec": {
            "service": "cart",
            "indicator": {"metadata": {"name": "i"}, "spec": {"ratioMetric": {"counter": True, **sources}}},
            "timeWindow": [{"duration": "4w", "isRolling": True}],
            "budgetingMethod": "Occurrences",
            "objectives": [{"target": 0.995}],
            **spec,
        },
    }


def test_what_is_exported_is_what_is_imported() -> None:
    documents = to_openslo(OBJECTIVES, Flavour())
    assert [Objective.model_validate(one) for one in from_openslo(documents)] == OBJECTIVES
    assert [document["spec"]["objectives"] for document in documents] == [[{"target": 0.999}], [{"target": 0.99}]]


def test_an_slo_of_another_tool_becomes_queries() -> None:
    (given,) = from_openslo([{"kind": "Service"}, foreign()])
    assert given["queries"] == {
        "errors": "(sum(rate(total_total[window]))) - (sum(rate(good_total[window])))",
        "total": "sum(rate(total_total[window]))",
    }
    assert (given["objective"], given["period"]) == (99.5, "28d")


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ({"budgetingMethod": "Timeslices"}, "Timeslices is not supported"),
        ({"timeWindow": [{"duration": "1Y"}]}, "timeWindow 1Y"),
        ({"timeWindow": [{"duration": "1M", "isRolling": False}]}, "follows the calendar"),
        ({"indicator": {"spec": {"thresholdMetric": {}}}}, "only a ratioMetric"),
        ({"objectives": [{"target": 1.0}]}, "less than 100"),
        ({"objectives": 3}, "foo: "),
    ],
)
def test_what_cannot_be_taken_is_named(spec: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        from_openslo([foreign(**spec)])


def referring(**source: Any) -> list[dict[str, Any]]:
    """An SLO whose indicator and data source are documents of their own."""
    slo = foreign()
    indicator = slo["spec"].pop("indicator")
    slo["spec"]["indicatorRef"] = "i"
    for part in ("good", "total"):
        indicator["spec"]["ratioMetric"][part]["metricSource"].pop("type")
        indicator["spec"]["ratioMetric"][part]["metricSource"]["metricSourceRef"] = "metrics"
    sli = {"kind": "SLI", "metadata": {"name": "i"}, "spec": indicator["spec"]}
    return [slo, sli, {"kind": "DataSource", "metadata": {"name": "metrics"}, "spec": source}]


def test_an_indicator_may_be_a_document_of_its_own() -> None:
    assert from_openslo(referring(type="prometheus")) == from_openslo([foreign()])


def test_a_reference_that_leads_nowhere_or_to_another_database_is_named() -> None:
    with pytest.raises(ConfigError, match="there is no SLI of that name"):
        from_openslo(referring(type="prometheus")[:1])
    with pytest.raises(ConfigError, match="of type Datadog is not supported"):
        from_openslo(referring(type="Datadog"))


def test_the_command_goes_both_ways(tmp_path: Path) -> None:
    exported = CliRunner().invoke(app, ["rules", "openslo", "--config", str(CONFIG)])
    assert exported.exit_code == 0, exported.output
    (tmp_path / "slo.yaml").write_text(exported.stdout)
    imported = CliRunner().invoke(app, ["rules", "openslo", str(tmp_path / "slo.yaml")])
    names = [one["name"] for one in yaml.safe_load(imported.stdout)["slo"]["objectives"]]
    assert names == ["checkout-availability", "frontend-latency"]
