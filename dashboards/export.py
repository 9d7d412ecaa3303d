"""Gives out the compiled dashboards, adjusted to a Grafana. Needs nothing but the standard library."""

from __future__ import annotations

import json
from collections.abc import Iterator
from importlib.resources import files
from pathlib import Path
from typing import Any, Literal

Edition = Literal["provisioning", "import"]
VARIABLE = "${datasource}"
INPUT = "${DS_PROMETHEUS}"
INPUTS = [
    {
        "name": "DS_PROMETHEUS",
        "label": "Prometheus",
        "description": "Where Weir's metrics are",
        "type": "datasource",
        "pluginId": "prometheus",
        "pluginName": "Prometheus",
    }
]
REQUIRES = [
    {"type": "grafana", "id": "grafana", "name": "Grafana", "version": "10.0.0"},
    {"type": "datasource", "id": "prometheus", "name": "Prometheus", "version": "1.0.0"},
]


def export(
    flavour_id: str, directory: Path, *, edition: Edition = "provisioning", datasource: str = "", min_step: str = ""
) -> list[Path]:
    """Write the dashboards of an edition.

    Args:
        flavour_id: ``Flavour.id``.
        directory: Made where missing; files of the same names are replaced.
        edition: ``provisioning`` keeps the variable for the data source; ``import`` asks for it on import.
        datasource: uid of the data source that is chosen at first; not for ``import``.
        min_step: Chosen at first, such as ``15s``.
    Returns:
        The files.
    """
    directory.mkdir(parents=True, exist_ok=True)
    written = []
    for slug, text in compiled(flavour_id):
        dashboard = json.loads(text.replace(VARIABLE, INPUT) if edition == "import" else text)
        _choose(dashboard, datasource, min_step)
        if edition == "import":
            variables = dashboard["templating"]["list"]
            dashboard["templating"]["list"] = [v for v in variables if v["name"] != "datasource"]
            dashboard = {"__inputs": INPUTS, "__requires": REQUIRES, **dashboard}
        path = directory / f"{slug}.json"
        path.write_text(json.dumps(dashboard, indent=1, ensure_ascii=False) + "\n")
        written.append(path)
    return written


def compiled(flavour_id: str) -> Iterator[tuple[str, str]]:
    """Slug and JSON of the dashboards of an edition, as they were built."""
    folder = files("dashboards") / "compiled" / flavour_id
    for entry in sorted(folder.iterdir(), key=lambda entry: entry.name):
        yield entry.name.removesuffix(".json"), entry.read_text()


def _choose(dashboard: dict[str, Any], datasource: str, min_step: str) -> None:
    for variable in dashboard["templating"]["list"]:
        if variable["name"] == "datasource" and datasource:
            variable["current"] = {"selected": True, "text": datasource, "value": datasource}
        if variable["name"] == "min_step" and min_step:
            options = [option["value"] for option in variable["options"]]
            steps = [min_step, *(option for option in options if option != min_step)]
            variable["query"] = ",".join(steps)
            variable["current"] = {"selected": True, "text": min_step, "value": min_step}
            variable["options"] = [{"selected": step == min_step, "text": step, "value": step} for step in steps]
