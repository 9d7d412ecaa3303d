"""The example plug-in, installed as a user would install one.

Must never regress: one entry point is all the registration; the contract suite covers a plug-in unasked.
"""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
EXAMPLE = ROOT / "examples" / "custom_processor"


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """The environment of a process that has the plug-in installed, in a folder of its own."""
    folder = tmp_path_factory.mktemp("plug-in")
    source, target = folder / "source", folder / "site"
    shutil.copytree(EXAMPLE, source)
    options = ["--quiet", "--no-index", "--no-deps", "--no-build-isolation", "--disable-pip-version-check"]
    subprocess.run(
        [sys.executable, "-m", "pip", "install", *options, "--target", str(target), str(source)],
        check=True,
        capture_output=True,
    )
    return {**os.environ, "PYTHONPATH": os.pathsep.join([str(target), str(ROOT)])}


def run(installed: dict[str, str], *command: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", *command], env=installed, cwd=ROOT, capture_output=True, text=True, check=False
    )


def test_the_command_line_shows_the_plug_in_and_where_it_comes_from(installed: dict[str, str]) -> None:
    shown = run(installed, "pipeline", "components", "show", "drop_health_checks")
    assert shown.returncode == 0, shown.stderr
    assert "drop_health_checks (weir-drop-health-checks 1.0.0)" in shown.stdout
    assert "paths: [/healthz, /livez, /readyz]" in shown.stdout
    assert "# Paths to drop, compared exactly." in shown.stdout


def test_its_configuration_is_valid(installed: dict[str, str]) -> None:
    checked = run(installed, "pipeline", "validate", "--config", str(EXAMPLE / "config.yaml"))
    assert (checked.returncode, checked.stderr) == (0, "")


def test_a_mistake_in_its_configuration_is_told_like_any_other(installed: dict[str, str]) -> None:
    config = str(EXAMPLE / "config.yaml")
    checked = run(
        installed, "pipeline", "validate", "--config", config, "--set", "processors.drop_health_checks.path=[x]"
    )
    assert checked.returncode == 1
    assert "processors.drop_health_checks.path (--set" in checked.stderr
    assert 'unknown key; did you mean "paths"?' in checked.stderr


def test_its_own_tests_pass(installed: dict[str, str]) -> None:
    tested = run(installed, "pytest", "-q", "-p", "no:cacheprovider", "--rootdir", str(EXAMPLE), str(EXAMPLE / "tests"))
    assert tested.returncode == 0, tested.stdout


def test_the_contract_suite_covers_it(installed: dict[str, str]) -> None:
    tested = run(installed, "pytest", "-q", "-p", "no:cacheprovider", "tests/contract", "-k", "drop_health_checks")
    assert tested.returncode == 0, tested.stdout
    assert "passed" in tested.stdout
