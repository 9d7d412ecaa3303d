"""The bundled rules: made by the code, sound to promtool, and firing exactly when they should."""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from typer.testing import CliRunner

from pipeline.cli import app
from tests.programs import AMTOOL, PROMTOOL, PROMTOOL3, Program
from tests.unit.rules.cases import ARITHMETIC, CASES, ERROR, OK, UP

ROOT = Path(__file__).parents[3]
CONFIG = ROOT / "deploy/config/slo.yaml"
BUNDLED = ROOT / "deploy/prometheus/rules/weir.yaml"
ALERTMANAGER = ROOT / "deploy/alertmanager/alertmanager.yml"
SEVERITIES = {"page", "ticket", "info", "none"}

PROMTOOLS = pytest.mark.parametrize(
    "promtool",
    [
        pytest.param(PROMTOOL, marks=PROMTOOL.needed, id="promtool"),
        pytest.param(PROMTOOL3, marks=PROMTOOL3.needed, id="promtool3"),
    ],
)


def generated(*options: str) -> str:
    result = CliRunner().invoke(app, ["rules", "generate", *options])
    assert result.exit_code == 0, result.output
    return result.stdout


def rules(text: str) -> Iterator[dict[str, Any]]:
    for group in yaml.safe_load(text)["groups"]:
        yield from group["rules"]


ALERTS = [rule for rule in rules(BUNDLED.read_text()) if "alert" in rule]


def run(*command: str) -> str:
    env = os.environ | {"GOGC": "400"}  # promtool spends a third of its time on collecting garbage
    done = subprocess.run(command, env=env, capture_output=True, text=True, check=False, timeout=100)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_bundled_rules_are_those_of_the_code() -> None:
    """`make dashboards` writes them anew."""
    assert generated("--config", str(CONFIG)) == BUNDLED.read_text()


@pytest.mark.parametrize(
    ("made", "options"),
    [("kubernetes/overlays/production/prometheusrule.yaml", ["--operator"]), ("helm/weir/files/rules.yaml", [])],
)
def test_rules_for_kubernetes_are_those_of_the_gateway(made: str, options: list[str]) -> None:
    """`make dashboards` writes them anew. They have no objective: an SLO of somebody else's shop would alert."""
    expected = generated("--config", str(ROOT / "deploy/config/gateway.yaml"), *options)
    assert (ROOT / "deploy" / made).read_text() == expected


@pytest.mark.parametrize("rule", ALERTS, ids=lambda rule: rule["alert"])
def test_every_alert_says_what_and_where(rule: dict[str, Any]) -> None:
    assert rule["labels"]["severity"] in SEVERITIES
    annotations = rule["annotations"]
    assert annotations["summary"]
    assert annotations["description"].endswith(".")
    assert (ROOT / annotations["runbook_url"]).is_file()
    assert re.match(r"/d/weir-[a-z]+-otelcol-classic", annotations["dashboard_url"])


def test_no_runbook_is_about_an_alert_that_does_not_exist() -> None:
    pages = {page.stem for page in (ROOT / "docs/runbooks").glob("*.md")} - {"README"}
    assert pages == {rule["alert"] for rule in ALERTS}


def test_every_alert_is_tried_firing_and_quiet() -> None:
    tried = {(case.alert, case.firing > 0) for case in CASES}
    names = {rule["alert"] for rule in ALERTS}
    assert tried == {(name, firing) for name in names for firing in (True, False)} - {
        ("Watchdog", False),
    }


FLAVOURS = ["", "naming: tempo", "naming: tempo, generate_native_histograms: native", "histogram: {exponential: {}}"]


@PROMTOOLS
@pytest.mark.parametrize("keys", FLAVOURS)
def test_promtool_has_nothing_to_say(keys: str, promtool: Program, tmp_path: Path) -> None:
    text = CONFIG.read_text().replace("    histogram: {unit: s}\n", f"    {keys.replace(', g', chr(10) + '    g')}\n")
    (tmp_path / "weir.yaml").write_text(text)
    (tmp_path / "rules.yaml").write_text(generated("--config", str(tmp_path / "weir.yaml")))
    assert "SUCCESS" in run(promtool.path, "check", "rules", "--lint=all", str(tmp_path / "rules.yaml"))


