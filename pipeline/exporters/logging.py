"""``logging``: the name that ``debug`` had in the Collector until 2024, with the key that ``verbosity`` had before.

logging: {loglevel: debug}   is   debug: {verbosity: detailed}
"""

from __future__ import annotations

from typing import Literal, Self

from pydantic import field_validator, model_validator

from pipeline.exporters.debug import DebugConfig, DebugExporter

_VERBOSITIES: dict[str, Literal["normal", "detailed"]] = {"debug": "detailed", "info": "normal"}
"""All other levels are ``basic``."""


class LoggingConfig(DebugConfig):
    """The keys of ``debug``, and the older one."""

    loglevel: Literal["debug", "info", "warn", "error"] | None = None
    """In place of ``verbosity``: ``debug`` is ``detailed``, ``info`` is ``normal``, all others are ``basic``."""

    @field_validator("loglevel", mode="before")
    @classmethod
    def _any_case(cls, value: object) -> object:
        return value.lower() if isinstance(value, str) else value

    @model_validator(mode="after")
    def _one_of_both(self) -> Self:
        if self.loglevel is not None and "verbosity" in self.model_fields_set:
            raise ValueError("loglevel is the older name of verbosity; take loglevel out")
        return self

    def keys_without_effect(self) -> frozenset[str]:
        """Those that the older key stands for."""
        return frozenset() if self.loglevel is None else frozenset({"verbosity"})


class LoggingExporter(DebugExporter):
    """``debug`` under its older name."""

    Config = LoggingConfig

    @staticmethod
    def verbosity(config: DebugConfig) -> Literal["basic", "normal", "detailed"]:
        """What is shown."""
        level = config.loglevel if isinstance(config, LoggingConfig) else None
        return config.verbosity if level is None else _VERBOSITIES.get(level, "basic")
