"""A real Prometheus as a child process, and what can be asked of it over its HTTP interface."""

from __future__ import annotations

import json
import shutil
import subprocess
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, NamedTuple

import pytest
import yaml

from tests.integration.weir_process import free_ports
from tests.waiting import eventually

SCRAPE_INTERVAL_S = 1.0

needs_prometheus = pytest.mark.skipif(
    shutil.which("prometheus") is None,
    reason="needs the program prometheus (Debian and Ubuntu: apt-get install prometheus; else prometheus.io/download)",
)

Labels = frozenset[tuple[str, str]]


class Sample(NamedTuple):
    """One value of one series."""

    time: str
    value: float


class Prometheus:
    """Scrapes and answers; use it as a context manager.

    Args:
        folder: For its data and its configuration.
        targets: Address of a /metrics page by name of the scrape job.
        features: ``--enable-feature``.
        receives: Take remote write, at ``write_url``.
        rules: A rule file.
    """

    def __init__(
        self,
        folder: Path,
        targets: Mapping[str, str],
        *features: str,
        receives: bool = False,
        rules: Path | None = None,
    ) -> None:
        self._rules = rules
        self._receives = receives
        self._folder = folder
        self._targets = targets
        self._features = features
        self._url = f"http://127.0.0.1:{free_ports(1)[0]}"
        self._child: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Prometheus:
        self._folder.mkdir(exist_ok=True)
        configuration = self._folder / "prometheus.yml"
        configuration.write_text(yaml.safe_dump(self._configuration()))
        command = [
            "prometheus",
            f"--config.file={configuration}",
            f"--storage.tsdb.path={self._folder / 'data'}",
            f"--web.listen-address={self._url.removeprefix('http://')}",
            f"--enable-feature={','.join(('exemplar-storage', *self._features))}",
            "--query.lookback-delta=10m",
        ]
        if self._receives:
            command.append("--web.enable-remote-write-receiver")
        with (self._folder / "log").open("wb") as log:
            self._child = subprocess.Popen(command, stdout=log, stderr=log)
        eventually(self._is_ready)
        eventually(self._has_scraped)
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
        return f"{self._url}/api/v1/write"

    @property
    def log(self) -> str:
        """What it has written."""
        return (self._folder / "log").read_text()

    def has_data(self, query: str) -> bool:
        """Whether an expression gives anything, numbers or histograms."""
        return bool(self._ask("query", query=query)["result"])

    def samples(self, query: str, time: str = "") -> dict[Labels, Sample]:
        """An instant vector: labels → value. Only samples of the newest scrapes, or of ``time``."""
        result = self._ask("query", query=query, **({"time": time} if time else {}))["result"]
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
        result = self._ask("query", query=query)["result"]
        return {_labels(one["metric"]): [Sample(str(t), float(v)) for t, v in one["values"]] for one in result}

    def histograms(self, query: str) -> dict[Labels, dict[str, Any]]:
        """An instant vector of native histograms: labels → ``count``, ``sum``, ``buckets``."""
        result = self._ask("query", query=query)["result"]
        return {_labels(one["metric"]): one["histogram"][1] for one in result}

    def exemplars(self, query: str) -> dict[Labels, list[dict[str, Any]]]:
        """Labels of a series, with its name → its exemplars."""
        found = self._ask("query_exemplars", query=query, start="0", end="9999999999")
        return {_labels(one["seriesLabels"]): one["exemplars"] for one in found}

    def targets(self) -> dict[str, dict[str, Any]]:
        """Job → state of its target."""
        return {one["scrapePool"]: one for one in self._ask("targets")["activeTargets"]}

    def types(self) -> dict[str, str]:
        """Metric → its type."""
        return {name: entries[0]["type"] for name, entries in self._ask("metadata").items()}

    def _configuration(self) -> dict[str, Any]:
        jobs = [
            {"job_name": job, "honor_labels": True, "static_configs": [{"targets": [address]}]}
            for job, address in self._targets.items()
        ]
        # Labels of the page win (job and instance are the application's), so the target needs one of its own.
        for job in jobs:
            job["relabel_configs"] = [{"target_label": "page", "replacement": job["job_name"]}]
        interval = f"{round(SCRAPE_INTERVAL_S * 1000)}ms"
        timing = {"scrape_interval": interval, "scrape_timeout": interval}
        rule_files = [] if self._rules is None else [str(self._rules)]
        return {"global": timing, "rule_files": rule_files, "scrape_configs": jobs}

    def _is_ready(self) -> None:
        assert self._child is not None
        if self._child.poll() is not None:
            pytest.fail(f"prometheus has ended: {self.log}")
        try:
            with urllib.request.urlopen(f"{self._url}/-/ready", timeout=5) as answer:
                assert answer.status == 200
        except (urllib.error.URLError, ConnectionError) as error:
            raise AssertionError(self.log) from error

    def _has_scraped(self) -> None:
        state = {job: target["health"] for job, target in self.targets().items()}
        assert state == dict.fromkeys(self._targets, "up"), self.log

    def _ask(self, path: str, **parameters: str) -> Any:
        url = f"{self._url}/api/v1/{path}?{urllib.parse.urlencode(parameters)}"
        try:
            with urllib.request.urlopen(url, timeout=20) as answer:
                return json.load(answer)["data"]
        except urllib.error.HTTPError as error:
            with error:
                pytest.fail(f"{parameters}: {error.read().decode()}")


def _labels(metric: Mapping[str, str]) -> Labels:
    return frozenset(metric.items())
