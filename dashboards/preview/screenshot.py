"""Pictures of pages by a headless Chromium."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

PROGRAMS = ("chromium", "chromium-browser", "google-chrome")
HOW_TO_GET = "no screenshots: needs chromium or google-chrome (Debian and Ubuntu: apt-get install chromium)"
TIMEOUT_S = 120


def program() -> str | None:
    """The browser, if there is one."""
    return next((found for name in PROGRAMS if (found := shutil.which(name))), None)


def shoot(html: Path, png: Path, width: int, height: int) -> None:
    """Draw a page.

    Raises:
        FileNotFoundError: There is no browser.
        subprocess.CalledProcessError: It failed.
    """
    browser = program()
    if browser is None:
        raise FileNotFoundError(HOW_TO_GET)
    # Without the sandbox, since the page is our own and containers often lack what the sandbox needs.
    flags = ["--headless=new", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", "--force-device-scale-factor=1"]
    command = [browser, *flags, f"--window-size={width},{height}", f"--screenshot={png}", html.as_uri()]
    subprocess.run(command, check=True, capture_output=True, timeout=TIMEOUT_S)
