"""Configuration of the anomaly processor."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field, field_validator, model_validator

from pipeline.api import ComponentConfig
from pipeline.config.durations import Duration
from processors.anomaly.detector import make
from processors.anomaly.incidents import LASTING_TICKS, UNSEEN_TICKS
from processors.anomaly.local_time import LocalTime

Columns = tuple[str, ...]

DIFFERS_BY = (
    "resource.service.version",
    "resource.k8s.pod.name",
    "resource.host.name",
    "resource.cloud.availability_zone",
    "span.http.route",
)
"""Semantic conventions that tell spans of one service apart with few values."""


class Config(ComponentConfig):
    """What the YAML of ``anomaly`` may say. Three settings matter: window, threshold, differs_by."""

    window: Annotated[Duration, Field(gt=0, le=3600)] = Field(
        10.0, description="length of a tick, in the spans' own time"
    )
    lateness: Annotated[Duration, Field(ge=0, le=600)] = Field(
        2.0, description="how long after its end a tick waits for late spans"
    )
    late_spans: Literal["drop", "current"] = Field(
        "drop", description="spans of a closed tick: dropped and counted, or taken into the oldest open tick"
    )
    threshold: Annotated[float, Field(gt=0)] = Field(
        18.0, description="evidence from which a service is in alarm; lower finds more and errs more"
    )
    differs_by: Columns = Field(
        DIFFERS_BY, description="columns whose values are compared between bad and usual spans of an incident"
    )
    max_operations: Annotated[int, Field(ge=1, le=1_000_000)] = Field(
        10_000, description="operations (service, span name, kind) told apart"
    )
    max_series: Annotated[int, Field(ge=1, le=2_000_000)] = Field(20_000, description="series with a model")
    max_exported_series: Annotated[int, Field(ge=0, le=1_000_000)] = Field(
        2_000, description="series whose score, band and value are exported as gauges"
    )
    max_spans: Annotated[int, Field(ge=64, le=1 << 24)] = Field(
        1 << 15, description="spans of a tick that are looked at; beyond, traces are thinned out"
    )
    join_ticks: Annotated[int, Field(ge=1, le=360)] = Field(
        6, description="how many ticks a child waits for its parent"
    )
    timezone: str = Field("UTC", description="whose mornings and weekends are expected, as `Europe/Berlin`")
    detector: str = Field("layered", description="detector of every series: a name of the group `weir.detectors`")
    detector_parameters: dict[str, Any] = Field({}, description="its parameters")
    metrics: tuple[str, ...] = Field(
        (), description="metrics to watch when it stands in a metrics pipeline; `*` stands for any characters"
    )
    metric_threshold: Annotated[float, Field(gt=0)] = Field(
        3.7, description="surprise from which a watched metric is anomalous: 3 happens once in a thousand points"
    )
    close_ticks: Annotated[int, Field(ge=1)] = Field(
        6, description="ticks without alarm after which an incident is over, once its symptoms have returned"
    )
    unseen_ticks: Annotated[int, Field(ge=1)] = Field(
        UNSEEN_TICKS, description="ticks without any telemetry after which an incident is closed as unseen"
    )
    lasting_ticks: Annotated[int, Field(ge=1)] = Field(
        LASTING_TICKS, description="ticks with telemetry after which an open incident is taken for the new normal"
    )

    @field_validator("timezone")
    @classmethod
    def _is_timezone(cls, value: str) -> str:
        LocalTime(value)
        return value

    @model_validator(mode="after")
    def _detectors_exist(self) -> Config:
        make(self.detector, self.detector_parameters)
        return self
