"""What survives a restart, a crash, and files that are not what they claim to be."""

import json
import multiprocessing
import pickle
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from pipeline.api import Processor, Settings, SpanBatch
from pipeline.errors import ConfigError
from pipeline.service.engine import Engine
from pipeline.testing import FakeClock, span_batch
from tests.unit.service.parts import PARTS, Count, engine_of, feed

CONFIG = """
receivers: {feed: }
connectors: {count: , learn/1: }
exporters: {pull: }
service:
  pipelines:
    traces: {receivers: [feed], exporters: [count, learn/1]}
    metrics: {receivers: [count, learn/1], exporters: [pull]}
"""


class Sums(Count):
    """Has state that goes with its counters."""

    saved_while_running = False

    def __init__(self, config: Any, settings: Settings) -> None:
        super().__init__(config, settings)
        self.total = 0

    def process_traces(self, spans: SpanBatch) -> SpanBatch:
        self.total += len(spans)
        return super().process_traces(spans)

    def snapshot(self) -> bytes:
        return str(self.total).encode()

    def restore(self, state: bytes) -> None:
        self.total = int(state)


class Learn(Processor):
    """Remembers the names of spans."""

    emits_metrics = True
    reads = ("name",)

    def __init__(self, config: Any, settings: Settings) -> None:
        self.names: list[str] = []
        settings.meter.gauge("unused")

    def process_traces(self, spans: SpanBatch) -> SpanBatch:
        self.names += [name or "" for name in spans["name"].tolist()]
        return spans

    def snapshot(self) -> Callable[[], bytes]:
        names = list(self.names)
        return lambda: json.dumps(names).encode()

    def restore(self, state: bytes) -> None:
        for name in json.loads(state):
            if name == "poison":
                raise ValueError("no")
            self.names.append(name)


