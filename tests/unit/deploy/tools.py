"""The programs that read what is under deploy/."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).parents[3]
DEPLOY = ROOT / "deploy"


def run(*command: str) -> str:
    """Standard output of a program that must succeed."""
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


def documents(text: str) -> list[dict[str, Any]]:
    """The manifests in a text."""
    return [one for one in yaml.safe_load_all(text) if one]
