"""A real Prometheus, 2.x or 3.x."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Self

import pytest
import yaml

from tests.e2e.metrics_server import MetricsServer
from tests.programs import PROMETHEUS, PROMETHEUS3, Program
from tests.waiting import eventually

SCRAPE_INTERVAL_S = 1.0

VERSIONS = [
    pytest.param(PROMETHEUS, marks=PROMETHEUS.needed, id="prometheus"),
    pytest.param(PROMETHEUS3, marks=PROMETHEUS3.needed, id="prometheus3"),
]
"""Parameters of tests that are to pass with each."""


class Prometheus(MetricsServer):
    """Scrapes, receives and answers.

    Args:
        folder: For its data and its configuration.
        targets: Address of a /metrics page by name of the scrape job.
        features: ``--enable-feature``.
        program: Which Prometheus.
        receives: Take remote write, at ``write_url``, and with 3.x OTLP, at ``otlp_url``.
        rules: A rule file.
        scrape: Further keys of scrape jobs, by name.
        sections: Further sections of the configuration, such as ``otlp``.
    """

    def __init__(
        self,
        folder: Path,
        targets: Mapping[str, str],
        *features: str,
        program: Program = PROMETHEUS,
        receives: bool = False,
        rules: Path | None = None,
        scrape: Mapping[str, Mapping[str, Any]] | None = None,
        sections: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(folder)
        self._program = program
        self._rules = rules
        self._receives = receives
        self._targets = targets
        self._features = features
        self._scrape = dict(scrape or {})
        self._sections = dict(sections or {})

    def __enter__(self) -> Self:
        super().__enter__()
        eventually(self._has_scraped)
        return self

    @property
    def otlp_url(self) -> str:
        """Where it takes OTLP: the ``endpoint`` of ``otlphttp``."""
        return f"{self.url}/api/v1/otlp"

    def command(self) -> list[str]:
        configuration = self.folder / "prometheus.yml"
        configuration.write_text(yaml.safe_dump(self._configuration()))
        command = [
            self._program.path,
            f"--config.file={configuration}",
            f"--storage.tsdb.path={self.folder / 'data'}",
            f"--web.listen-address={self.url.removeprefix('http://')}",
            f"--enable-feature={','.join(('exemplar-storage', *self._features))}",
            "--query.lookback-delta=10m",
        ]
        if self._receives:
            command.append("--web.enable-remote-write-receiver")
            if self._program is PROMETHEUS3:
                command.append("--web.enable-otlp-receiver")
        return command

    def targets(self) -> dict[str, dict[str, Any]]:
        """Job → state of its target."""
        return {one["scrapePool"]: one for one in self.ask("targets")["activeTargets"]}

    def types(self) -> dict[str, str]:
        """Metric → its type."""
        return {name: entries[0]["type"] for name, entries in self.ask("metadata").items()}

    def _configuration(self) -> dict[str, Any]:
        jobs = [
            {
                "job_name": job,
                "honor_labels": True,
                "static_configs": [{"targets": [address]}],
                **self._scrape.get(job, {}),
            }
            for job, address in self._targets.items()
        ]
        # Labels of the page win (job and instance are the application's), so the target needs one of its own.
        for job in jobs:
            job["relabel_configs"] = [{"target_label": "page", "replacement": job["job_name"]}]
            # 2.x takes them with the feature of that name, and does not know the key.
            if self._program is PROMETHEUS3 and "native-histograms" in self._features:
                job["scrape_native_histograms"] = True
        interval = f"{round(SCRAPE_INTERVAL_S * 1000)}ms"
        timing = {"scrape_interval": interval, "scrape_timeout": interval}
        rule_files = [] if self._rules is None else [str(self._rules)]
        return {"global": timing, "rule_files": rule_files, "scrape_configs": jobs, **self._sections}

    def _has_scraped(self) -> None:
        state = {job: target["health"] for job, target in self.targets().items()}
        assert state == dict.fromkeys(self._targets, "up"), self.log
