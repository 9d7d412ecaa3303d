"""For all tests: what one does to the process must not reach the next."""

from __future__ import annotations

import logging
from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, settings

from pipeline.telemetry.logs import ROOT

# No test is timed, and neither is the making of its cases: the machine may be busy with other things.
settings.register_profile(
    "weir",
    parent=settings.get_profile(settings.get_current_profile_name()),
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.load_profile("weir")


@pytest.fixture(autouse=True)
def loggers_as_they_were() -> Iterator[None]:
    """Commands that run in this process configure logging for good; captured logs of later tests need it back."""
    loggers = [logging.getLogger(), logging.getLogger(ROOT)]
    before = [(logger.handlers[:], logger.level, logger.propagate) for logger in loggers]
    yield
    for logger, (handlers, level, propagate) in zip(loggers, before, strict=True):
        logger.handlers[:], logger.propagate = handlers, propagate
        logger.setLevel(level)