@PROMTOOLS
def test_alerts_fire_when_they_should_and_only_then(promtool: Program, tmp_path: Path) -> None:
    tests = [
        {
            "name": f"{case.alert}: {case.name}",
            "interval": "1m",
            "input_series": [{"series": series, "values": values} for series, values in case.series.items()],
            "promql_expr_test": [
                {
                    "expr": f'count(ALERTS{{alertname="{case.alert}",alertstate="firing"}}) or vector(0)',
                    "eval_time": case.at,
                    "exp_samples": [{"labels": "{}", "value": case.firing}],
                }
            ],
        }
        for case in CASES
    ]
    promtool_test(promtool, tmp_path, tests)


@PROMTOOLS
def test_burn_rates_are_right_to_a_millionth(promtool: Program, tmp_path: Path) -> None:
    checks = [
        {
            "expr": f"abs(max({expr}) - {expected!r}) < bool 1e-6",
            "eval_time": "90m",
            "exp_samples": [{"labels": "{}", "value": 1}],
        }
        for expr, expected in ARITHMETIC.items()
    ]
    series = {OK: "0+90x100", ERROR: "0+10x100", UP: "1x100"}
    inputs = [{"series": name, "values": values} for name, values in series.items()]
    promtool_test(promtool, tmp_path, [{"interval": "1m", "input_series": inputs, "promql_expr_test": checks}])


def promtool_test(promtool: Program, folder: Path, tests: list[dict[str, Any]]) -> None:
    (folder / "tests.yaml").write_text(
        yaml.safe_dump({"rule_files": [str(BUNDLED)], "evaluation_interval": "1m", "tests": tests}, sort_keys=False)
    )
    assert "SUCCESS" in run(promtool.path, "test", "rules", str(folder / "tests.yaml"))


def test_a_service_name_cannot_break_out_of_a_matcher(tmp_path: Path) -> None:
    text = CONFIG.read_text().replace("service: checkout", "service: 'a\"b\\c'")
    (tmp_path / "weir.yaml").write_text(text)
    exprs = [rule["expr"] for rule in rules(generated("--config", str(tmp_path / "weir.yaml")))]
    assert any('service_name="a\\"b\\\\c"' in expr for expr in exprs)


@AMTOOL.needed
def test_the_example_for_alertmanager_is_sound() -> None:
    assert "SUCCESS" in run(AMTOOL.path, "check-config", str(ALERTMANAGER))


@AMTOOL.needed
@pytest.mark.parametrize(
    ("labels", "receiver"),
    [
        (["alertname=SLOErrorBudgetBurnFast", "severity=page"], "pager"),
        (["alertname=SLOErrorBudgetBurnSlow", "severity=ticket"], "tickets"),
        (["alertname=ServiceAnomaly", "severity=info"], "notes"),
        (["alertname=Watchdog", "severity=none"], "dead-man"),
        (["alertname=Strange"], "tickets"),
    ],
)
def test_labels_lead_to_receivers(labels: list[str], receiver: str) -> None:
    run(
        AMTOOL.path,
        *("config", "routes", "test", f"--config.file={ALERTMANAGER}", f"--verify.receivers={receiver}"),
        *labels,
    )


RECEIVERS = {"page": "pager", "ticket": "tickets", "info": "notes", "none": "dead-man"}


@AMTOOL.needed
@pytest.mark.parametrize("rule", ALERTS, ids=lambda rule: rule["alert"])
def test_every_alert_is_routed_by_its_severity(rule: dict[str, Any]) -> None:
    labels = [f"{name}={value}" for name, value in ({"alertname": rule["alert"]} | rule["labels"]).items()]
    options = (f"--config.file={ALERTMANAGER}", f"--verify.receivers={RECEIVERS[rule['labels']['severity']]}")
    run(AMTOOL.path, "config", "routes", "test", *options, *labels)