@pytest.fixture(autouse=True)
def _learn(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(PARTS["connectors"], "learn", Learn)
    monkeypatch.setitem(PARTS["connectors"], "count", Sums)


def engine_in(directory: Path, clock: FakeClock | None = None) -> Engine:
    return engine_of(CONFIG, clock, f"service: {{checkpoint: {{directory: {directory}}}}}")


def run(directory: Path, spans: SpanBatch | None = None) -> dict[str, Any]:
    """One life: what was there at the start, then some spans, then a clean stop."""
    engine = engine_in(directory)
    engine.start()
    found = seen(engine)
    if spans is not None:
        feed(engine, spans)
    engine.stop(0.0)
    return found


def seen(engine: Engine) -> dict[str, Any]:
    learn: Any = engine.graph.processors["connectors", "learn/1"]
    calls = {point.labels["span.name"]: point.value for s in engine.collect("pull") for point in s.points()}
    sums: Any = engine.graph.processors["connectors", "count"]
    assert sums.total == sum(calls.values())
    return {"learnt": list(learn.names), "counted": calls}


def restores(engine: Engine, outcome: str) -> float:
    return engine.metrics.value("weir_checkpoint_restores", outcome=outcome)


def newest(directory: Path) -> Path:
    (path,) = directory.glob("connectors-learn*.checkpoint")
    return path


def abandon(directory: Path) -> None:
    """A process that learns, saves, learns more, and is killed."""
    engine = engine_in(directory)
    engine.start()
    feed(engine, span_batch(1, name="saved"))
    assert engine._checkpoints is not None
    assert engine._checkpoints.save()
    feed(engine, span_batch(1, name="lost"))


def test_a_clean_restart_loses_nothing(tmp_path: Path) -> None:
    assert run(tmp_path, span_batch(3, name="a")) == {"learnt": [], "counted": {}}
    assert run(tmp_path, span_batch(2, name="a")) == {"learnt": ["a"] * 3, "counted": {"a": 3}}
    assert run(tmp_path) == {"learnt": ["a"] * 5, "counted": {"a": 5}}
    assert not (tmp_path / "running").exists()


def test_after_a_crash_knowledge_is_as_of_the_last_checkpoint_and_counters_start_anew(tmp_path: Path) -> None:
    run(tmp_path, span_batch(4, name="before"))
    child = multiprocessing.get_context("fork").Process(target=abandon, args=(tmp_path,))
    child.start()
    child.join()
    assert (tmp_path / "running").exists()
    # older counters than Prometheus has seen would look like a reset to a high value
    assert run(tmp_path) == {"learnt": ["before"] * 4 + ["saved"], "counted": {}}
    assert run(tmp_path)["learnt"] == ["before"] * 4 + ["saved"]


class Bomb:
    def __reduce__(self) -> Any:
        return (exec, ("raise SystemExit('executed')",))


def a_later_format(data: bytes) -> bytes:
    return b"WEIRCKP2" + data[8:]


@pytest.mark.parametrize(
    "damage",
    [
        lambda _: b"",
        lambda _: pickle.dumps(Bomb()),
        lambda data: data[:-1],
        lambda data: data[: len(data) // 2],
        lambda data: data[:40] + bytes([data[40] ^ 1]) + data[41:],
        a_later_format,
    ],
    ids=["empty", "a pickle", "one byte short", "half", "one bit", "a later format"],
)
def test_a_damaged_file_is_put_aside_and_the_one_before_it_is_taken(
    tmp_path: Path, damage: Callable[[bytes], bytes]
) -> None:
    run(tmp_path, span_batch(1, name="old"))
    run(tmp_path, span_batch(1, name="new"))
    path = newest(tmp_path)
    path.write_bytes(damage(path.read_bytes()))
    engine = engine_in(tmp_path)
    assert seen(engine)["learnt"] == ["old"]
    assert (restores(engine, "quarantined"), restores(engine, "previous")) == (1, 1)
    assert path.with_suffix(".quarantined").exists()
    engine.start()
    engine.stop(0.0)


def test_counters_of_an_older_generation_are_not_taken(tmp_path: Path) -> None:
    for _ in range(2):
        run(tmp_path, span_batch(1, name="a"))
    (path,) = tmp_path.glob("connectors-count.checkpoint")
    path.write_bytes(b"")
    assert run(tmp_path)["counted"] == {}


def test_state_that_the_component_refuses_half_way_leaves_a_new_one(tmp_path: Path) -> None:
    run(tmp_path, span_batch(spans=[{"name": "fine"}, {"name": "poison"}], columns=["name"]))
    assert run(tmp_path, span_batch(1, name="b")) == {"learnt": [], "counted": {"fine": 1, "poison": 1}}
    assert run(tmp_path)["learnt"] == ["b"]


def test_state_of_another_version_is_put_aside(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run(tmp_path, span_batch(1, name="a"))
    monkeypatch.setattr(Learn, "state_version", "2")
    assert run(tmp_path)["learnt"] == []
    monkeypatch.setattr(Learn, "state_version", "1")
    assert len(list(tmp_path.glob("connectors-learn*.quarantined"))) == 1


def test_two_processes_do_not_share_a_directory(tmp_path: Path) -> None:
    engine = engine_in(tmp_path)
    with pytest.raises(
        ConfigError, match=r"service\.checkpoint\.directory: another process uses .*; give each its own"
    ):
        engine_in(tmp_path)
    engine.start()
    engine.stop(0.0)


def test_a_directory_that_cannot_be_is_an_error_with_its_place(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigError, match=r"service\.checkpoint\.directory: cannot use the directory"):
        engine_in(tmp_path / "file")


def test_others_cannot_read_what_is_saved(tmp_path: Path) -> None:
    run(tmp_path / "new", span_batch(1))
    assert stat.S_IMODE((tmp_path / "new").stat().st_mode) == 0o700
    assert {stat.S_IMODE(path.stat().st_mode) for path in (tmp_path / "new").iterdir()} == {0o600}


def test_a_full_disk_is_counted_and_nothing_else_happens(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    engine = engine_in(tmp_path)
    engine.start()
    checkpoints = engine._checkpoints
    assert checkpoints is not None
    feed(engine, span_batch(1, name="a"))
    with monkeypatch.context() as patch:

        def full(*_: Any) -> int:
            raise OSError(28, "No space left on device")

        patch.setattr(checkpoints._store, "write", full)
        assert not checkpoints.save()
        assert engine.metrics.value("weir_checkpoint_writes", outcome="failure") == 1
    assert feed(engine, span_batch(1, name="b")).accepted == 1
    assert checkpoints.save()
    assert engine.metrics.value("weir_checkpoint_last_unix_seconds") > 0
    engine.stop(0.0)


@pytest.mark.parametrize(
    "mistake",
    ["processors: {step: {reads: [nothing]}}", "exporters: {broken: }"],
    ids=["a component refuses its configuration", "a component cannot start"],
)
def test_a_start_that_fails_does_not_make_the_last_stop_unclean(tmp_path: Path, mistake: str) -> None:
    run(tmp_path, span_batch(2, name="a"))
    kind, _, definition = mistake.partition(": ")
    role = "processors: [step], exporters: [count]" if kind == "processors" else "exporters: [broken]"
    more = f"""
{kind}: {definition}
service:
  checkpoint: {{directory: {tmp_path}}}
  pipelines: {{traces/2: {{receivers: [feed], {role}}}}}
"""
    with pytest.raises(ConfigError):
        engine_of(CONFIG, more=more).start()
    assert run(tmp_path)["counted"] == {"a": 2}
