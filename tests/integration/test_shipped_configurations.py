"""Each configuration under deploy/config is accepted and starts."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.integration.weir_process import free_ports, running, terminate

CONFIG = Path(__file__).parents[2] / "deploy/config"
SHIPPED = [[path] for path in sorted(CONFIG.glob("*.yaml")) if path.stem != "compose"]
SHIPPED.append([CONFIG / "slo.yaml", CONFIG / "compose.yaml"])
PORT = re.compile(r"(?<=[:}])[1-9][0-9]{3,4}\b")


@pytest.mark.parametrize("paths", SHIPPED, ids=lambda paths: "+".join(path.stem for path in paths))
def test_it_starts_and_stops_cleanly(paths: list[Path], tmp_path: Path) -> None:
    """On ports that are free here."""
    arguments = []
    for path in paths:
        text = path.read_text()
        ports = sorted(set(PORT.findall(text)))
        for port, free in zip(ports, free_ports(len(ports)), strict=True):
            text = re.sub(rf"(?<=[:}}]){port}\b", str(free), text)
        copy = tmp_path / path.name
        copy.write_text(text)
        arguments += ["--config", str(copy)]
    with running(*arguments, env={"WEIR_HOST": "127.0.0.1", "STATE_DIRECTORY": str(tmp_path)}) as weir:
        assert terminate(weir) == 0
