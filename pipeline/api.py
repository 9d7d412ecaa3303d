"""Everything the author of a component imports, and only that.

A processor is a synchronous object with one method per signal. The engine's promises:

1. One method at a time per instance: processors hold no locks and start no threads.
2. Batches are immutable and never empty. Return the same object to pass it on, ``spans.where(mask)`` to keep some rows.
3. Only declared columns (``reads``) are visible. The decoder materialises the union over the graph; everything else
   stays in the original bytes, which is also what a forwarding exporter sends.
4. Time arrives only through ``tick`` and ``settings.clock``, so a test owns it.
5. Instruments of ``settings.meter`` are cumulative, limited in series, expired when idle where ``Limits`` say so,
   collected and checkpointed by the engine. A processor whose state is all in them needs no ``snapshot``.
6. Order: ``restore?`` → ``start`` → (``process_*`` | ``tick`` | ``snapshot``)* → last ``tick`` → ``shutdown``.
   ``shutdown`` works twice and without ``start``.
7. An exception counts as ``outcome=failure``: ``error_mode: ignore`` passes the batch on unchanged, ``propagate``
   refuses it. ``PermanentError`` and ``RetryableError`` tell the receiver what to answer.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar, Protocol, TypeVar, runtime_checkable

from pydantic import BaseModel, ConfigDict

from pipeline.errors import (
    ConfigError,
    MalformedPayload,
    PayloadTooLarge,
    PermanentError,
    RetryableError,
    WeirError,
)
from pipeline.model.editor import REMOVED
from pipeline.model.emitted_logs import LogEmitter, LogRecord
from pipeline.model.exemplars import SpanIds
from pipeline.model.limits import Limits
from pipeline.model.logs import LogBatch
from pipeline.model.meter import Counter, ExponentialHistogram, Gauge, Histogram, Meter, UpDownCounter
from pipeline.model.metrics import MetricBatch
from pipeline.model.snapshot import MetricSnapshot
from pipeline.model.spans import Column, Groups, Label, SpanBatch, label

if TYPE_CHECKING:
    from pipeline.telemetry import ComponentTelemetry

__all__ = [
    "REMOVED",
    "SIGNALS",
    "Clock",
    "Column",
    "Component",
    "ComponentConfig",
    "ConfigError",
    "Counter",
    "ExponentialHistogram",
    "Exporter",
    "Extension",
    "Gauge",
    "Groups",
    "Histogram",
    "Host",
    "IncidentKeeper",
    "Intake",
    "Label",
    "Limits",
    "LogBatch",
    "LogEmitter",
    "LogRecord",
    "MalformedPayload",
    "Meter",
    "MetricBatch",
    "MetricSnapshot",
    "Outcome",
    "PayloadTooLarge",
    "PermanentError",
    "Processor",
    "Receiver",
    "RetryableError",
    "Settings",
    "SpanBatch",
    "SpanIds",
    "UpDownCounter",
    "WeirError",
    "label",
]


R = TypeVar("R")
A = TypeVar("A")

SIGNALS = ("traces", "metrics", "logs")


class Clock(Protocol):
    """The only source of time. ``pipeline.testing.FakeClock`` is the other implementation."""

    def unix_nano(self) -> int:
        """Wall clock, nanoseconds since 1970. May jump."""

    def monotonic_nano(self) -> int:
        """Nanoseconds that never go backwards. For intervals and deadlines."""


class ComponentConfig(BaseModel):
    """The user's YAML for one component: immutable, unknown keys rejected."""

    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True, arbitrary_types_allowed=True)

    without_effect: ClassVar[Mapping[str, str]] = {}
    """Keys of the Collector that tune what Weir does not have, with the reason: a warning, not a mistake."""
    instead: ClassVar[Mapping[str, Mapping[str, tuple[str, str]]]] = {}
    """Key → values of the Collector that Weir does not have → what is taken instead, and why: a warning likewise."""
    written_otherwise: ClassVar[Mapping[str, str]] = {}
    """Keys that the Collector had once, or that stand elsewhere, with what to write: a mistake that says so."""


def _no_extension(extension_id: str) -> Extension:
    raise ConfigError([f'"{extension_id}" is not among service.extensions'])


