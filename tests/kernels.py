"""The native modules of the model, compiled and uncompiled side by side."""

from __future__ import annotations

import importlib
import importlib.util
import sys
from functools import cache
from importlib.machinery import SourceFileLoader
from pathlib import Path
from types import ModuleType

import pytest

from pipeline.model import exemplars, instruments, key_store, resources, series

SHARED = (
    "pipeline.memory",
    "pipeline.wire_format",
    "pipeline.codec.edit_table",
    "pipeline.codec.body_writer",
    "pipeline.codec.number_text",
    "pipeline.codec.utf8",
    "pipeline.codec.series_labels",
    "pipeline.codec.wire_checks",
    "pipeline.model.accumulate",
    "processors.service_graph.edge_rows",
    "pipeline.model.key_hash",
    "pipeline.model.key_text",
    "pipeline.model.key_index",
    "pipeline.model.label_cells",
    "processors.service_graph.trace_counters",
    "processors.service_graph.half_slots",
    "processors.service_graph.pairing",
)
"""What native modules share with others, each after those that it needs itself."""
MODES = ("compiled", "uncompiled")


@cache
def uncompiled(name: str) -> ModuleType:
    """The Python source of a native module, whatever is installed."""
    module = importlib.import_module(name)
    source = Path(str(module.__file__)).with_name(name.rpartition(".")[2] + ".py")
    loader = SourceFileLoader(f"{name}_uncompiled", str(source))
    spec = importlib.util.spec_from_file_location(loader.name, source, loader=loader)
    assert spec is not None
    loaded = importlib.util.module_from_spec(spec)
    # What it shares with other native modules has to be uncompiled as well.
    needed = SHARED[: SHARED.index(name)] if name in SHARED else SHARED
    for shared in needed:
        importlib.import_module(shared)  # compiled ones find each other
    with pytest.MonkeyPatch.context() as patch:
        for shared in needed:
            patch.setitem(sys.modules, shared, uncompiled(shared))
            patch.setattr(shared, uncompiled(shared))
        loader.exec_module(loaded)
    return loaded


def use(mode: str, patch: pytest.MonkeyPatch) -> None:
    """Let new tables and instruments take the kernels of this mode."""
    if mode == "compiled":
        return
    patch.setattr(key_store, "KeyIndex", uncompiled("pipeline.model.key_index").KeyIndex)
    patch.setattr(series, "LabelCells", uncompiled("pipeline.model.label_cells").LabelCells)
    patch.setattr(series, "RowFinder", uncompiled("pipeline.model.row_finder").RowFinder)
    for module in (series, resources):
        patch.setattr(module, "label_bytes", uncompiled("pipeline.model.key_text").label_bytes)
    patch.setattr(instruments, "accumulate", uncompiled("pipeline.model.accumulate"))
    patch.setattr(exemplars, "offer", uncompiled("pipeline.model.exemplar_sampling").offer)
