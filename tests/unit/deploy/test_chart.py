"""The chart renders valid manifests.

Helm itself renders it where it can be had. Everywhere else its recorded output stands in: what helm made of the same
templates and values, with short files in place of the configuration and the rules, which are copied and change often.
A digest says whether the recording is of this chart; ``make golden`` with helm on PATH records anew.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
from pathlib import Path

import jsonschema
import pytest
import yaml

from pipeline.config.check import check
from pipeline.config.load import load_document
from pipeline.service.registry import Registry
from tests.programs import HELM, PROMTOOL
from tests.unit.deploy.references import loose_ends
from tests.unit.deploy.tools import DEPLOY, documents, kubernetes_validate, run

CHART = DEPLOY / "helm/weir"
RECORDED = Path(__file__).parent / "rendered"
CASES = sorted((CHART / "ci").glob("*-values.yaml"))
FILES = {
    "config.yaml": "service: {}\n",
    "rules.yaml": "groups: [{name: weir, rules: [{record: one, expr: vector(1)}]}]\n",
}
"""In place of what the chart's folder ``files`` has."""
ELSEWHERE = {"existing-objects-values": ("edge-config", "edge")}
"""Objects that the values of a case name without making them."""

each_case = pytest.mark.parametrize("values", CASES, ids=lambda path: path.stem)


def digest(values: Path) -> str:
    """Of all that goes into a recording."""
    parts = [CHART / "Chart.yaml", CHART / "values.yaml", values, *sorted((CHART / "templates").iterdir())]
    text = "\0".join([*(path.read_text() for path in parts), *FILES.values()])
    return hashlib.sha256(text.encode()).hexdigest()


def rendered(chart: Path, values: Path) -> str:
    return run(HELM.path, "template", "test", str(chart), "--kube-version", "1.34.0", "-f", str(values))


def recording(values: Path) -> tuple[str, str]:
    """Digest and manifests."""
    text = (RECORDED / f"{values.stem}.yaml").read_text()
    header, _, manifests = text.partition("\n")
    return header.removeprefix("# chart "), manifests


@each_case
def test_the_recording_is_of_this_chart(values: Path) -> None:
    assert recording(values)[0] == digest(values), f"run `make golden` with helm on PATH ({HELM.remedy})"


@HELM.needed
@each_case
def test_helm_renders_what_is_recorded(values: Path, tmp_path: Path) -> None:
    chart = tmp_path / "weir"
    shutil.copytree(CHART, chart)
    for name, text in FILES.items():
        (chart / "files" / name).write_text(text)
    manifests = rendered(chart, values)
    if os.environ.get("WEIR_REWRITE_GOLDEN"):
        (RECORDED / f"{values.stem}.yaml").write_text(f"# chart {digest(values)}\n{manifests}")
    assert recording(values)[1] == manifests


@each_case
def test_manifests_are_valid_and_agree_with_each_other(values: Path, tmp_path: Path) -> None:
    text = recording(values)[1]
    kubernetes_validate(text, tmp_path)
    assert loose_ends(documents(text), elsewhere=ELSEWHERE.get(values.stem, ())) == []


def test_the_cases_between_them_make_every_kind_of_object() -> None:
    made = {one["kind"] for values in CASES for one in documents(recording(values)[1])}
    templates = "\n".join(path.read_text() for path in (CHART / "templates").iterdir())
    words = re.findall(r"^kind: (.*)$", templates, re.MULTILINE)
    assert made >= {word for word in words if "{{" not in word} | {"StatefulSet", "Deployment"}


@HELM.needed
@PROMTOOL.needed
@each_case
def test_the_chart_as_it_is_shipped(values: Path, tmp_path: Path) -> None:
    """With its own configuration and rules."""
    run(HELM.path, "lint", "--strict", str(CHART), "-f", str(values))
    text = rendered(CHART, values)
    kubernetes_validate(text, tmp_path)
    for one in documents(text):
        if one["kind"] == "PrometheusRule":
            (tmp_path / "rules.yaml").write_text(yaml.safe_dump(one["spec"]))
            assert "SUCCESS" in run(PROMTOOL.path, "check", "rules", str(tmp_path / "rules.yaml"))
        if one["kind"] == "ConfigMap" and "config.yaml" in one["data"]:
            given = yaml.safe_load(values.read_text()).get("config")
            text = one["data"]["config.yaml"]
            assert yaml.safe_load(text) == given or text == (DEPLOY / "config/gateway.yaml").read_text()
            assert check(load_document([f"yaml:{text}"]), Registry()).warnings == []


SCHEMA = json.loads((CHART / "values.schema.json").read_text())


@each_case
def test_values_fit_the_schema(values: Path) -> None:
    jsonschema.validate(yaml.safe_load((CHART / "values.yaml").read_text()), SCHEMA)
    jsonschema.validate(yaml.safe_load(values.read_text()), SCHEMA)


def test_a_typing_error_in_the_values_is_found() -> None:
    with pytest.raises(jsonschema.ValidationError, match="replicas"):
        jsonschema.validate({"replicas": 3}, SCHEMA)


def test_every_value_is_used_by_a_template() -> None:
    """And no template uses a value that does not exist."""
    text = "\n".join(path.read_text() for path in (CHART / "templates").iterdir())
    used = {name.split(".")[0] for name in re.findall(r"\.Values\.([A-Za-z.]+)", text)}
    assert used == set(yaml.safe_load((CHART / "values.yaml").read_text()))
