"""`weir dashboards export`."""

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from pipeline.cli import app
from tests.unit.dashboards.reading import SLUGS


def exported(directory: Path, *options: str) -> dict[str, Any]:
    result = CliRunner().invoke(app, ["dashboards", "export", *options, str(directory)])
    assert result.exit_code == 0, result.output
    assert result.stdout.split() == [str(directory / f"{slug}.json") for slug in SLUGS]
    return {slug: json.loads((directory / f"{slug}.json").read_text()) for slug in SLUGS}


def test_the_data_source_and_the_step_are_chosen_at_first(tmp_path: Path) -> None:
    for dashboard in exported(tmp_path / "new", "--datasource", "prom", "--min-step", "5s").values():
        current = {v["name"]: v["current"]["value"] for v in dashboard["templating"]["list"] if "current" in v}
        assert (current["datasource"], current["min_step"]) == ("prom", "5s")
        assert "__inputs" not in dashboard


def test_the_edition_for_import_asks_for_the_data_source(tmp_path: Path) -> None:
    for dashboard in exported(tmp_path, "--edition", "import").values():
        assert [given["name"] for given in dashboard["__inputs"]] == ["DS_PROMETHEUS"]
        text = json.dumps(dashboard)
        assert "${DS_PROMETHEUS}" in text
        assert "${datasource}" not in text


@pytest.mark.parametrize(
    ("options", "metric"),
    [
        ((), "traces_span_metrics_duration_seconds_bucket"),
        (("--unit", "ms"), "traces_span_metrics_duration_milliseconds_bucket"),
        (("--naming", "tempo"), "traces_spanmetrics_latency_bucket"),
        (("--naming", "tempo", "--histograms", "native"), "rate(traces_spanmetrics_latency{"),
    ],
)
def test_names_are_those_of_the_edition(options: tuple[str, ...], metric: str, tmp_path: Path) -> None:
    assert metric in json.dumps(exported(tmp_path, *options)["service"])


@pytest.mark.parametrize("options", [("--naming", "tempo", "--unit", "ms"), ("--histograms", "both")])
def test_what_does_not_exist_is_refused(options: tuple[str, ...], tmp_path: Path) -> None:
    assert CliRunner().invoke(app, ["dashboards", "export", *options, str(tmp_path)]).exit_code == 2
