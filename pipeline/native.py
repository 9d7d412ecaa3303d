"""Which modules are native, and whether they run compiled.

The hot loops are ordinary ``.py`` files in Cython's pure Python mode: compiled at installation where a C compiler
exists, interpreted where none does. Both are tested; ``WEIR_PURE_PYTHON=1`` forces the interpreted ones.
"""

import importlib.util
import os
import sys
from collections.abc import Sequence
from importlib.machinery import ModuleSpec, PathFinder, SourceFileLoader
from pathlib import Path
from types import ModuleType

MODULES = (
    "pipeline.memory",
    "pipeline.wire_format",
    "pipeline.codec.edit_table",
    "pipeline.codec.body_writer",
    "pipeline.codec.request_writer",
    "pipeline.codec.point_checks",
    "pipeline.codec.point_fields",
    "pipeline.codec.point_writer",
    "pipeline.codec.utf8",
    "pipeline.codec.wire_checks",
    "pipeline.codec.wire",
    "pipeline.codec.number_text",
    "pipeline.codec.series_labels",
    "pipeline.codec.prometheus_text",
    "pipeline.codec.remote_write_rows",
    "pipeline.model.accumulate",
    "pipeline.model.dictionary",
    "pipeline.model.exemplar_sampling",
    "pipeline.model.exponential_sum",
    "pipeline.model.key_hash",
    "pipeline.model.key_text",
    "pipeline.model.key_index",
    "pipeline.model.label_cells",
    "pipeline.model.row_finder",
    "pipeline.model.scan",
    "pipeline.ottl.decide",
    "processors.anomaly.robust_kernel",
    "processors.anomaly.span_join",
    "processors.anomaly.span_sums",
    "processors.anomaly.span_words",
    "processors.deltatocumulative.known_streams",
    "processors.service_graph.edge_recorder",
    "processors.service_graph.edge_rows",
    "processors.service_graph.edge_store",
    "processors.service_graph.half_slots",
    "processors.service_graph.halves",
    "processors.service_graph.pairing",
    "processors.service_graph.trace_counters",
)


class _SourceFinder:
    """Import finder that prefers the ``.py`` of a native module over its compiled twin."""

    @staticmethod
    def find_spec(name: str, path: Sequence[str] | None = None, target: ModuleType | None = None) -> ModuleSpec | None:
        if name not in MODULES:
            return None
        found = PathFinder.find_spec(name, path, target)
        if found is None or found.origin is None:
            return found
        source = Path(found.origin).with_name(name.rpartition(".")[2] + ".py")
        return importlib.util.spec_from_file_location(name, source, loader=SourceFileLoader(name, str(source)))


def force_pure_python() -> None:
    """Make later imports of native modules take their Python source."""
    if not any(finder is _SourceFinder for finder in sys.meta_path):
        sys.meta_path.insert(0, _SourceFinder)


def uncompiled_modules() -> list[str]:
    """Names of native modules that would run, or run, as plain Python."""
    loaded = {name: sys.modules.get(name) for name in MODULES}
    return [name for name, module in loaded.items() if module is not None and str(module.__file__).endswith(".py")]


if os.environ.get("WEIR_PURE_PYTHON") == "1":
    force_pure_python()
