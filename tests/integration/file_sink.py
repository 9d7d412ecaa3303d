"""An exporter that writes to a file what reaches it, as a plug-in of a Weir in a process of its own."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

from pipeline.api import ComponentConfig, Exporter, MetricBatch, Settings, SpanBatch

ROOT = Path(__file__).parents[2]


class FileSink(Exporter):
    """Trace ids in hex, a line each, to ``spans``; the newest value of each counter, as JSON, to ``metrics``."""

    class Config(ComponentConfig):
        spans: str
        metrics: str

    signals = ("traces", "metrics")
    reads = ("trace_id",)

    def __init__(self, config: Config, settings: Settings) -> None:
        self._config = config

    def start(self, collect: Any) -> None:
        """Open."""
        self._file = os.open(self._config.spans, os.O_WRONLY | os.O_CREAT | os.O_APPEND)

    def export_traces(self, spans: SpanBatch) -> None:
        """Append; in the file on return."""
        os.write(self._file, b"".join(b"%s\n" % bytes(row).hex().encode() for row in spans["trace_id"]))

    def export_metrics(self, metrics: MetricBatch) -> None:
        """Replace."""
        values = [[point.name, point.labels, point.value] for point in metrics.points()]
        with Path(self._config.metrics).open("a") as file:
            file.write(json.dumps(values) + "\n")


def install(folder: Path) -> dict[str, str]:
    """Environment of a process that has the exporter ``file_sink``."""
    package = folder / "weir_file_sink-1.0.dist-info"
    package.mkdir(parents=True)
    (package / "METADATA").write_text("Metadata-Version: 2.1\nName: weir-file-sink\nVersion: 1.0\n")
    (package / "entry_points.txt").write_text("[weir.exporters]\nfile_sink = tests.integration.file_sink:FileSink\n")
    return {"PYTHONPATH": os.pathsep.join([str(folder), str(ROOT)])}
