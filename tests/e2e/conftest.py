"""Software that several end-to-end tests share."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

NODE = Path(__file__).parent / "node"
HOW = "Debian and Ubuntu: apt-get install nodejs npm; else nodejs.org/download"


@pytest.fixture(scope="session")
def node_programs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the programs that send, with the Node SDK installed beside them."""
    if shutil.which("npm") is None:
        pytest.skip(f"needs node and npm ({HOW})")
    folder = tmp_path_factory.mktemp("node")
    for path in NODE.iterdir():
        if path.is_file():
            shutil.copy(path, folder)
    command = ["npm", "install", "--no-audit", "--no-fund", "--no-update-notifier", "--loglevel=error"]
    try:
        install = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False, timeout=300)
    except subprocess.TimeoutExpired:
        pytest.skip("npm install took too long; is a package registry reachable?")
    if install.returncode:
        pytest.skip(f"npm install of the Node SDK failed; is a package registry reachable?\n{install.stderr[-500:]}")
    return folder
