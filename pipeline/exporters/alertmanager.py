"""``alertmanager``: incidents as alerts of a Prometheus Alertmanager (``POST /api/v2/alerts``).

An alert that nobody repeats ends by itself, so open ones are sent again every ``resend_interval`` with an end four
intervals ahead, as Prometheus does it: a Weir that is gone leaves no alert behind, a lost message repairs itself, and
an Alertmanager that has been restarted hears of everything again.

The labels are the identity of an alert. One of them is the severity: where it rises, the old alert ends and a new one
begins in the same message.
"""

from __future__ import annotations

import datetime
import json
import threading
from collections import OrderedDict
from collections.abc import Sequence
from typing import Any, ClassVar, Literal

from pydantic import Field

from pipeline.api import Collect, ComponentConfig, RetryableError, Settings
from pipeline.config.durations import Duration
from pipeline.exporters.incident_push import MAX_OPEN, IncidentEvent, IncidentPush, IncidentPushConfig, settled
from pipeline.exporters.verdict import Verdict

PATH = "/api/v2/alerts"
LIVES_FOR = 4
"""Resend intervals until an alert that is not repeated is over; Prometheus' own factor."""
SEVERITIES: dict[Literal["warning", "critical"], str] = {"warning": "info", "critical": "ticket"}
"""Anomalies annotate and enrich; they page nobody who has not asked for it."""


class AlertmanagerConfig(IncidentPushConfig):
    """Keys of the Collector's ``alertmanager`` exporter where it has the same."""

    generator_url: str = Field(default="", description="link of the alert; {id} stands for the incident")
    api_version: Literal["v2"] = "v2"
    alertname: str = "WeirIncident"
    severities: dict[Literal["warning", "critical"], str] = Field(
        default=SEVERITIES, description="label `severity` by severity of the incident"
    )
    labels: dict[str, str] = Field(default_factory=dict, description="further labels of every alert")
    annotations: dict[str, str] = Field(
        default_factory=dict, description="further annotations, such as runbook_url; {id} stands for the incident"
    )
    resend_interval: Duration = Field(default=60.0, gt=0)


class AlertmanagerExporter(IncidentPush):
    """Sends alerts."""

    Config: ClassVar[type[ComponentConfig]] = AlertmanagerConfig

    def __init__(self, config: AlertmanagerConfig, settings: Settings) -> None:
        super().__init__(config, settings)
        self._config = config
        self._open: OrderedDict[str, dict[str, Any]] = OrderedDict()
        self._lock = threading.Lock()
        self._stopping = threading.Event()
        self._thread: threading.Thread | None = None

    def start(self, collect: Collect) -> None:
        """Begin to repeat. Raises as ``IncidentPush.start``."""
        super().start(collect)
        self._thread = threading.Thread(target=self._repeat, name=f"weir-{self._settings.id}-resend", daemon=True)
        self._thread.start()

    def payloads(self, event: IncidentEvent) -> Sequence[bytes]:
        """The alert, and before it the end of the one whose severity it had."""
        alert = self._alert(event)
        with self._lock:
            known = self._open.pop(event.id, None)
            if not event.is_over:
                self._open[event.id] = alert
                while len(self._open) > MAX_OPEN:
                    self._open.popitem(last=False)
        sent = [self._until_later(alert) if not event.is_over else {**alert, "endsAt": rfc3339(event.time_s)}]
        if known is not None and known["labels"] != alert["labels"]:
            sent.insert(0, {**known, "endsAt": rfc3339(event.time_s)})
        return [json.dumps(sent).encode()]

    def deliver(self, payload: bytes, timeout_s: float) -> Verdict:
        """See ``IncidentPush``."""
        return settled(self.call("POST", PATH, json.loads(payload), timeout_s))

    def resend(self) -> None:
        """Repeat all open alerts."""
        with self._lock:
            alerts = [self._until_later(alert) for alert in self._open.values()]
        if alerts:
            try:
                self.put("logs", json.dumps(alerts).encode(), 0)
            except RetryableError as error:
                self._settings.telemetry.logger.limited("resend", "open alerts are not repeated", error=str(error))

    def shutdown(self) -> None:
        """Stop repeating; what is open ends by itself, unless the next Weir repeats it."""
        self._stopping.set()
        thread, self._thread = self._thread, None
        if thread is not None:
            thread.join(1.0)
        super().shutdown()

    def _repeat(self) -> None:
        while not self._stopping.wait(self._config.resend_interval):
            self.resend()

    def _until_later(self, alert: dict[str, Any]) -> dict[str, Any]:
        now_s = self._settings.clock.unix_nano() / 1e9
        return {**alert, "endsAt": rfc3339(now_s + LIVES_FOR * self._config.resend_interval)}

    def _alert(self, event: IncidentEvent) -> dict[str, Any]:
        config = self._config
        annotations = {
            "summary": event.body,
            "description": "\n".join(event.evidence),
            "causes": ", ".join(event.causes),
            "suspects": ", ".join(event.suspects),
            "trace_id": event.trace_id,
            **{name: text.replace("{id}", event.id) for name, text in config.annotations.items()},
        }
        return {
            "labels": {
                "alertname": config.alertname,
                "incident": event.id,
                "service_name": event.root,
                "severity": config.severities.get(event.severity, event.severity),  # type: ignore[call-overload]
                **config.labels,
            },
            "annotations": {name: text for name, text in annotations.items() if text},
            "startsAt": rfc3339(event.opened_s),
            "generatorURL": config.generator_url.replace("{id}", event.id),
        }


def rfc3339(unix_seconds: float) -> str:
    """A time as Alertmanager reads it."""
    moment = datetime.datetime.fromtimestamp(unix_seconds, datetime.UTC)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")
