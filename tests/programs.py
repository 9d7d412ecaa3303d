"""Programs of others that tests run where they can be found, and how to get those that cannot.

Each is looked for on PATH under its name here, and where ``make servers`` builds some from their Go modules; an
environment variable (``WEIR_TEST_PROMETHEUS3``) may name its file.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import pytest

BUILT = Path(__file__).parents[1] / "build/servers"


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
    def is_there(self) -> bool:
        """Whether it can be run."""
        return _find(self) is not None

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
        return pytest.mark.skipif(not self.is_there, reason=reason)

    @property
    def _variable(self) -> str:
        return f"WEIR_TEST_{self.name.upper().replace('-', '_')}"

    def candidates(self) -> list[str]:
        """Files it may be, the named one first."""
        names = (os.environ.get(self._variable, ""), str(BUILT / self.name), self.name, self.usual_name)
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


_DEBIAN = "Debian and Ubuntu: apt-get install {}"
_MAKE = "where go is: make servers"

PROMETHEUS = Program("prometheus", f"{_DEBIAN.format('prometheus')}; else prometheus.io/download")
PROMETHEUS3 = Program("prometheus3", _MAKE, "prometheus", "web.enable-otlp-receiver")
PROMTOOL = Program("promtool", f"{_DEBIAN.format('prometheus')}; else prometheus.io/download")
PROMTOOL3 = Program("promtool3", _MAKE)
ALERTMANAGER = Program(
    "alertmanager",
    f"{_DEBIAN.format('prometheus-alertmanager')}; else prometheus.io/download",
    "prometheus-alertmanager",
)
AMTOOL = Program("amtool", _DEBIAN.format("prometheus-alertmanager"))
VICTORIAMETRICS = Program("victoria-metrics", _MAKE, option="-opentelemetry.usePrometheusNaming")
OTELCOL = Program("otelcol-contrib", "github.com/open-telemetry/opentelemetry-collector-releases, or built by its ocb")
HELM = Program("helm", _MAKE)
KUBECTL = Program("kubectl", "kubernetes.io/releases/download")
DOCKER_COMPOSE = Program("docker-compose", "2.x: docs.docker.com/compose", option="--progress")
SYSTEMD_ANALYZE = Program("systemd-analyze", _DEBIAN.format("systemd"))
