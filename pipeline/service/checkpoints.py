"""State that survives the process: what is saved when, and what a start takes up.

===============================  ==================================  ============================
..                               saved                               taken up
===============================  ==================================  ============================
what a processor has learnt      every ``interval`` and at the end   always
other state, and instruments     at the end                          after a clean stop
===============================  ==================================  ============================

Counters of half a minute ago would be worse than none: to Prometheus a counter that has become smaller has been reset,
and ``rate`` takes the whole of its value for new. After a crash they start at 0, with a new created timestamp.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping

from pipeline.api import Clock, Meter, Processor
from pipeline.config.check import Key
from pipeline.service.checkpoint import Checkpoint, CheckpointStore, Written
from pipeline.telemetry import ComponentTelemetry

RESTORES = "weir_checkpoint_restores"
WRITES = "weir_checkpoint_writes"


class Checkpoints:
    """Saves and restores the processors of an engine.

    Args:
        store: Where.
        interval_s: How often while running; None: not at all.
        clock: Time.
        telemetry: Of the service.
        lock: The engine's; held while a processor gives its state, not while that is encoded and written.
    """

    def __init__(
        self,
        store: CheckpointStore,
        interval_s: float | None,
        clock: Clock,
        telemetry: ComponentTelemetry,
        lock: threading.Lock,
    ) -> None:
        self._store = store
        self._interval_s = interval_s
        self._clock = clock
        self._telemetry = telemetry
        self._lock = lock
        self._processors: Mapping[Key, Processor] = {}
        self._meters: Mapping[Key, Meter] = {}
        self._stopping = threading.Event()
        self._started = False
        self._thread: threading.Thread | None = None
        self._saved_unix_nano = 0
        self._bytes: dict[Key, int] = {}
        for outcome in ("restored", "previous", "incompatible", "quarantined"):
            telemetry.count(RESTORES, 0, outcome=outcome)
        for outcome in ("success", "failure"):
            telemetry.count(WRITES, 0, outcome=outcome)
        telemetry.gauge("weir_checkpoint_last_unix_seconds", lambda: self._saved_unix_nano / 1e9, unit="s")
        telemetry.gauge("weir_checkpoint_bytes", lambda: float(sum(self._bytes.values())), unit="By")

    def restore(self, key: Key, make: Callable[[], tuple[Processor, Meter]]) -> tuple[Processor, Meter]:
        """A processor with the newest state that it accepts, else a new one. Whatever a file holds, this does not
        raise.

        Args:
            key: Of the processor.
            make: Constructs it; called again where a state was taken up half.
        """
        fresh = make()
        for generation, found in enumerate(self._store.read(key)):
            of_the_end = self._store.stopped_cleanly and generation == 0
            if not (of_the_end or fresh[0].saved_while_running):
                break
            reason = found if isinstance(found, str) else self._take_up(found, *fresh, of_the_end=of_the_end)
            if reason is None:
                self._telemetry.count(RESTORES, 1, outcome="previous" if generation else "restored")
                return fresh
            aside = self._store.quarantine(key)
            self._telemetry.count(RESTORES, 1, outcome="quarantined")
            self._telemetry.logger.warning(
                "a checkpoint cannot be used and was put aside", component="/".join(key), reason=reason, place=aside
            )
            fresh = make()
        return fresh

    def start(self, processors: Mapping[Key, Processor], meters: Mapping[Key, Meter]) -> None:
        """Begin to save."""
        if not self._store.stopped_cleanly:
            self._telemetry.logger.warning(
                "the last run did not end cleanly: counters start at 0, what processors have learnt is kept"
            )
        self._processors, self._meters = processors, meters
        self._started = True
        if self._interval_s is not None:
            self._thread = threading.Thread(target=self._run, name="weir-checkpoints", daemon=True)
            self._thread.start()

    def save(self) -> bool:
        """Write what all processors have learnt. Returns whether all of it was written."""
        written = [self._save(key, None) for key, one in self._processors.items() if one.saved_while_running]
        return all(written)

    def stop(self) -> None:
        """Write everything, instruments too, when nothing changes any more; give the directory up. Works twice."""
        if self._stopping.is_set():
            return
        self._stopping.set()
        if self._thread is not None:
            self._thread.join()
        complete = False
        if self._started:
            written = [self._save(key, self._meters[key].snapshot()) for key in self._processors]
            complete = all(written)
        self._store.close(cleanly=complete or (not self._started and self._store.stopped_cleanly))

    def _run(self) -> None:
        while not self._stopping.wait(self._interval_s):
            self.save()

    def _save(self, key: Key, meter: bytes | None) -> bool:
        processor = self._processors[key]
        try:
            with self._lock:
                now = self._clock.unix_nano()
                state = processor.snapshot()
            encoded = state() if callable(state) else state
            if encoded is None and meter is None:
                return True
            if encoded is not None and not isinstance(encoded, bytes):
                raise TypeError(f"snapshot gave {type(encoded).__name__}, not bytes")
            written = Written(_name(processor), processor.state_version, now)
            self._bytes[key] = self._store.write(key, Checkpoint(written, meter, encoded))
        except Exception as error:
            self._telemetry.count(WRITES, 1, outcome="failure")
            self._telemetry.logger.limited(
                "checkpoint", "a checkpoint could not be written", component="/".join(key), error=repr(error)
            )
            return False
        self._telemetry.count(WRITES, 1, outcome="success")
        self._saved_unix_nano = now
        return True

    def _take_up(self, saved: Checkpoint, processor: Processor, meter: Meter, of_the_end: bool) -> str | None:
        """Why a checkpoint cannot be used, or None when it has been."""
        if saved.written.component != _name(processor):
            return f"it is of {saved.written.component}, not of {_name(processor)}"
        if saved.written.state_version != processor.state_version:
            return f"it has state_version {saved.written.state_version}, not {processor.state_version}"
        if saved.state is not None:
            try:
                processor.restore(saved.state)
            except Exception as error:
                return f"the component does not take it up: {error!r}"
        if saved.meter is not None and of_the_end:
            reason = meter.restore(saved.meter)
            if reason is not None:
                self._telemetry.count(RESTORES, 1, outcome="incompatible")
                self._telemetry.logger.warning("some series start anew", component=_name(processor), reason=reason)
        return None


def _name(processor: Processor) -> str:
    return f"{type(processor).__module__}:{type(processor).__qualname__}"
