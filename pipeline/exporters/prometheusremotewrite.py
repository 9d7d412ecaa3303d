"""``prometheusremotewrite``: metrics to a remote-write receiver, 1.0 or 2.0. Keys and defaults as the Collector's.

Series are spread over ``num_consumers`` shards by a hash of their labels. Each shard has a queue of its own with one
request under way, so the samples of a series arrive in order and the receiver needs no out-of-order window (the
Collector's exporter needs one, or a single consumer). A shard that has to try again holds up no other.

A receiver that does not know 2.0 answers 415, or 2xx without saying what it has written: then this request is sent
again as 1.0, and all later ones are made as 1.0.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping
from typing import Any, ClassVar

import cramjam
import numpy as np
from pydantic import Field, field_validator

from pipeline import __version__
from pipeline.api import Collect, ComponentConfig, Exporter, MetricBatch, MetricSnapshot, Settings
from pipeline.authentication import AuthConfig, client_authenticator
from pipeline.codec.prometheus_families import TARGET_INFO, assemble
from pipeline.codec.prometheus_labels import Format, LabelOptions, LabelWriter
from pipeline.codec.prometheus_names import Escaping, MetricType, Namer, Strategy
from pipeline.codec.remote_write import Message, RemoteWriter
from pipeline.codec.remote_write_messages import first_version, metadata_request
from pipeline.config.durations import Duration
from pipeline.config.secrets import Secret
from pipeline.errors import PermanentError, RetryableError
from pipeline.exporters.client_tls import ClientTls
from pipeline.exporters.delivery import Shipping
from pipeline.exporters.exposition import REASONS
from pipeline.exporters.http_client import CLIENT_KEYS_WITHOUT_EFFECT, Answer, HttpClient
from pipeline.exporters.otlp_answers import NAMED_HTTP
from pipeline.exporters.otlphttp import check_url
from pipeline.exporters.prometheus import ResourceToTelemetry
from pipeline.exporters.queue_config import QueueConfig
from pipeline.exporters.retry import RetryConfig, retry_after_seconds
from pipeline.exporters.sending_queue import SendingQueue
from pipeline.exporters.verdict import SENT, Fate, Verdict, drop, partly, retry
from pipeline.model.last_values import READS, snapshots_of
from pipeline.model.metrics import NO_RECORDED_VALUE

V2_FIRST_BYTE = b"\x22"
"""A 2.0 request begins with its symbols, of which there is always one; 1.0 has no such field."""
WRITTEN = "x-prometheus-remote-write-{}-written"
_VERSIONS = {Message.V1: ("0.1.0", "application/x-protobuf")}
_VERSIONS[Message.V2] = ("2.0.0", f"application/x-protobuf;proto={Message.V2}")


class RemoteWriteQueueConfig(ComponentConfig):
    """``remote_write_queue``."""

    enabled: bool = True
    queue_size: int = Field(default=10_000, gt=0)
    """Requests that may wait, all shards together."""
    num_consumers: int = Field(default=5, gt=0, le=256)
    """Shards: requests under way at the same time."""


class TargetInfoConfig(ComponentConfig):
    """``target_info``."""

    enabled: bool = True


class RemoteWriteRetryConfig(RetryConfig):
    """``retry_on_failure`` with the defaults of this exporter."""

    initial_interval: Duration = 0.05


class RemoteWriteConfig(ComponentConfig):
    """The Collector's keys."""

    without_effect: ClassVar[Mapping[str, str]] = {
        **CLIENT_KEYS_WITHOUT_EFFECT,
        "export_created_metric": "2.0 (protobuf_message) brings the time at which a series began",
        "wal": "what waits is in memory alone, and lost with the process",
        "max_batch_request_parallelism": "remote_write_queue.num_consumers says how many requests are under way",
    }

    endpoint: str
    protobuf_message: Message = Message.V1
    namespace: str = ""
    external_labels: dict[str, str] = Field(default_factory=dict)
    headers: dict[str, Secret] = Field(default_factory=dict)
    auth: AuthConfig | None = None
    tls: ClientTls = ClientTls()
    timeout: Duration = 5.0
    add_metric_suffixes: bool = True
    translation_strategy: Strategy | None = None
    send_metadata: bool = False
    """Over 1.0: types and descriptions as a request of their own. 2.0 always has them."""
    target_info: TargetInfoConfig = TargetInfoConfig()
    resource_to_telemetry_conversion: ResourceToTelemetry = ResourceToTelemetry()
    disable_scope_info: bool = False
    max_batch_size_bytes: int = Field(default=3_000_000, gt=0)
    """Of a request before compression."""
    remote_write_queue: RemoteWriteQueueConfig = RemoteWriteQueueConfig()
    retry_on_failure: RemoteWriteRetryConfig = RemoteWriteRetryConfig()

    @field_validator("endpoint")
    @classmethod
    def _is_url(cls, value: str) -> str:
        check_url(value)
        return value

    def namer(self) -> Namer:
        """How names are translated."""
        strategy = self.translation_strategy
        if strategy is None:
            with_suffixes = self.add_metric_suffixes
            strategy = Strategy.UNDERSCORES_WITH_SUFFIXES if with_suffixes else Strategy.UNDERSCORES_WITHOUT_SUFFIXES
        return Namer(strategy, self.namespace)

    def labels(self) -> LabelOptions:
        """Which labels series get."""
        promotion = self.resource_to_telemetry_conversion
        return LabelOptions(
            tuple(self.external_labels.items()),
            promotion.enabled,
            promotion.exclude_service_attributes,
            not self.disable_scope_info,
        )


