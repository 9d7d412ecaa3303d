"""Programs of others that tests run where they can be found, and how to get those that cannot.

Each is looked for on PATH under its name here; an environment variable (``WEIR_TEST_PROMETHEUS3``) may name its file.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from dataclasses import dataclass
from functools import cache

import pytest


@dataclass(frozen=True)
class Program:
    """A program.

    Attributes:
        remedy: How to get it.
        usual_name: What it is called where it is the only version.
        option: Tells that version from others: its ``--help`` mentions it.
    """

    name: str
    remedy: str
    usual_name: str = ""
    option: str = ""

    @property
    def path(self) -> str:
        """Where it is. Raises AssertionError where it is not: mark the test with ``needed``."""
        found = _find(self)
        assert found is not None, self.needed.kwargs["reason"]
        return found

    @property
    def needed(self) -> pytest.MarkDecorator:
        """Skips a test where the program is missing, and says what to do."""
        reason = f"needs {self.name} ({self.remedy}; or name its file in {self._variable})"
        return pytest.mark.skipif(_find(self) is None, reason=reason)

    @property
    def _variable(self) -> str:
        return f"WEIR_TEST_{self.name.upper().replace('-', '_')}"

    def candidates(self) -> list[str]:
        """Files it may be, the named one first."""
        names = (os.environ.get(self._variable, ""), self.name, self.usual_name)
        return [path for name in names if name and (path := shutil.which(name)) is not None]


@cache
def _find(program: Program) -> str | None:
    for path in program.candidates():
        if not program.option or program.option in _help(path):
            return path
    return None


@cache
def _help(path: str) -> str:
    done = subprocess.run([path, "--help"], capture_output=True, text=True, check=False, timeout=60)
    return done.stdout + done.stderr


_GO = "go install -tags netgo,builtinassets_no,remove_all_sd github.com/prometheus/prometheus/cmd/{}@v0.316.0, as {}3"

PROMETHEUS = Program("prometheus", "Debian and Ubuntu: apt-get install prometheus; else prometheus.io/download")
PROMETHEUS3 = Program(
    "prometheus3", _GO.format("prometheus", "prometheus"), "prometheus", option="web.enable-otlp-receiver"
)
PROMTOOL = Program("promtool", "Debian and Ubuntu: apt-get install prometheus; else prometheus.io/download")
PROMTOOL3 = Program("promtool3", _GO.format("promtool", "promtool"))
VICTORIAMETRICS = Program(
    "victoria-metrics",
    "Debian from 13 on: apt-get install victoria-metrics; else github.com/VictoriaMetrics/VictoriaMetrics/releases",
    option="-opentelemetry.usePrometheusNaming",
)
ALERTMANAGER = Program(
    "alertmanager",
    "Debian and Ubuntu: apt-get install prometheus-alertmanager; else prometheus.io/download",
    "prometheus-alertmanager",
)
AMTOOL = Program("amtool", "Debian and Ubuntu: apt-get install prometheus-alertmanager")
HELM = Program("helm", "go install helm.sh/helm/v3/cmd/helm@v3.19.5")
KUBECTL = Program("kubectl", "kubernetes.io/releases/download")
DOCKER_COMPOSE = Program(
    "docker-compose",
    "2.x; Debian from 13 on: apt-get install docker-compose; else docs.docker.com/compose",
    option="--progress",
)
SYSTEMD_ANALYZE = Program("systemd-analyze", "Debian and Ubuntu: apt-get install systemd")
