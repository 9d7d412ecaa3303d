"""What exporters of incidents have in common: they take the events of ``anomaly`` out of a logs pipeline and push them
over HTTP, in order, through a sending queue.
"""

from __future__ import annotations

import json
from abc import abstractmethod
from collections.abc import Sequence
from typing import Any, ClassVar, Literal, NamedTuple

from opentelemetry.proto.logs.v1.logs_pb2 import LogRecord
from pydantic import Field, field_validator

from pipeline import __version__
from pipeline.api import Collect, LogBatch, Settings
from pipeline.config.secrets import Secret
from pipeline.exporters.client_tls import ClientTls
from pipeline.exporters.delivery import Shipping
from pipeline.exporters.http_client import Answer, HttpClient
from pipeline.exporters.otlp_answers import NAMED_HTTP
from pipeline.exporters.otlphttp import check_url
from pipeline.exporters.push import PushConfig, PushExporter
from pipeline.exporters.queue_config import QueueConfig
from pipeline.exporters.retry import retry_after_seconds
from pipeline.exporters.verdict import SENT, Verdict, drop, retry
from pipeline.model.attribute_text import plain_value
from processors.anomaly import names

MAX_OPEN = 1024
"""Incidents that an exporter remembers; of more, it forgets the oldest."""
IGNORED = "weir_exporter_ignored_log_records"


class OrderedQueueConfig(QueueConfig):
    """A queue in which no end overtakes a begin."""

    num_consumers: Literal[1] = 1
    batch: None = None


class IncidentPushConfig(PushConfig):
    """Keys as of the other HTTP exporters."""

    endpoint: str
    tls: ClientTls = ClientTls()
    headers: dict[str, Secret] = Field(default_factory=dict)
    sending_queue: OrderedQueueConfig = OrderedQueueConfig()

    @field_validator("endpoint")
    @classmethod
    def _is_url(cls, value: str) -> str:
        check_url(value)
        return value.rstrip("/")


class IncidentEvent(NamedTuple):
    """What a log record says about an incident.

    Attributes:
        what: ``opened``, ``updated``, ``resolved`` or ``muted``.
        opened_s, time_s: Unix seconds: when it opened; when this happened.
        suspects: ``attribute=value``.
    """

    id: str
    what: str
    root: str
    severity: str
    opened_s: float
    time_s: float
    body: str
    causes: tuple[str, ...]
    evidence: tuple[str, ...]
    suspects: tuple[str, ...]
    trace_id: str

    @property
    def is_over(self) -> bool:
        """It has ended, or somebody does not want to hear of it."""
        return self.what not in ("opened", "updated")


def read_event(record: LogRecord) -> IncidentEvent | None:
    """The event in a log record; None where something is missing or of another type."""
    given = {attribute.key: plain_value(attribute.value) for attribute in record.attributes}
    try:
        return IncidentEvent(
            _text(given[names.EVENT_ID]),
            record.event_name.removeprefix(names.INCIDENT_EVENT),
            _text(given[names.EVENT_ROOT]),
            _text(given[names.EVENT_SEVERITY]),
            float(given[names.EVENT_OPENED]),
            record.time_unix_nano / 1e9,
            record.body.string_value,
            tuple(_text(cause["service"]) for cause in given[names.EVENT_CAUSES]),
            tuple(_text(sentence) for sentence in given[names.EVENT_EVIDENCE]),
            tuple(f"{one['attribute']}={one['value']}" for one in given[names.EVENT_SUSPECTS]),
            record.trace_id.hex(),
        )
    except (KeyError, TypeError, ValueError):
        return None


def _text(value: Any) -> str:
    if not isinstance(value, str) or not value:
        raise TypeError
    return value


class IncidentPush(PushExporter):
    """Base of the exporters."""

    signals: ClassVar[tuple[str, ...]] = ("logs",)
    takes_snapshots: ClassVar[bool] = False
    reads = ("event_name",)

    def __init__(self, config: IncidentPushConfig, settings: Settings) -> None:
        super().__init__(config, settings)
        self._http_config = config
        self._client: HttpClient | None = None
        self._headers = {
            "content-type": "application/json",
            "user-agent": f"weir/{__version__}",
            **{name.lower(): text.reveal() for name, text in config.headers.items()},
        }

    @abstractmethod
    def payloads(self, event: IncidentEvent) -> Sequence[bytes]:
        """What is put into the queue for an event. Called in the order of the events."""

    @abstractmethod
    def deliver(self, payload: bytes, timeout_s: float) -> Verdict:
        """One attempt with a payload, in the queue's thread."""

    def start(self, collect: Collect) -> None:
        """Read the certificates; a connection is made with the first request.

        Raises:
            ConfigError: A certificate cannot be used.
        """
        tls = self._http_config.tls
        self._client = HttpClient(tls.context(), tls.server_name_override, self._settings.clock)
        super().start(collect)

    def shipping(self, signal: str) -> Shipping:
        """See ``PushExporter``."""
        return Shipping(
            signal, lambda payload, _, timeout_s: self.deliver(payload, timeout_s), self._http_config.timeout
        )

    def export_logs(self, logs: LogBatch) -> None:
        """Put the incidents among the records into the queue; others are counted."""
        chosen = logs.where(logs["event_name"].test(_is_incident))
        self._ignored(len(logs) - len(chosen), "no_incident")
        for record in chosen.iter():
            event = read_event(record)
            if event is None:
                self._ignored(1, "malformed")
                continue
            for payload in self.payloads(event):
                self.put("logs", payload, 1)

    def close(self) -> None:
        """Cut what is under way."""
        client, self._client = self._client, None
        if client is not None:
            client.close()

    def call(self, method: str, path: str, body: Any, timeout_s: float) -> Answer | Verdict:
        """One request with a JSON body: the answer to a success, else the verdict."""
        client = self._client
        if client is None:
            raise RuntimeError("the exporter has not been started")
        content = b"" if body is None else json.dumps(body).encode()
        answer = client.send(self._http_config.endpoint + path, content, self._headers, timeout_s, method)
        if isinstance(answer, Verdict) or 200 <= answer.status < 300:
            return answer
        return refusal(answer, self._settings.clock.unix_nano())

    def _ignored(self, items: int, reason: str) -> None:
        if items:
            self._settings.telemetry.count(IGNORED, items, reason=reason)


def _is_incident(event_name: str) -> bool:
    what = event_name.removeprefix(names.INCIDENT_EVENT)
    return what != event_name and what in names.INCIDENT_CHANGES


def settled(answer: Answer | Verdict) -> Verdict:
    """The verdict on an answer of ``IncidentPush.call``."""
    return answer if isinstance(answer, Verdict) else SENT


def refusal(answer: Answer, now_unix_nano: int) -> Verdict:
    """The meaning of an answer that is no success: what may pass is tried again."""
    status = answer.status
    reason = f"http_{status}" if status in NAMED_HTTP else f"http_{status // 100}xx"
    text = answer.body[:300].decode(errors="replace").strip()
    message = f"HTTP {status}: {text}" if text else f"HTTP {status}"
    if status == 429 or status >= 500:
        return retry(reason, message, retry_after_seconds(answer.headers.get("retry-after"), now_unix_nano))
    return drop(reason, message)
