"""Refusing before memory runs out."""

from typing import Any

import pytest
from pydantic import ValidationError

from pipeline.api import RetryableError
from pipeline.testing import Harness, span_batch
from processors.memory_limiter import MIB, MemoryLimiter, MemoryLimiterConfig, available_bytes, limits_of


class Memory:
    """What the processor sees instead of the machine."""

    def __init__(self, used_mib: int, garbage_mib: int = 0) -> None:
        self.used = used_mib * MIB
        self.garbage = garbage_mib * MIB
        self.collections = 0

    def collect(self) -> None:
        self.collections += 1
        self.used -= self.garbage
        self.garbage = 0


def limiter(memory: Memory, **config: Any) -> Harness[MemoryLimiter]:
    run = Harness(MemoryLimiter, limit_mib=100, **config)
    run.processor.read_bytes = lambda: memory.used
    run.processor.collect_garbage = memory.collect
    return run


def test_data_passes_below_the_soft_limit() -> None:
    run = limiter(Memory(79))
    run.advance(1)
    batch = span_batch(2)
    assert len(run.traces(batch)) == 2
    assert run.own.value("otelcol_processor_memory_limiter_accepted_spans", processor="memory_limiter") == 2


def test_what_uses_exactly_the_soft_limit_is_within_it() -> None:
    memory = Memory(80)
    run = limiter(memory)
    run.advance(1)
    assert not run.processor.refuses
    memory.used += 1
    run.advance(1)
    assert run.processor.refuses


def test_data_is_refused_above_the_soft_limit_until_memory_is_back() -> None:
    memory = Memory(81)
    run = limiter(memory)
    run.advance(1)
    with pytest.raises(RetryableError, match="high memory usage") as caught:
        run.traces(span_batch(3))
    assert caught.value.retry_after_s > 0
    assert run.own.value("otelcol_processor_memory_limiter_refused_spans") == 3
    memory.used = 79 * MIB
    assert run.processor.refuses
    run.advance(1)
    assert len(run.traces(span_batch(1))) == 1


def test_garbage_is_collected_before_data_is_refused() -> None:
    memory = Memory(90, garbage_mib=30)
    run = limiter(memory)
    run.advance(1)
    assert (memory.collections, run.processor.refuses) == (1, False)


def test_collections_pause_while_only_the_soft_limit_is_exceeded() -> None:
    memory = Memory(90)
    run = limiter(memory)
    run.advance(10)
    assert memory.collections == 1
    run.advance(1)
    assert memory.collections == 2


def test_above_the_hard_limit_each_check_collects() -> None:
    memory = Memory(101)
    run = limiter(memory)
    run.advance(5)
    assert memory.collections == 5


@pytest.mark.parametrize(
    ("config", "hard", "soft"),
    [
        ({"limit_mib": 100}, 100 * MIB, 80 * MIB),
        ({"limit_mib": 100, "spike_limit_mib": 10}, 100 * MIB, 90 * MIB),
        ({"limit_percentage": 50}, 500, 400),
        ({"limit_percentage": 50, "spike_limit_percentage": 25}, 500, 250),
        ({"limit_mib": 1, "limit_percentage": 50}, MIB, MIB - MIB * 20 // 100),
    ],
)
def test_limits_follow_the_collector(config: dict[str, int], hard: int, soft: int) -> None:
    assert limits_of(MemoryLimiterConfig.model_validate(config), 1000) == (hard, soft)


@pytest.mark.parametrize(
    ("config", "what"),
    [
        ({}, "limit_mib or limit_percentage must be greater than zero"),
        ({"limit_mib": 1, "check_interval": 0}, "check_interval must be greater than zero"),
        ({"limit_mib": 10, "spike_limit_mib": 10}, "spike_limit_mib must be smaller than limit_mib"),
        (
            {"limit_percentage": 10, "spike_limit_percentage": 20},
            "spike_limit_percentage must be smaller than limit_percentage",
        ),
    ],
)
def test_impossible_limits_are_refused(config: dict[str, int], what: str) -> None:
    with pytest.raises(ValidationError, match=what):
        MemoryLimiterConfig.model_validate(config)


def test_the_machine_has_memory() -> None:
    assert available_bytes() > 64 * MIB