class RemoteWriteExporter(Exporter):
    """Writes metrics."""

    Config: ClassVar[type[ComponentConfig]] = RemoteWriteConfig
    signals: ClassVar[tuple[str, ...]] = ("metrics",)
    queues: ClassVar[bool] = True
    takes_snapshots: ClassVar[bool] = True
    reads = READS

    def __init__(self, config: RemoteWriteConfig, settings: Settings) -> None:
        self._config = config
        self._settings = settings
        self._namer = config.namer()
        self._labels = LabelWriter(self._namer, config.labels(), Format.PROTOBUF, Escaping.ALLOW_UTF8)
        shards = config.remote_write_queue.num_consumers
        self._writer = RemoteWriter(config.protobuf_message, shards, config.max_batch_size_bytes, self._report)
        self._lock = threading.Lock()
        self._queues: list[SendingQueue] = []
        self._client: HttpClient | None = None
        self._authenticator = client_authenticator(config.auth, settings)
        self._headers = {
            "user-agent": f"weir/{__version__}",
            **{name.lower(): text.reveal() for name, text in config.headers.items()},
        }

    def start(self, collect: Collect) -> None:  # noqa: ARG002 - nothing is fetched here
        """Read the certificates, make the queues.

        Raises:
            ConfigError: A certificate cannot be used.
        """
        config, settings = self._config, self._settings
        self._client = HttpClient(config.tls.context(), config.tls.server_name_override, settings.clock)
        queue = config.remote_write_queue
        size = max(1, queue.queue_size // queue.num_consumers)
        queue_config = QueueConfig(enabled=queue.enabled, num_consumers=1, queue_size=size)
        self._queues = [
            SendingQueue(
                Shipping("metrics", self._send, config.timeout, convert=first_version, labels={"shard": str(shard)}),
                queue_config,
                config.retry_on_failure,
                settings.clock,
                settings.telemetry,
            )
            for shard in range(queue.num_consumers)
        ]

    def export_metrics(self, metrics: MetricBatch) -> None:
        """The same for what applications sent, each sample at its own time. Deltas are left out, as in the Collector;
        a point without a recorded value ends its series.
        """
        now = self._settings.clock.unix_nano()
        is_end = (metrics["flags"] & np.uint64(NO_RECORDED_VALUE)) != 0
        writes = [
            (snapshot, ended)
            for ended in (False, True)
            if (is_end == ended).any()
            for snapshot in snapshots_of(
                metrics.where(is_end == ended), now, self._report, keeps_ended=ended, split_times=True
            )
        ]
        for snapshot, ended in sorted(writes, key=lambda one: one[0].time_unix_nano):
            self._write(snapshot, ended)

    def export_snapshot(self, snapshot: MetricSnapshot) -> None:
        """Encode a snapshot and put the requests into the queues of their shards."""
        self._write(snapshot, ended=False)

    def _write(self, snapshot: MetricSnapshot, ended: bool) -> None:
        with self._lock:
            families = assemble(
                [snapshot], self._namer, self._labels, Format.PROTOBUF, Escaping.ALLOW_UTF8, self._report
            )
            if ended or not self._config.target_info.enabled:  # the target does not end with a series
                info = self._namer.metric(TARGET_INFO, "", MetricType.GAUGE)
                families = [family for family in families if family.name != info]
            source = snapshot.source or None
            for request in self._writer.encode(families, source, snapshot.time_unix_nano, ended=ended):
                self._put(request.shard, request.payload, request.samples)
            if self._config.send_metadata and self._writer.message is Message.V1 and families:
                self._put(0, metadata_request(families), 0)

    def drain(self, timeout_s: float) -> None:
        """Send what waits, in all shards at the same time."""
        clock = self._settings.clock
        end = clock.monotonic_nano() + round(timeout_s * 1e9)
        for queue in self._queues:
            queue.close(timeout_s)
        for queue in self._queues:
            queue.drain(max(0, end - clock.monotonic_nano()) / 1e9)

    def shutdown(self) -> None:
        """Give up what has not been drained; close the connections."""
        queues, self._queues = self._queues, []
        for queue in queues:
            queue.drain(0.0)
        client, self._client = self._client, None
        if client is not None:
            client.close()

    def _put(self, shard: int, payload: bytes, samples: int) -> None:
        """A shard that is full loses this request, which the queue counts; the others go on, and the next flush brings
        newer values.
        """
        try:
            self._queues[shard].put(payload, samples)
        except (RetryableError, PermanentError) as error:
            self._settings.telemetry.logger.limited("enqueue", "samples are dropped", error=str(error), items=samples)

    def _send(self, payload: bytes, items: int, timeout_s: float) -> Verdict:
        client = self._client
        if client is None:
            raise RuntimeError("the exporter has not been started")
        is_v2 = payload.startswith(V2_FIRST_BYTE)
        if is_v2 and self._writer.message is Message.V1:
            payload, is_v2 = first_version(payload), False
        version, content_type = _VERSIONS[Message.V2 if is_v2 else Message.V1]
        headers = {
            "content-type": content_type,
            "content-encoding": "snappy",
            "x-prometheus-remote-write-version": version,
            **self._headers,
            **(self._authenticator.credentials() if self._authenticator is not None else {}),
        }
        body = bytes(cramjam.snappy.compress_raw(payload))
        answer = client.send(self._config.endpoint, body, headers, timeout_s)
        if isinstance(answer, Verdict):
            return answer
        verdict = verdict_of(answer, items, is_v2=is_v2, now_unix_nano=self._settings.clock.unix_nano())
        if verdict.fate is Fate.CONVERT:
            self._writer.message = Message.V1
            self._settings.telemetry.logger.warning(
                "the receiver does not know remote write 2.0; writing 1.0 from now on"
            )
        return verdict

    def _report(self, reason: str, metric: str, series: int) -> None:
        if not series:
            return
        telemetry = self._settings.telemetry
        telemetry.count("merged_series" if reason == "merged" else "dropped_series", series, reason=reason)
        telemetry.logger.limited(reason, REASONS[reason], metric=metric, series=series)


def verdict_of(answer: Answer, items: int, *, is_v2: bool, now_unix_nano: int) -> Verdict:
    """The meaning of a receiver's answer (Remote-Write 2.0, "Response"). 1.0 knows the status alone."""
    status = answer.status
    reason = f"http_{status}" if status in NAMED_HTTP else f"http_{status // 100}xx"
    if is_v2 and (status == 415 or (200 <= status < 300 and _written(answer.headers) is None)):
        return Verdict(Fate.CONVERT, reason)
    written = _written(answer.headers) if is_v2 else None
    if 200 <= status < 300:
        if written is None or written >= items:
            return SENT
        return partly(items - written, f"HTTP {status}, {written} of {items} written")
    text = answer.body[:300].decode(errors="replace").strip()
    message = f"HTTP {status}: {text}" if text else f"HTTP {status}"
    if status == 429 or status >= 500:
        return retry(reason, message, retry_after_seconds(answer.headers.get("retry-after"), now_unix_nano))
    if written:
        return partly(max(items - written, 0), message)
    return drop(reason, message)


def _written(headers: Mapping[str, Any]) -> int | None:
    """Samples and native histograms that the receiver says it has written; None if it says nothing."""
    texts = [str(headers.get(WRITTEN.format(kind), "")) for kind in ("samples", "histograms")]
    if not any(texts):
        return None
    return sum(int(text) for text in texts if text.isascii() and text.isdigit() and len(text) < 19)