@dataclass(frozen=True)
class Settings:
    """What the engine gives a component.

    Attributes:
        id: ``type`` or ``type/name`` from the configuration.
        clock: Time.
        meter: Metrics for users, sent downstream.
        telemetry: Logger and metrics about the component itself.
        resource: Resource attributes of this Weir process (``service.instance.id`` is stable across restarts).
        logs: Log records for users, sent downstream.
        extension: The extension of an id, which runs from before the component starts until after its shutdown. Raises
            ``ConfigError`` where ``service.extensions`` does not name it.
    """

    id: str
    clock: Clock
    meter: Meter
    telemetry: ComponentTelemetry
    resource: Mapping[str, str] = field(default_factory=dict)
    logs: LogEmitter = field(default_factory=LogEmitter)
    extension: Callable[[str], Extension] = _no_extension


class Component:
    """What all components share: a configuration and a lifecycle."""

    Config: ClassVar[type[ComponentConfig]] = ComponentConfig

    def __init__(self, config: Any, settings: Settings) -> None:
        """Keep what is needed. No I/O, no threads, no clock reads."""

    def shutdown(self) -> None:
        """Release everything. Works twice and without a start."""


class Processor(Component):
    """A step of a pipeline; a connector is a processor that emits metrics through ``settings.meter`` or log records
    through ``settings.logs``.
    """

    reads: tuple[str, ...] = ()
    """Columns needed (``pipeline.model.columns``); may be set from the configuration in ``__init__``."""
    adds: tuple[str, ...] = ()
    """Columns that are changed or put on the batch: ``spans.with_column()``, ``spans.edit()``."""
    signals: tuple[str, ...] = SIGNALS
    """Signals of the pipelines that it may be in; may be narrowed by the configuration in ``__init__``."""
    keyed_by: tuple[str, ...] = ()
    """State is per value of these columns; an engine that shards keeps equal values together."""
    emits_metrics: ClassVar[bool] = False
    """True if users want the metrics of ``settings.meter`` in a metrics pipeline."""
    emits_logs: ClassVar[bool] = False
    """True if it has log records for a logs pipeline: ``settings.logs.emit(LogRecord(…))``."""
    forwards: ClassVar[bool] = False
    """True: as a connector it hands what it gets to the pipelines of the same signal that list it as a receiver."""
    tick_interval_s: float | None = None
    """How often ``tick`` is called; None: never."""
    metrics_flush_interval_s: float = 60.0
    """How often metrics are pushed to exporters that do not pull."""
    pushes_deltas: bool = False
    """True: exporters that are pushed to get differences since the last push. A scrape is always cumulative."""
    state_version: str = "1"
    """Changes whenever the bytes of ``snapshot`` change meaning."""
    saved_while_running: ClassVar[bool] = True
    """Whether state of half a minute ago is better than none, as it is of what was learnt. False: it is not, as with
    sums and halves of calls; like instruments such state is saved at a clean stop only."""

    def start(self) -> None:
        """Called once, before the first batch."""

    def process_traces(self, spans: SpanBatch) -> SpanBatch:
        """Return the spans that go on."""
        return spans

    def process_metrics(self, metrics: MetricBatch) -> MetricBatch:
        """Return the data points that go on."""
        return metrics

    def process_logs(self, logs: LogBatch) -> LogBatch:
        """Return the log records that go on."""
        return logs

    def tick(self, now_unix_nano: int) -> None:
        """Time has passed."""

    def snapshot(self) -> bytes | Callable[[], bytes] | None:
        """State besides the instruments, or None. Spans wait meanwhile: where encoding takes long, copy what is needed
        and return a function that encodes the copy, which is called without the engine's lock.
        """
        return None

    def restore(self, state: bytes) -> None:
        """Take up what ``snapshot`` of the same ``state_version`` gave. Raise for bytes that are not that: they are put
        aside, and the processor is constructed again.
        """


@dataclass(frozen=True)
class Outcome:
    """What became of one request: ``rejected`` items can never be accepted and must not be sent again."""

    accepted: int
    rejected: int = 0
    message: str = ""


