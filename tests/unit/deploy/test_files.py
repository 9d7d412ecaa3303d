"""What is under deploy/ is accepted by the tools that read it, as far as they can be had offline."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import Any

import promql_parser
import pytest
import yaml

from pipeline.admin_client import DEFAULT
from pipeline.promql.flavour import Flavour
from tests.programs import DOCKER_COMPOSE, KUBECTL, PROMTOOL, SYSTEMD_ANALYZE
from tests.unit.dashboards.reading import EDITIONS
from tests.unit.deploy.references import loose_ends
from tests.unit.deploy.tools import DEPLOY, ROOT, documents, kubernetes_validate, run, tool

CHART = DEPLOY / "helm/weir"
OVERLAYS = ("base", "overlays/demo", "overlays/production")
TEMPLATES = {path for path in DEPLOY.rglob("*.yaml") if "templates" in path.parts}
MADE = {DEPLOY / "prometheus/rules/weir.yaml", DEPLOY / "kubernetes/overlays/production/prometheusrule.yaml"}
WRITTEN = sorted({*DEPLOY.rglob("*.yaml"), *DEPLOY.rglob("*.yml")} - TEMPLATES - MADE - {CHART / "files/rules.yaml"})
YAMLLINT = """
extends: default
rules:
  document-start: disable
  line-length: {max: 140}
  braces: {max-spaces-inside: 0}
  comments: {min-spaces-from-content: 1}
  truthy: {check-keys: false}
"""


def test_dockerfile_passes_hadolint() -> None:
    run(tool("hadolint"), str(DEPLOY / "Dockerfile"))


def test_docker_copies_what_the_build_needs() -> None:
    ignored = (ROOT / ".dockerignore").read_text().split()
    for line in (DEPLOY / "Dockerfile").read_text().splitlines():
        if line.startswith("COPY "):
            for source in line.split()[1:-1]:
                assert (ROOT / source).exists()
                assert any(f"!{part}" in ignored for part in (source, str(Path(source).parent)))


def test_the_image_has_every_file_that_is_not_python() -> None:
    """It is made of the wheel, which has only what is listed. The preview of dashboards is not installed."""
    listed = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]["package-data"]
    made = {".py", ".pyc", ".so", ".c"}
    for package, patterns in listed.items():
        packed = {path for pattern in patterns for path in (ROOT / package).glob(pattern)}
        found = {path for path in (ROOT / package).rglob("*") if path.is_file() and path.suffix not in made}
        assert {path for path in found - packed if "preview" not in path.parts} == set()


def test_yaml_passes_yamllint() -> None:
    run(tool("yamllint"), "--strict", "-d", YAMLLINT, *map(str, WRITTEN))


def test_compose_names_files_that_exist() -> None:
    compose = yaml.safe_load((DEPLOY / "compose.yaml").read_text())
    for service in compose["services"].values():
        for volume in service.get("volumes", ()):
            source = volume.split(":")[0]
            assert source in compose["volumes"] or (DEPLOY / source).exists(), volume


@DOCKER_COMPOSE.needed
def test_compose_passes_docker_compose() -> None:
    run(DOCKER_COMPOSE.path, "-f", str(DEPLOY / "compose.yaml"), "--profile", "demo", "config", "--quiet")


def test_grafana_is_given_an_edition_that_exists() -> None:
    compose = yaml.safe_load((DEPLOY / "compose.yaml").read_text())
    mounted = [v for v in compose["services"]["grafana"]["volumes"] if "compiled" in v]
    assert [Path(v.split(":")[0]).name in EDITIONS for v in mounted] == [True]


@PROMTOOL.needed
def test_prometheus_configuration_passes_promtool() -> None:
    run(PROMTOOL.path, "check", "config", "--syntax-only", str(DEPLOY / "prometheus/prometheus.yml"))


@KUBECTL.needed
@pytest.mark.parametrize("overlay", OVERLAYS)
def test_manifests_are_valid_and_agree_with_each_other(overlay: str, tmp_path: Path) -> None:
    text = run(KUBECTL.path, "kustomize", str(DEPLOY / "kubernetes" / overlay))
    kubernetes_validate(text, tmp_path)
    assert loose_ends(documents(text)) == []


@pytest.mark.parametrize(
    ("copy", "original"),
    [
        ("helm/weir/files/config.yaml", "config/gateway.yaml"),
        ("kubernetes/base/config.yaml", "config/gateway.yaml"),
    ],
)
def test_copies_are_equal(copy: str, original: str) -> None:
    """Kustomize and Helm read nothing outside their own folder."""
    assert (DEPLOY / copy).read_text() == (DEPLOY / original).read_text()


@pytest.mark.parametrize("path", sorted((DEPLOY / "config").glob("*.yaml")), ids=lambda path: path.name)
def test_who_is_told_of_an_incident_can_ask_about_it(path: Path) -> None:
    """The runbook says ``weir incidents show``, which asks the extension on its default address."""
    document = yaml.safe_load(path.read_text())
    if "anomaly" in document.get("connectors", {}):
        assert document["extensions"]["admin"]["endpoint"] == DEFAULT.removeprefix("http://")
        assert "admin" in document["service"]["extensions"]


@SYSTEMD_ANALYZE.needed
def test_the_unit_is_hardened() -> None:
    unit = str(DEPLOY / "systemd/weir.service")
    assert "OK" in run(SYSTEMD_ANALYZE.path, "security", "--offline=true", "--threshold=20", unit).splitlines()[-1]


def services(text: str) -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load(text)["services"]
    return found


def test_no_container_is_privileged() -> None:
    for name, service in services((DEPLOY / "compose.yaml").read_text()).items():
        assert service["read_only"], name
        assert service["cap_drop"] == ["ALL"], name


def test_grafana_leads_from_traces_to_metrics_that_exist() -> None:
    """With what Grafana puts in place of its variables, the queries are those of the dashboards' names."""
    text = (DEPLOY / "grafana/provisioning/datasources/datasources.yaml").read_text()
    by_uid = {source["uid"]: source["jsonData"] for source in yaml.safe_load(text)["datasources"]}
    assert set(by_uid) == {"prometheus", "tempo", "alertmanager"}
    link = by_uid["tempo"]["tracesToMetrics"]
    assert link["datasourceUid"] in by_uid
    flavour = Flavour()
    (tag,) = link["tags"]
    assert (tag["key"], tag["value"]) == ("service.name", flavour.service)
    allowed = {
        flavour.calls,
        f"{flavour.duration}_bucket",
        flavour.span_name,
        flavour.status_code,
        flavour.service,
        "le",
    }
    for query in link["queries"]:
        expression = query["query"].replace("$$__tags", f'{flavour.service}="cart"').replace("$$__rate_interval", "5m")
        promql_parser.parse(expression)
        words = set(re.findall(r"[a-z_]{2,}(?=[{,)=])", expression.replace(" ", "")))
        assert words - {"by"} <= allowed, words
        assert words & {flavour.calls, f"{flavour.duration}_bucket"}
