"""Dependencies point one way: model ← codec ← api ← processors; only service and the command line know everything."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

ALLOWED: dict[str, tuple[str, ...]] = {
    "pipeline.errors": (),
    "pipeline.native": (),
    "pipeline.memory": (),
    "pipeline.wire_format": (),
    "pipeline.model": ("pipeline.model", "pipeline.errors", "pipeline.memory", "pipeline.wire_format"),
    "pipeline.codec": (
        "pipeline.codec",
        "pipeline.model",
        "pipeline.errors",
        "pipeline.memory",
        "pipeline.wire_format",
    ),
    "pipeline.ottl": ("pipeline.ottl", "pipeline.model", "pipeline.errors", "pipeline.memory"),
    "pipeline.api": ("pipeline.model", "pipeline.errors"),
    "pipeline.config": (
        "pipeline.config",
        "pipeline.api",
        "pipeline.errors",
        "pipeline.telemetry.config",
    ),
    "pipeline.telemetry": (
        "pipeline",
        "pipeline.telemetry",
        "pipeline.api",
        "pipeline.errors",
        "pipeline.http_server",
    ),
    "processors": (
        "processors",
        "pipeline.api",
        "pipeline.config.durations",
        "pipeline.config.secrets",
        "pipeline.memory",
        "pipeline.model",
        "pipeline.ottl",
        "pipeline.telemetry.process",
        "pipeline.wire_format",
    ),
}
"""Package → what it may import of ours. The longest name that fits a module counts."""

EVERYTHING = ("pipeline.service", "pipeline.cli", "pipeline.__main__", "pipeline.demo")
"""These may import anything; of all others, none may import ``pipeline.service`` or the command line."""


def modules() -> list[str]:
    return sorted(
        ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")
        for package in ("pipeline", "processors")
        for path in (ROOT / package).rglob("*.py")
    )


def imports(module: str) -> Iterator[str]:
    """Our modules that a module imports, at its top or inside functions, but not for type checking alone."""
    path = ROOT.joinpath(*module.split("."))
    path = path / "__init__.py" if path.is_dir() else path.with_suffix(".py")
    skipped: set[ast.AST] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.dump(node.test):
            skipped.update(inner for statement in node.body for inner in ast.walk(statement))
        if node in skipped:
            continue
        names = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module:
            names = [node.module]
            if node.module in {"pipeline", "processors", "pipeline.codec", "pipeline.model"}:
                # `from pipeline import native` imports a module, `from pipeline import __version__` does not.
                submodules = [f"{node.module}.{alias.name}" for alias in node.names]
                names = [name for name in submodules if name in KNOWN] or [node.module]
        yield from (name for name in names if name.partition(".")[0] in {"pipeline", "processors"})


KNOWN = set(modules())


def fits(name: str, prefix: str) -> bool:
    return name == prefix or (name.startswith(f"{prefix}.") and prefix != "pipeline")


@pytest.mark.parametrize("module", sorted(KNOWN))
def test_a_module_imports_only_what_its_layer_may(module: str) -> None:
    layer = max((name for name in ALLOWED if fits(module, name)), key=len, default=None)
    for imported in imports(module):
        if layer is not None:
            assert any(fits(imported, allowed) for allowed in ALLOWED[layer]), f"{module} imports {imported}"
        elif not any(fits(module, name) for name in EVERYTHING):
            assert not any(fits(imported, name) for name in EVERYTHING), f"{module} imports {imported}"
