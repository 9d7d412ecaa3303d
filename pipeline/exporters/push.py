"""What exporters with a sending queue have in common: a queue per signal, filled by the pipelines, drained at the
end.
"""

from __future__ import annotations

from abc import abstractmethod
from typing import ClassVar

from pipeline.api import Collect, ComponentConfig, Exporter, LogBatch, MetricBatch, MetricSnapshot, Settings, SpanBatch
from pipeline.codec.otlp_metrics_encode import encode as encode_snapshot
from pipeline.config.durations import Duration
from pipeline.errors import ConfigError, PermanentError
from pipeline.exporters.delivery import Shipping
from pipeline.exporters.queue_config import QueueConfig
from pipeline.exporters.queued import QueueStore
from pipeline.exporters.retry import RetryConfig
from pipeline.exporters.sending_queue import SendingQueue
from pipeline.extensions.file_storage import FileStorage
from pipeline.receivers.signals import SIGNALS


class PushConfig(ComponentConfig):
    """Keys of every exporter with a sending queue."""

    sending_queue: QueueConfig = QueueConfig()
    retry_on_failure: RetryConfig = RetryConfig()
    timeout: Duration = 5.0
    """Of one attempt; 0: none."""


class PushExporter(Exporter):
    """Puts the bytes of each batch into the queue of its signal.

    A subclass says how a signal is shipped; the queues are made for the signals that come.
    """

    signals: ClassVar[tuple[str, ...]] = tuple(SIGNALS)
    queues: ClassVar[bool] = True
    takes_snapshots: ClassVar[bool] = True

    def __init__(self, config: PushConfig, settings: Settings) -> None:
        self._push_config = config
        self._settings = settings
        self._queues: dict[str, SendingQueue] = {}
        self._storage = self._storage_of(config.sending_queue)

    @abstractmethod
    def shipping(self, signal: str) -> Shipping | None:
        """How a signal is shipped; None if it cannot be."""

    def start(self, collect: Collect) -> None:  # noqa: ARG002 - nothing is fetched here
        """Make the queues; their threads begin with the first batch."""
        for signal in self.signals:
            shipping = self.shipping(signal)
            if shipping is not None:
                queue = self._queues[signal] = self._queue(shipping)
                queue.start()

    def _storage_of(self, config: QueueConfig) -> FileStorage | None:
        if config.storage is None:
            return None
        try:
            storage = self._settings.extension(config.storage)
        except ConfigError as error:
            raise ConfigError([f"sending_queue.storage: {problem}" for problem in error.problems]) from error
        if not isinstance(storage, FileStorage):
            raise ConfigError([f'sending_queue.storage: "{config.storage}" is no file_storage'])
        return storage

    def _queue(self, shipping: Shipping) -> SendingQueue:
        config, settings = self._push_config, self._settings
        store: QueueStore | None = None
        if self._storage is not None:
            store = self._storage.open(f"{settings.id}_{shipping.signal}", settings.telemetry)
        return SendingQueue(
            shipping, config.sending_queue, config.retry_on_failure, settings.clock, settings.telemetry, store=store
        )

    def export_traces(self, spans: SpanBatch) -> None:
        """Put spans into their queue."""
        self.put("traces", spans.to_otlp(), len(spans))

    def export_metrics(self, metrics: MetricBatch) -> None:
        """Put metrics into their queue."""
        self.put("metrics", metrics.to_otlp(), len(metrics))

    def export_snapshot(self, snapshot: MetricSnapshot) -> None:
        """Put a component's own metrics into the queue."""
        if len(snapshot):
            self.put("metrics", encode_snapshot(snapshot), len(snapshot))

    def export_logs(self, logs: LogBatch) -> None:
        """Put log records into their queue."""
        self.put("logs", logs.to_otlp(), len(logs))

    def admit(self, signal: str, items: int) -> None:
        """Refuse what would find the queue full."""
        if signal in self._queues:
            self._queues[signal].admit(items)

    def put(self, signal: str, payload: bytes, items: int) -> None:
        """Put an encoded request into its queue. Raises as ``SendingQueue.put`` does."""
        queue = self._queues.get(signal)
        if queue is None:
            raise PermanentError(f"{self._settings.id} has no endpoint for {signal}")
        queue.put(payload, items)

    def drain(self, timeout_s: float) -> None:
        """Send what waits, in all queues at the same time."""
        clock = self._settings.clock
        end = clock.monotonic_nano() + round(timeout_s * 1e9)
        for queue in self._queues.values():
            queue.close(timeout_s)
        for queue in self._queues.values():
            queue.drain(max(0, end - clock.monotonic_nano()) / 1e9)

    def shutdown(self) -> None:
        """Give up what has not been drained; release the connections."""
        queues, self._queues = self._queues, {}
        for queue in queues.values():
            queue.drain(0.0)
        self.close()

    def close(self) -> None:
        """Release the connections."""
