"""What is under deploy/ is accepted by the tools that read it, as far as they can be had offline."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from tests.unit.dashboards.reading import EDITIONS

ROOT = Path(__file__).parents[3]
DEPLOY = ROOT / "deploy"
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


def needs(program: str, package: str) -> pytest.MarkDecorator:
    return pytest.mark.skipif(shutil.which(program) is None, reason=f"needs {program} ({package})")


def run(*command: str) -> str:
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=100)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def tool(name: str) -> str:
    """A program of the development dependencies."""
    return str(Path(sys.executable).parent / name)


def kubernetes_validate(text: str, folder: Path) -> None:
    """Kinds of the Prometheus operator have no schema there; what is in them is checked elsewhere."""
    path = folder / "manifests.yaml"
    path.write_text(text)
    run(tool("kubernetes-validate"), "--strict", str(path))


def test_dockerfile_passes_hadolint() -> None:
    run(tool("hadolint"), str(DEPLOY / "Dockerfile"))


def test_docker_copies_what_the_build_needs() -> None:
    ignored = (ROOT / ".dockerignore").read_text().split()
    for line in (DEPLOY / "Dockerfile").read_text().splitlines():
        if line.startswith("COPY "):
            for source in line.split()[1:-1]:
                assert (ROOT / source).exists()
                assert any(f"!{part}" in ignored for part in (source, str(Path(source).parent)))


def test_yaml_passes_yamllint() -> None:
    run(tool("yamllint"), "--strict", "-d", YAMLLINT, *map(str, WRITTEN))


def test_compose_names_files_that_exist() -> None:
    compose = yaml.safe_load((DEPLOY / "compose.yaml").read_text())
    for service in compose["services"].values():
        for volume in service.get("volumes", ()):
            source = volume.split(":")[0]
            assert source in compose["volumes"] or (DEPLOY / source).exists(), volume


@needs("docker-compose", "Debian: apt-get install docker-compose")
def test_compose_passes_docker_compose() -> None:
    run("docker-compose", "-f", str(DEPLOY / "compose.yaml"), "--profile", "demo", "config", "--quiet")


def test_grafana_is_given_an_edition_that_exists() -> None:
    compose = yaml.safe_load((DEPLOY / "compose.yaml").read_text())
    mounted = [v for v in compose["services"]["grafana"]["volumes"] if "compiled" in v]
    assert [Path(v.split(":")[0]).name in EDITIONS for v in mounted] == [True]


@needs("promtool", "Debian and Ubuntu: apt-get install prometheus")
def test_prometheus_configuration_passes_promtool() -> None:
    run("promtool", "check", "config", "--syntax-only", str(DEPLOY / "prometheus/prometheus.yml"))


@needs("kubectl", "kubernetes.io/releases/download")
@pytest.mark.parametrize("overlay", OVERLAYS)
def test_manifests_are_valid(overlay: str, tmp_path: Path) -> None:
    kubernetes_validate(run("kubectl", "kustomize", str(DEPLOY / "kubernetes" / overlay)), tmp_path)


@needs("kubectl", "kubernetes.io/releases/download")
@pytest.mark.parametrize("overlay", OVERLAYS)
def test_policies_are_about_the_pods_of_weir_and_no_others(overlay: str) -> None:
    text = run("kubectl", "kustomize", str(DEPLOY / "kubernetes" / overlay))
    found = {one["kind"]: one["spec"] for one in yaml.safe_load_all(text) if "spec" in one}
    pods = found["StatefulSet"]["template"]["metadata"]["labels"]
    for selector in (found["NetworkPolicy"]["podSelector"], found["PodDisruptionBudget"]["selector"]):
        assert selector["matchLabels"].items() <= pods.items()
        assert selector["matchLabels"]["app.kubernetes.io/name"] == "weir"


@needs("helm", "helm.sh/docs/intro/install; or go install helm.sh/helm/v3/cmd/helm@v3.19.0")
@pytest.mark.parametrize("values", sorted((CHART / "ci").glob("*.yaml")), ids=lambda path: path.stem)
def test_the_chart_renders_valid_manifests(values: Path, tmp_path: Path) -> None:
    run("helm", "lint", "--strict", str(CHART), "-f", str(values))
    kubernetes_validate(
        run("helm", "template", "test", str(CHART), "--kube-version", "1.34.0", "-f", str(values)), tmp_path
    )


@pytest.mark.parametrize("values", sorted((CHART / "ci").glob("*.yaml")), ids=lambda path: path.stem)
def test_values_of_the_chart_fit_its_schema(values: Path) -> None:
    schema = json.loads((CHART / "values.schema.json").read_text())
    jsonschema.validate(yaml.safe_load((CHART / "values.yaml").read_text()), schema)
    jsonschema.validate(yaml.safe_load(values.read_text()), schema)


def test_a_typing_error_in_the_values_is_found() -> None:
    schema = json.loads((CHART / "values.schema.json").read_text())
    with pytest.raises(jsonschema.ValidationError, match="replicas"):
        jsonschema.validate({"replicas": 3}, schema)


def test_every_value_is_used_by_a_template() -> None:
    """And no template uses a value that does not exist: the part of rendering that can be checked without helm."""
    text = "\n".join(path.read_text() for path in (CHART / "templates").iterdir())
    used = {name.split(".")[0] for name in re.findall(r"\.Values\.([A-Za-z.]+)", text)}
    assert used == set(yaml.safe_load((CHART / "values.yaml").read_text()))


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


@needs("systemd-analyze", "systemd")
def test_the_unit_is_hardened() -> None:
    unit = str(DEPLOY / "systemd/weir.service")
    assert "OK" in run("systemd-analyze", "security", "--offline=true", "--threshold=20", unit).splitlines()[-1]


def services(text: str) -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load(text)["services"]
    return found


def test_no_container_is_privileged() -> None:
    for name, service in services((DEPLOY / "compose.yaml").read_text()).items():
        assert service["read_only"], name
        assert service["cap_drop"] == ["ALL"], name