class Intake(Protocol):
    """Where a receiver hands over the bytes of one request."""

    def accept(self, payload: bytes, transport: str) -> Outcome:
        """Decode and run the pipelines; on return the data has been processed.

        Raises:
            MalformedPayload, PermanentError: Never acceptable. 400 / INVALID_ARGUMENT.
            PayloadTooLarge: 413 / RESOURCE_EXHAUSTED without RetryInfo.
            RetryableError: Not now. 503 / UNAVAILABLE with RetryInfo.
        """


class Receiver(Component):
    """Takes telemetry in."""

    signals: ClassVar[tuple[str, ...]] = ()
    """The signals that this type of receiver can deliver."""

    def start(self, intakes: Mapping[str, Intake]) -> None:
        """Begin to accept. ``intakes``: signal → where to hand it over, for the signals that pipelines use."""

    def drain(self, timeout_s: float) -> None:
        """Accept nothing new and wait for the requests under way."""


Collect = Callable[[], Sequence[MetricSnapshot]]


class Exporter(Component):
    """Sends telemetry on, or lets it be fetched."""

    signals: ClassVar[tuple[str, ...]] = ()
    pulls: ClassVar[bool] = False
    """True: metrics of components are fetched with ``collect`` when somebody asks; what was received is pushed to
    ``export_metrics`` all the same."""
    takes_snapshots: ClassVar[bool] = False
    """True: metrics of components that no processor changes are pushed to ``export_snapshot`` as they are."""
    queues: ClassVar[bool] = False
    """True: ``export_*`` only put a batch into a queue; the exporter itself counts what was sent and what failed."""
    reads: tuple[str, ...] = ()

    def start(self, collect: Collect) -> None:
        """Begin. ``collect`` snapshots all metrics that reach this exporter, processed, as of now."""

    def export_traces(self, spans: SpanBatch) -> None:
        """Send spans."""

    def export_metrics(self, metrics: MetricBatch) -> None:
        """Send metrics."""

    def export_snapshot(self, snapshot: MetricSnapshot) -> None:
        """Send metrics of a component; see ``takes_snapshots``. One that has a ``source`` may be empty."""

    def export_logs(self, logs: LogBatch) -> None:
        """Send log records."""

    def admit(self, signal: str, items: int) -> None:
        """Called before the pipelines see a batch; raise ``RetryableError`` where it could not be taken now, so that no
        other component counts what the sender will send again.
        """

    def drain(self, timeout_s: float) -> None:
        """Nothing more will come: send what waits, and give up what is left when the time is over."""


class Host(Protocol):
    """The engine as extensions see it."""

    def status(self) -> Mapping[str, Any]:
        """``{"ready": bool, "live": bool, "started_unix_nano": int, "components": {id: {"status": …}}}``."""

    def snapshots(self) -> Sequence[MetricSnapshot]:
        """What every processor and connector has measured, cumulative, as of now."""

    def ask(self, role: type[R], question: Callable[[R], A]) -> dict[str, A]:
        """Put a question to every processor and connector that plays a role.

        Args:
            role: A class, or a protocol that can be checked at run time, such as ``IncidentKeeper``.
            question: Called with each of them, while it does nothing else; should be quick, for spans wait.
        Returns:
            The answers by component id.
        """


@runtime_checkable
class IncidentKeeper(Protocol):
    """A processor that knows of incidents; the admin extension and ``weir incidents`` show them.

    ``docs/api/openapi.yaml`` describes the JSON of incidents and mutes.
    """

    def list_incidents(self) -> list[dict[str, Any]]:
        """Open incidents, then the last closed ones."""

    def list_mutes(self) -> list[dict[str, Any]]:
        """Mutes that hold."""

    def mute_incident(self, incident_id: str, duration_s: float | None, reason: str) -> None:
        """Say no more about incidents like this one, until they change or the time is over.

        Raises:
            LookupError: It knows no such incident.
            ValueError: There are too many mutes.
        """

    def unmute_incident(self, incident_id: str) -> None:
        """Take back the mute that was made from an incident. Raises LookupError where there is none."""


class Extension(Component):
    """Something beside the pipelines."""

    def start(self, host: Host) -> None:
        """Begin."""
