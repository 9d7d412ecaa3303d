"""A directory of queues: one process owns it, names cannot leave it, damage is put aside."""

from pathlib import Path
from typing import Any

import pytest

from pipeline.api import Settings
from pipeline.errors import ConfigError
from pipeline.exporters.queued import Request
from pipeline.extensions.file_storage import FileStorage
from pipeline.model.meter import Meter
from pipeline.telemetry import ComponentTelemetry, OwnMetrics
from pipeline.testing import FakeClock


class Storage:
    """An extension with what it counts for an exporter."""

    def __init__(self, directory: Path, **config: Any) -> None:
        clock = FakeClock()
        self.own = OwnMetrics()
        self.exporter = ComponentTelemetry("exporter", "otlp", clock, self.own)
        checked = FileStorage.Config.model_validate({"directory": str(directory), **config})
        self.extension = FileStorage(checked, Settings("file_storage", clock, Meter("x", clock), self.exporter))

    def __enter__(self) -> "Storage":
        self.extension.start(None)  # type: ignore[arg-type]  # needs no host
        return self

    def __exit__(self, *error: object) -> None:
        self.extension.shutdown()
        self.extension.shutdown()

    def open(self, name: str = "otlp_traces") -> Any:
        return self.extension.open(name, self.exporter)


def test_queues_of_different_exporters_are_apart(tmp_path: Path) -> None:
    names = ["otlp_traces", "otlp_logs", "otlp/a_traces", "otlp/../../b_traces", "otlp~2f~a_traces"]
    with Storage(tmp_path / "queues") as storage:
        stores = [storage.open(name) for name in names]
        for store, name in zip(stores, names, strict=True):
            store.append(Request(name.encode(), 1))
            store.close()
        for name in names:
            store = storage.open(name)
            assert store.take().payload == name.encode()
            store.close()
    assert {path.name for path in tmp_path.iterdir()} == {"queues"}


def test_a_queue_that_cannot_be_read_is_put_aside_and_begins_empty(tmp_path: Path) -> None:
    for _ in range(2):
        with Storage(tmp_path) as storage:
            storage.open().close()
            data = tmp_path / "otlp_traces" / "data.mdb"
            data.write_bytes(b"damaged!" * 4096)
            store = storage.open()
            assert len(store) == 0
            store.append(Request(b"a", 1))
            store.close()
    assert (tmp_path / "otlp_traces.quarantined" / "data.mdb").read_bytes().startswith(b"damaged!")


def test_two_processes_do_not_share_a_directory(tmp_path: Path) -> None:
    with Storage(tmp_path), pytest.raises(ConfigError, match="another process uses the directory"):
        Storage(tmp_path).extension.start(None)  # type: ignore[arg-type]
    with Storage(tmp_path):
        pass


def test_a_directory_that_is_not_to_be_made_must_be_there(tmp_path: Path) -> None:
    storage = Storage(tmp_path / "absent", create_directory=False)
    with pytest.raises(ConfigError, match="does not exist; make it, or set create_directory: true"):
        storage.extension.start(None)  # type: ignore[arg-type]


def test_the_keys_of_the_collector_are_taken(tmp_path: Path) -> None:
    keys: Any = {"timeout": "10s", "fsync": True, "compaction": {"on_start": True, "directory": "/tmp/x"}}  # noqa: S108
    with Storage(tmp_path, **keys) as storage:
        storage.open().close()
