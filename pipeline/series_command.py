"""``weir series``: how many series a running Weir keeps, and which label makes them many."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

import typer

from pipeline.admin_client import DEFAULT, Endpoint, Json, ask_admin, say


def series(endpoint: Endpoint = DEFAULT, as_json: Json = False) -> None:
    """Which label has too many values: series of each component, and how few there were without a label."""
    tables = ask_admin(endpoint, "GET", "series")["tables"]
    if as_json:
        typer.echo(json.dumps(tables, indent=2, ensure_ascii=False))
        return
    for table in tables:
        for line in _lines(table):
            say(line)
    if not tables:
        typer.echo("no series")


def _lines(table: Mapping[str, Any]) -> Iterator[str]:
    at_limit = ", at a limit: new ones are counted together" if table["overflow"] else ""
    yield f"{table['scope']}: {table['series']} series{at_limit}  ({', '.join(table['metrics'])})"
    yield f"  {'label':<32} {'values':>8} {'series without it':>18}  examples"
    for label in table["labels"]:
        examples = ", ".join(label["examples"])
        yield f"  {label['label']:<32} {label['values']:>8} {label['series_without']:>18}  {examples}"
