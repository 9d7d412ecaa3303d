"""``make bench``: measure, print a table, write ``benchmarks/results/latest.jsonl``.

make bench                            everything; about a quarter of an hour, and the machine should be idle
make bench ARGS="--only decode"       the groups whose name contains a word
make bench ARGS=--quick               a smoke run: the figures mean nothing
make bench ARGS=--peers               also the Go Collector, built for the purpose (needs go and its module proxy)
"""

from __future__ import annotations

import argparse
import importlib
import platform
import sys
import tempfile
from importlib.metadata import version
from pathlib import Path

from rich.console import Console
from rich.table import Table

from benchmarks.measure import MICRO, Group, Row, Settings
from benchmarks.processes import machine
from pipeline.native import uncompiled_modules

RESULTS = Path(__file__).parent / "results" / "latest.jsonl"
GROUPS = {
    "decode": "benchmarks.micro.decode",
    "processors": "benchmarks.micro.processors",
    "filter": "benchmarks.micro.filter",
    "edits": "benchmarks.micro.edits",
    "deltas": "benchmarks.micro.deltas",
    "anomaly": "benchmarks.micro.anomaly",
    "custom processor": "benchmarks.micro.custom_processor",
    "exposition": "benchmarks.micro.exposition",
    "remote write": "benchmarks.micro.remote_write",
    "series memory": "benchmarks.micro.series_memory",
    "transport": "benchmarks.cases.transport",
    "pass-through": "benchmarks.cases.pass_through",
    "scrape": "benchmarks.cases.scrape",
    "resident memory": "benchmarks.cases.resident_memory",
}
PEERS = {"peers": "benchmarks.peers.collector"}
LIBRARIES = ("Cython", "granian", "grpcio", "numpy", "prometheus_client", "protobuf")


def main() -> int:
    """Measure what was asked for; 1 if a limit does not hold, except in a smoke run."""
    parser = argparse.ArgumentParser(prog="make bench", description="Measure Weir beside its yardsticks.")
    parser.add_argument(
        "--quick", action="store_true", help="a smoke run: everything is exercised, the figures mean nothing"
    )
    parser.add_argument("--only", default="", metavar="WORD", help="groups whose name contains WORD")
    parser.add_argument("--peers", action="store_true", help="also the Go Collector, built for the purpose")
    arguments = parser.parse_args()

    groups = GROUPS | (PEERS if arguments.peers else {})
    chosen = {name: module for name, module in groups.items() if arguments.only in name}
    if not chosen:
        parser.error(f"no group contains {arguments.only!r}: {', '.join(groups)}")
    about = environment()
    console = Console(width=None if sys.stdout.isatty() else 150)
    console.print("  ".join(f"{name} {value}" for name, value in about.items()), highlight=False)
    if uncompiled_modules():
        console.print(f"not compiled: {', '.join(uncompiled_modules())}", style="bold red")

    rows: list[Row] = []
    with tempfile.TemporaryDirectory(prefix="weir-bench-") as scratch:
        settings = Settings(arguments.quick, Path(scratch))
        for name, module in chosen.items():
            console.print(f"measuring {name} …", style="dim")
            group: Group = importlib.import_module(module).group
            rows.extend(group(settings))
    console.print(table(rows))
    RESULTS.parent.mkdir(exist_ok=True)
    RESULTS.write_text("".join(row.line({**about, "quick": arguments.quick}) + "\n" for row in rows))
    console.print(
        f"written to {RESULTS.relative_to(Path.cwd())}" if RESULTS.is_relative_to(Path.cwd()) else str(RESULTS)
    )
    return 0 if arguments.quick or all(row.ok is not False for row in rows) else 1


def environment() -> dict[str, object]:
    """Return the machine and the versions."""
    versions = {name: version(name) for name in LIBRARIES}
    return {**machine(), "python": platform.python_version(), **versions, "otel-weir": version("otel-weir")}


def table(rows: list[Row]) -> Table:
    """Return the rows for a person."""
    shown = Table(box=None, pad_edge=False)
    shown.add_column("measurement", overflow="fold")
    for heading in ("value", "unit", "items/s/core", "yardstick", "ratio", "limit"):
        shown.add_column(heading, justify="right", no_wrap=True)
    shown.add_column("")
    shown.add_column("yardstick is", overflow="fold")
    for row in rows:
        verdict = {True: "[green]ok[/]", False: "[red]short[/]", None: ""}[row.ok]
        limit = number(row.limit) if row.limit is not None else number(row.limit_value)
        per_core = f"{MICRO / row.value:,.0f}" if row.unit.startswith("µs/") and row.value > 0 else ""
        cells = (number(row.value), row.unit, per_core, number(row.yardstick), number(row.ratio), limit)
        shown.add_row(row.name, *cells, verdict, row.against)
    return shown


def number(value: float | None) -> str:
    """Write a figure with three digits."""
    if value is None:
        return ""
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}"


if __name__ == "__main__":
    sys.exit(main())
