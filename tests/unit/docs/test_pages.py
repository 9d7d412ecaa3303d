"""What the pages show works: links lead somewhere, Python runs, YAML is accepted."""

import re
from pathlib import Path
from typing import Any

import pytest

from pipeline.config.check import check
from pipeline.config.load import load_document
from pipeline.service.registry import Registry

ROOT = Path(__file__).parents[3]
PAGES = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), *ROOT.glob("examples/**/*.md")])
LINK = re.compile(r"\[[^\]]*\]\(([^)\s#]+)(?:#[^)]*)?\)")
BLOCK = re.compile(r"^```(\w+)\n(.*?)^```", re.MULTILINE | re.DOTALL)


def blocks(page: Path, language: str) -> list[str]:
    return [text for found, text in BLOCK.findall(page.read_text()) if found == language]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_somewhere(page: Path) -> None:
    targets = [link for link in LINK.findall(page.read_text()) if "://" not in link]
    assert [target for target in targets if not (page.parent / target).exists()] == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_complete_configurations_have_no_mistakes(page: Path) -> None:
    for text in blocks(page, "yaml"):
        if "\nservice:" in text:
            assert check(load_document([f"yaml:{text}"]), Registry()).warnings == []


@pytest.mark.parametrize("name", ["docs/writing-a-processor.md", "README.md"])
def test_python_runs_and_its_tests_pass(name: str) -> None:
    """The blocks of a page are one module: later ones use what earlier ones define."""
    module: dict[str, Any] = {"__name__": "page"}
    for text in blocks(ROOT / name, "python"):
        exec(compile(text, name, "exec"), module)  # noqa: S102 - our own page
    for key, value in list(module.items()):
        if key.startswith("test_"):
            value()
