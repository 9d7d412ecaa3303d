"""A real server of metrics as a child process, and what can be asked of it in PromQL."""

from __future__ import annotations

import json
import subprocess
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, NamedTuple, Self

import pytest

from tests.integration.weir_process import free_ports
from tests.waiting import eventually

Labels = frozenset[tuple[str, str]]


class Sample(NamedTuple):
    """One value of one series."""

    time: str
    value: float


class MetricsServer:
    """Answers over Prometheus' HTTP interface, which VictoriaMetrics has too; use it as a context manager.

    Args:
        folder: For its data, its configuration and its log.
    """

    ready_path = "/-/ready"

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.url = f"http://127.0.0.1:{free_ports(1)[0]}"
        self._child: subprocess.Popen[bytes] | None = None

    def command(self) -> list[str]:
        """How it is started; ``folder`` exists."""
        raise NotImplementedError

    def __enter__(self) -> Self:
        self.folder.mkdir(exist_ok=True)
        command = self.command()
        with (self.folder / "log").open("wb") as log:
            self._child = subprocess.Popen(command, stdout=log, stderr=log)
        eventually(self._is_ready)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._child is not None:
            self._child.kill()
            self._child.wait()

    @property
    def write_url(self) -> str:
        """Where it takes remote write."""
        return f"{self.url}/api/v1/write"

    @property
    def log(self) -> str:
        """What it has written."""
        return (self.folder / "log").read_text()

    def has_data(self, query: str) -> bool:
        """Whether an expression gives anything, numbers or histograms."""
        return bool(self.ask("query", query=query)["result"])

    def samples(self, query: str, time: str = "") -> dict[Labels, Sample]:
        """An instant vector: labels → value. Only samples of the newest scrapes, or of ``time``."""
        result = self.ask("query", query=query, **({"time": time} if time else {}))["result"]
        return {_labels(one["metric"]): Sample(str(one["value"][0]), float(one["value"][1])) for one in result}

    def values(self, query: str, time: str = "") -> dict[Labels, float]:
        """An instant vector without its times."""
        return {labels: sample.value for labels, sample in self.samples(query, time).items()}

    def scalar(self, query: str) -> float:
        """The one value of a query; NaN where there is none."""
        values = list(self.values(query).values())
        assert len(values) < 2, f"{query} has {len(values)} values"
        return values[0] if values else float("nan")

    def ranges(self, query: str) -> dict[Labels, list[Sample]]:
        """A range vector: labels → samples, oldest first."""
        result = self.ask("query", query=query)["result"]
        return {_labels(one["metric"]): [Sample(str(t), float(v)) for t, v in one["values"]] for one in result}

    def histograms(self, query: str) -> dict[Labels, dict[str, Any]]:
        """An instant vector of native histograms: labels → ``count``, ``sum``, ``buckets``."""
        result = self.ask("query", query=query)["result"]
        return {_labels(one["metric"]): one["histogram"][1] for one in result}

    def exemplars(self, query: str) -> dict[Labels, list[dict[str, Any]]]:
        """Labels of a series, with its name → its exemplars."""
        found = self.ask("query_exemplars", query=query, start="0", end="9999999999")
        return {_labels(one["seriesLabels"]): one["exemplars"] for one in found}

    def ask(self, path: str, **parameters: str) -> Any:
        """Data of an answer; an error fails the test with the server's words."""
        url = f"{self.url}/api/v1/{path}?{urllib.parse.urlencode(parameters)}"
        try:
            with urllib.request.urlopen(url, timeout=20) as answer:
                return json.load(answer)["data"]
        except urllib.error.HTTPError as error:
            with error:
                pytest.fail(f"{parameters}: {error.read().decode()}")

    def _is_ready(self) -> None:
        assert self._child is not None
        if self._child.poll() is not None:
            pytest.fail(f"{self._child.args!r} has ended: {self.log}")
        try:
            with urllib.request.urlopen(f"{self.url}{self.ready_path}", timeout=5) as answer:
                assert answer.status == 200
        except (urllib.error.URLError, ConnectionError) as error:
            raise AssertionError(self.log) from error


def _labels(metric: Mapping[str, str]) -> Labels:
    return frozenset(metric.items())
