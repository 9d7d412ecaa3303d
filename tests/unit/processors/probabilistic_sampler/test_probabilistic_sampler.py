"""``probabilistic_sampler``: arithmetic to the last bit, shares within chance, alike in every process.

Must never regress: what is counted after the sampler, adjusted by the thresholds that it wrote, is what came before it.
"""

from __future__ import annotations

import math
import os
import subprocess
import sys
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from pipeline.codec.otlp_traces import TracesProjection
from pipeline.testing import Harness, log_batch, span_batch
from processors.probabilistic_sampler import ProbabilisticSampler
from processors.probabilistic_sampler.randomness import of_hashes, of_trace_ids
from processors.probabilistic_sampler.thresholds import hash_threshold, threshold_of
from processors.span_metrics import SpanMetrics
from processors.tracestate import ONE, parse

COUNT = "otelcol_processor_probabilistic_sampler_count_{}_sampled"
SHARES = st.floats(2.0**-56, 1.0) | st.floats(1e-6, 1.0) | st.integers(1, 10_000).map(lambda n: n / 10_000)


def exact_threshold(share: Fraction, precision: int) -> int:
    """Digit by digit, in whole numbers."""
    if share == 1:
        return 0
    scaled = share * ONE
    kept = int(scaled) + (scaled - int(scaled) >= Fraction(1, 2))
    digits = precision
    for part in (share, 1 - share):
        zeros = 0
        while part < Fraction(1, 16 ** (zeros + 1)):
            zeros += 1
        digits = max(digits, precision + zeros)
    unit = 16 ** (14 - min(14, digits))
    threshold, rest = divmod(ONE - kept, unit)
    return (threshold + (2 * rest >= unit)) * unit if unit > 1 else ONE - kept


@given(SHARES, st.integers(1, 14))
def test_thresholds_are_exact(share: float, precision: int) -> None:
    assert threshold_of(share, precision) == exact_threshold(Fraction(share), precision)


@pytest.mark.parametrize("share", [0.0, 2.0**-57, 1.0000001, -0.5, math.nan, math.inf])
def test_there_is_no_threshold_for_what_is_no_share(share: float) -> None:
    assert threshold_of(share, 4) is None


def test_the_hash_is_fnv_1a() -> None:
    """Of "foobar" it is 0xbf9cf968 (draft-eastlake-fnv, test vectors)."""
    (value,) = of_hashes(np.frombuffer(b"ar", np.uint8).reshape(1, 2), int.from_bytes(b"foob", "little")).tolist()
    known = 0xBF9CF968
    low, high = known & 0x3FFF, known >> 18
    assert value == (0x3FFF - low) << 42 | (high ^ high << 10) << 14 | low


def test_the_hash_decides_by_buckets_as_it_always_did() -> None:
    """The rule before there were thresholds: the lower 14 bits of the hash are below the share of 2^14 buckets."""
    ids = np.random.default_rng(7).integers(0, 256, (20_000, 16), np.uint8)
    for percentage in (0.01, 15.3, 50, 99.99, 100):
        buckets = int(np.float32(percentage) * np.float32(163.84))
        randomness = of_hashes(ids, 22)
        assert np.array_equal(randomness >= hash_threshold(percentage), (randomness & 0x3FFF) < buckets)


@given(st.binary(min_size=16, max_size=16))
def test_the_randomness_of_a_trace_is_the_end_of_its_id(trace_id: bytes) -> None:
    (found,) = of_trace_ids(np.frombuffer(trace_id, np.uint8).reshape(1, 16)).tolist()
    assert found == int.from_bytes(trace_id[9:], "big")


@given(st.lists(st.binary(min_size=16, max_size=16).filter(any), min_size=1, max_size=8), SHARES)
def test_a_span_is_kept_if_its_randomness_is_not_below_the_threshold(ids: list[bytes], share: float) -> None:
    run = Harness(ProbabilisticSampler, sampling_percentage=share * 100, mode="proportional", sampling_precision=14)
    out = run.process(span_batch(spans=[{"trace_id": trace_id} for trace_id in ids]))
    threshold = exact_threshold(Fraction(float(np.float32(share * 100)) / 100), 14)
    expected = [trace_id for trace_id in ids if int.from_bytes(trace_id[9:], "big") >= threshold]
    assert [bytes(span.trace_id) for span in out.iter()] == expected
    assert {parse(span.trace_state).threshold for span in out.iter()} <= {threshold}


