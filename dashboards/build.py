"""``python -m dashboards.build``: write ``compiled`` anew. A test does the same and compares."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

from grafana_foundation_sdk.cog.encoder import JSONEncoder

from dashboards.source import anomalies, fleet, pipeline_self, service, service_map, slo
from pipeline.promql.flavour import Flavour, Histograms, Naming, Unit

COMPILED = Path(__file__).parent / "compiled"
SOURCES = {
    "fleet": fleet,
    "service": service,
    "map": service_map,
    "anomalies": anomalies,
    "slo": slo,
    "self": pipeline_self,
}
SPELLINGS: tuple[tuple[Naming, Unit], ...] = (("otelcol", "s"), ("otelcol", "ms"), ("tempo", "s"))
HISTOGRAMS: tuple[Histograms, ...] = ("classic", "native")
FLAVOURS = tuple(Flavour(naming, unit, histograms) for naming, unit in SPELLINGS for histograms in HISTOGRAMS)


def compiled(flavour: Flavour) -> Iterator[tuple[str, str]]:
    """Slug and JSON of each dashboard of an edition."""
    for slug, source in SOURCES.items():
        text = JSONEncoder(sort_keys=True, indent=1).encode(source.build(flavour))
        yield slug, json.dumps(json.loads(text), indent=1, ensure_ascii=False, sort_keys=True) + "\n"


def main() -> None:
    """Write all editions."""
    for flavour in FLAVOURS:
        folder = COMPILED / flavour.id
        folder.mkdir(parents=True, exist_ok=True)
        for slug, text in compiled(flavour):
            (folder / f"{slug}.json").write_text(text)


if __name__ == "__main__":
    main()
