"""``weir demo`` as a user runs it: a process of its own, real SDK exporters, /metrics read over HTTP.

Must never regress: what the load sent is exactly what /metrics shows.
"""

import re
import signal
import subprocess
import sys
import urllib.request

import pytest

COMMAND = [sys.executable, "-m", "pipeline", "demo", "--rate", "20", "--seed", "3"]
METRICS = re.compile(r"^  metrics +(http://\S+)$", re.MULTILINE)


def test_the_counts_of_a_checked_run_are_exact() -> None:
    run = subprocess.run(
        [*COMMAND, "--duration", "2", "--check"], capture_output=True, text=True, check=False, timeout=100
    )
    assert run.returncode == 0, run.stdout + run.stderr
    assert "each count on /metrics exactly as sent" in run.stdout
    assert "whether the fault is found is NOT checked: the run of 2 s is shorter than 70 s" in run.stdout
    assert run.stderr == ""


@pytest.mark.e2e
def test_a_whole_checked_run_finds_the_fault_with_cause_and_value() -> None:
    run = subprocess.run(
        [sys.executable, "-m", "pipeline", "demo", "--check"], capture_output=True, text=True, check=False, timeout=240
    )
    assert run.returncode == 0, run.stdout + run.stderr
    assert re.search(r"was found \d+ s after it began: cause payment, suspects app\.card_type=amex", run.stdout)


def test_ctrl_c_ends_it_with_a_summary_and_no_traceback() -> None:
    with subprocess.Popen(COMMAND, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as run:
        assert run.stdout is not None
        shown = ""
        for line in run.stdout:  # plain lines come every few seconds, the first when spans have been counted
            shown += line
            if "spans/s" in line:
                break
        found = METRICS.search(shown)
        assert found is not None
        with urllib.request.urlopen(found[1]) as page:
            assert b"traces_span_metrics_calls_total{" in page.read()
        run.send_signal(signal.SIGINT)
        rest, errors = run.communicate(timeout=100)
    assert run.returncode == 0
    assert errors == ""
    assert re.search(r"^\d+ traces with \d+ spans sent", rest, re.MULTILINE)


def test_a_wrong_option_is_explained() -> None:
    run = subprocess.run([*COMMAND, "--rate", "0"], capture_output=True, text=True, check=False, timeout=60)
    assert run.returncode == 2
    assert "must be positive" in run.stderr