@pytest.mark.parametrize(("percentage", "kept"), [(50, 1), (49, 0), (51, 1)])
def test_randomness_at_the_threshold_is_kept(percentage: float, kept: int) -> None:
    trace_id = bytes.fromhex("fefefefefefefefefe80000000000000")
    run = Harness(ProbabilisticSampler, sampling_percentage=percentage, mode="proportional")
    assert len(run.process(span_batch(trace_id=trace_id))) == kept
    assert len(run.process(log_batch(trace_id=trace_id))) == kept
    assert len(run.process(span_batch(trace_state="ot=rv:80000000000000"))) == kept


def random_spans(n: int, seed: int = 1) -> Any:
    """One server span each of n traces."""
    ids = np.random.default_rng(seed).integers(0, 256, (n, 16), np.uint8)
    return span_batch(spans=[{"trace_id": row.tobytes(), "kind": "server", "service": "cart"} for row in ids])


@pytest.mark.parametrize("mode", ["proportional", "equalizing", "hash_seed"])
def test_adjusted_counts_after_the_sampler_are_what_came_before_it(mode: str) -> None:
    n, share = 20_000, 0.25
    run, metrics = Harness(ProbabilisticSampler, sampling_percentage=25, mode=mode), Harness(SpanMetrics)
    kept = 0
    for seed in range(10):
        out = run.process(random_spans(n // 10, seed))
        kept += len(out)
        metrics.process(out)
    sigma = math.sqrt(n * share * (1 - share))
    assert abs(kept - n * share) < 5 * sigma
    calls = sum(point.value for point in metrics.metrics() if point.name == "traces.span.metrics.calls")
    assert calls == kept / share  # a threshold of 25 % stands for exactly 4
    assert abs(calls - n) < 5 * sigma / share


def test_a_trace_that_a_small_share_keeps_is_kept_by_a_larger_one() -> None:
    batch = random_spans(5_000)
    for mode in ("proportional", "equalizing", "hash_seed"):
        kept = []
        for percentage in (1, 10, 50, 100):
            out = Harness(ProbabilisticSampler, sampling_percentage=percentage, mode=mode).process(batch)
            kept.append({bytes(span.trace_id) for span in out.iter()})
        assert kept[0] < kept[1] < kept[2] < kept[3]
        assert len(kept[3]) == 5_000


def decisions() -> str:
    """What is kept, and with which state, in all modes."""
    found = []
    for mode in ("proportional", "equalizing", "hash_seed"):
        out = Harness(ProbabilisticSampler, sampling_percentage=33, mode=mode).process(random_spans(2_000))
        found += [f"{mode} {span.trace_id.hex()} {span.trace_state}" for span in out.iter()]
    return "\n".join(found)


def test_another_process_decides_alike() -> None:
    """Python's own hashes differ from one process to the next."""
    program = f"import sys; from {__name__} import decisions; sys.stdout.write(decisions())"
    env = {**os.environ, "PYTHONHASHSEED": "4711"}
    other = subprocess.run([sys.executable, "-c", program], env=env, capture_output=True, text=True, check=True)
    assert other.stdout == decisions()
    assert other.stdout.count("\n") > 1_500


def test_shares_multiply_when_samplers_follow_each_other() -> None:
    batch = random_spans(2_000)
    first, second = (Harness(ProbabilisticSampler, sampling_percentage=50, mode="proportional") for _ in range(2))
    once = first.process(batch)
    twice = second.process(once)
    assert {span.trace_state for span in once.iter()} == {"ot=th:8"}
    assert {span.trace_state for span in twice.iter()} == {"ot=th:c"}
    assert abs(len(twice) - 500) < 5 * math.sqrt(2_000 * 0.25 * 0.75)
    level = Harness(ProbabilisticSampler, sampling_percentage=25, mode="equalizing")
    assert len(level.process(twice)) == len(twice)


def test_splitting_batches_changes_no_decision() -> None:
    batch = random_spans(1_000)
    whole = [
        bytes(span.span_id) for span in Harness(ProbabilisticSampler, sampling_percentage=40).process(batch).iter()
    ]
    run = Harness(ProbabilisticSampler, sampling_percentage=40)
    row = np.arange(len(batch))
    parts = [run.process(batch.where(row % 7 == part)) for part in range(7)]
    assert sorted(whole) == sorted(bytes(span.span_id) for part in parts for span in part.iter())


def test_where_nothing_is_dropped_or_written_the_batch_goes_on_as_it_is() -> None:
    run = Harness(ProbabilisticSampler, sampling_percentage=50, mode="equalizing")
    batch = span_batch(n=3, trace_id=b"\xff" * 16, trace_state="vendor=x,  ot=th:c;p:1")
    assert run.process(batch).to_otlp() == batch.to_otlp()


def test_decisions_are_counted_by_policy() -> None:
    run = Harness(ProbabilisticSampler, sampling_percentage=50, mode="proportional")
    low, high = b"\1" * 16, b"\xff" * 16
    run.process(
        span_batch(
            spans=[
                *({"trace_id": one} for one in (low, high, high)),
                {"trace_id": low, "trace_state": "ot=rv:ffffffffffffff"},
                {"trace_id": low, "attributes": {"sampling.priority": 1}},
                {"trace_id": high, "attributes": {"sampling.priority": 0}},
                {"trace_id": high, "trace_state": "bad"},
            ]
        )
    )
    run.process(log_batch(logs=[{"trace_id": b""}, {"trace_id": high}]))

    def counted(signal: str) -> dict[tuple[str, str], float]:
        name = COUNT.format(signal)
        return {(labels["policy"], labels["sampled"]): n for found, labels, n in run.own.samples() if found == name}

    assert counted("traces") == {
        ("trace_id_w3c", "false"): 1,
        ("trace_id_w3c", "true"): 2,
        ("sampling_randomness", "true"): 1,
        ("sampling_priority", "true"): 1,
        ("sampling_priority", "false"): 1,
        ("missing_randomness", "false"): 1,
    }
    assert counted("logs") == {("missing_randomness", "false"): 1, ("trace_id_w3c", "true"): 1}


def test_what_contradicts_itself_is_told(caplog: pytest.LogCaptureFixture) -> None:
    states = {"ot=th:8": "left its mark", "ot=th:zz": "malformed"}
    for state, message in states.items():
        caplog.clear()
        assert len(Harness(ProbabilisticSampler, sampling_percentage=100).process(span_batch(trace_state=state))) == 0
        assert [message in record.getMessage() and "dropped" in record.getMessage() for record in caplog.records] == [
            True
        ]
    caplog.clear()
    run = Harness(ProbabilisticSampler, sampling_percentage=100, mode="proportional", fail_closed=False)
    (span,) = run.process(span_batch(trace_id=b"\1" * 16, trace_state="ot=th:8,v=1")).iter()
    assert span.trace_state == "ot=th:0,v=1"
    assert ["contradicts" in record.getMessage() and "kept" in record.getMessage() for record in caplog.records] == [
        True
    ]


def test_a_key_without_effect_is_told(caplog: pytest.LogCaptureFixture) -> None:
    Harness(ProbabilisticSampler, sampling_percentage=5, from_attribute="id")
    assert not caplog.records
    Harness(ProbabilisticSampler, sampling_percentage=5, from_attribute="id", mode="proportional")
    assert ["from_attribute has no effect" in record.getMessage() for record in caplog.records] == [True]


def test_only_tracestates_are_written_and_all_else_stays() -> None:
    batch = span_batch(n=4, trace_id=b"\xff" * 16, attributes={"a": 1, "b": [1, "x"]}, status="error")
    out = Harness(ProbabilisticSampler, sampling_percentage=50, mode="proportional").process(batch)
    decoded, _ = TracesProjection(["trace_state"]).decode(out.to_otlp())
    assert decoded["trace_state"].tolist() == ["ot=th:8"] * 4 == out["trace_state"].tolist()
    found = list(out.iter())
    for span in found:
        span.ClearField("trace_state")
    assert found == list(batch.iter())


@pytest.mark.parametrize(
    ("config", "told"),
    [
        ({}, "sampling_percentage"),
        ({"sampling_percentage": -1}, "greater than or equal to 0"),
        ({"sampling_percentage": math.nan}, "finite"),
        ({"sampling_percentage": math.inf}, "finite"),
        ({"sampling_percentage": 1e-16}, "too small"),
        ({"sampling_percentage": 5, "sampling_precision": 0}, "sampling_precision"),
        ({"sampling_percentage": 5, "sampling_precision": 15}, "sampling_precision"),
        ({"sampling_percentage": 5, "mode": "random"}, "'hash_seed', 'equalizing' or 'proportional'"),
        ({"sampling_percentage": 5, "hash_seed": 2**32}, "hash_seed"),
        ({"sampling_percentage": 5, "attribute_source": "record"}, "from_attribute"),
        ({"sampling_percentage": 5, "attribute_source": "resource", "from_attribute": "x"}, "attribute_source"),
    ],
)
def test_mistakes_in_the_configuration_are_told(config: dict[str, Any], told: str) -> None:
    with pytest.raises(ValidationError, match=told):
        ProbabilisticSampler.Config.model_validate(config)


def test_without_a_mode_the_trace_id_is_hashed() -> None:
    for mode in ({}, {"mode": ""}, {"mode": "hash_seed"}):
        assert ProbabilisticSampler.Config.model_validate({"sampling_percentage": 5, **mode}).mode == "hash_seed"
