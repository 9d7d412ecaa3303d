"""Keys of ``probabilistic_sampler``."""

from __future__ import annotations

from typing import Annotated, Literal, Self

import numpy as np
from pydantic import ConfigDict, Field, field_validator, model_validator

from pipeline.api import ComponentConfig
from processors.tracestate import DIGITS, ONE

Mode = Literal["hash_seed", "equalizing", "proportional"]


class Config(ComponentConfig):
    """Keys and defaults of the Collector's ``probabilisticsamplerprocessor``.

    Attributes:
        sampling_percentage: How many items are kept; 100 and more: all of them.
        mode: ``hash_seed`` (the default) hashes the trace id; ``proportional`` keeps this share of what arrives, and
            ``equalizing`` lowers what was sampled less before to this share, both by the 56 bits of randomness that
            OpenTelemetry agrees on.
        hash_seed: Equal in all processes that are to decide alike.
        fail_closed: Drop items that lack randomness or contradict themselves; else keep them.
        sampling_precision: Hexadecimal digits of thresholds.
        attribute_source: Logs: hash the trace id, or the attribute ``from_attribute`` of the record.
        from_attribute: Logs: what is hashed where there is no trace id.
        sampling_priority: Logs: attribute with a percentage that counts instead of ``sampling_percentage``.
    """

    model_config = ConfigDict(json_schema_extra={"examples": [{"sampling_percentage": 15}]})

    sampling_percentage: Annotated[float, Field(ge=0, allow_inf_nan=False)]
    mode: Mode = "hash_seed"
    hash_seed: int = Field(default=0, ge=0, le=0xFFFF_FFFF)
    fail_closed: bool = True
    sampling_precision: int = Field(default=4, ge=1, le=DIGITS)
    attribute_source: Literal["traceID", "record"] = "traceID"
    from_attribute: str = ""
    sampling_priority: str = ""

    @field_validator("mode", mode="before")
    @classmethod
    def _default(cls, value: object) -> object:
        return value or "hash_seed"  # the Collector's default is an empty text

    @model_validator(mode="after")
    def _means_something(self) -> Self:
        if 0 < self.percentage / 100 < 1 / ONE:
            raise ValueError(f"sampling_percentage is too small: at least {100 / ONE:.1e}, or 0 to drop everything")
        if self.attribute_source == "record" and not self.from_attribute:
            raise ValueError("attribute_source: record needs from_attribute, the attribute that is hashed")
        return self

    @property
    def percentage(self) -> float:
        """``sampling_percentage`` as the Collector has it: a number of 32 bits, 100 at most."""
        if self.sampling_percentage >= 100:
            return 100.0
        return float(np.float32(self.sampling_percentage))

    @property
    def ratio(self) -> float:
        """The share to keep."""
        return self.percentage / 100
