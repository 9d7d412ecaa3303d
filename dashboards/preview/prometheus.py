"""A Prometheus as a child process: takes remote write, samples of the past too, and answers queries."""

from __future__ import annotations

import contextlib
import http.client
import json
import shutil
import socket
import struct
import subprocess
import threading
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any

import cramjam

from pipeline.codec.prometheus_labels import utf8, varint

HOW_TO_GET = "needs the program prometheus (Debian and Ubuntu: apt-get install prometheus; else prometheus.io/download)"
START_S = 30.0
POLL_S = 0.1
CONFIGURATION = "storage: {tsdb: {out_of_order_time_window: 12h}}\n"
"""Rules are evaluated for the past when the samples that they need are there."""
SERIES_AT_ONCE = 2_000

Labels = Mapping[str, str]
Samples = Sequence[tuple[float, float]]
"""Unix seconds and values."""


class QueryFailedError(Exception):
    """Prometheus refuses an expression; the text says why."""


class Prometheus:
    """Use it as a context manager.

    Args:
        folder: For its data; what is there already is served.
        program: Its file; without it, that on PATH.
    Raises:
        FileNotFoundError: The program is not installed.
    """

    def __init__(self, folder: Path, program: str = "") -> None:
        self._program = program
        self._folder = folder
        self._address = ""
        self._child: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Prometheus:
        program = self._program or shutil.which("prometheus")
        if program is None:
            raise FileNotFoundError(HOW_TO_GET)
        configuration = self._folder / "prometheus.yml"
        configuration.write_text(CONFIGURATION)
        with socket.create_server(("127.0.0.1", 0)) as listener:
            self._address = "{}:{}".format(*listener.getsockname())
        command = [
            program,
            f"--config.file={configuration}",
            f"--storage.tsdb.path={self._folder / 'data'}",
            f"--web.listen-address={self._address}",
            "--enable-feature=exemplar-storage,native-histograms",
            "--web.enable-remote-write-receiver",
        ]
        with (self._folder / "prometheus.log").open("wb") as log:
            self._child = subprocess.Popen(command, stdout=log, stderr=log)
        self._wait_until_ready()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._child is not None:
            self._child.kill()
            self._child.wait()

    def write(self, payload: bytes) -> None:
        """Send one request of remote write 1.0.

        Args:
            payload: Not compressed.
        Raises:
            RuntimeError: It was refused.
        """
        headers = {"content-encoding": "snappy", "content-type": "application/x-protobuf"}
        body = bytes(cramjam.snappy.compress_raw(payload))
        request = urllib.request.Request(f"http://{self._address}/api/v1/write", body, headers)
        try:
            urllib.request.urlopen(request).close()
        except urllib.error.HTTPError as error:
            raise RuntimeError(error.read().decode()) from error

    def write_samples(self, series: Iterable[tuple[Labels, Samples]]) -> None:
        """Send plain samples."""
        messages = [_series(labels, samples) for labels, samples in series]
        for first in range(0, len(messages), SERIES_AT_ONCE):
            self.write(b"".join(messages[first : first + SERIES_AT_ONCE]))

    def instant(self, query: str, time_s: float) -> list[dict[str, Any]]:
        """An instant query: series with ``metric`` and ``value`` or ``histogram``."""
        found: list[dict[str, Any]] = self._ask("query", query=query, time=f"{time_s}")["result"]
        return found

    def range(self, query: str, begin_s: float, end_s: float, step_s: float) -> list[dict[str, Any]]:
        """A range query: series with ``metric`` and ``values`` or ``histograms``."""
        times = {"start": f"{begin_s}", "end": f"{end_s}", "step": f"{step_s}"}
        found: list[dict[str, Any]] = self._ask("query_range", query=query, **times)["result"]
        return found

    def label_values(self, label: str, selector: str, begin_s: float, end_s: float) -> list[str]:
        """Values of a label among the series of a selector, sorted."""
        query = {"match[]": selector, "start": f"{begin_s}", "end": f"{end_s}"}
        found: list[str] = self._ask(f"label/{label}/values", **query)
        return found

    def exemplars(self, query: str, begin_s: float, end_s: float) -> list[dict[str, Any]]:
        """Series with their ``exemplars``."""
        times = {"start": f"{begin_s}", "end": f"{end_s}"}
        found: list[dict[str, Any]] = self._ask("query_exemplars", query=query, **times)
        return found

    def _ask(self, path: str, **parameters: str) -> Any:
        url = f"http://{self._address}/api/v1/{path}?{urllib.parse.urlencode(parameters)}"
        try:
            with urllib.request.urlopen(url) as answer:
                return json.load(answer)["data"]
        except urllib.error.HTTPError as error:
            text = error.read().decode()
            with contextlib.suppress(ValueError, KeyError):
                text = json.loads(text)["error"]
            raise QueryFailedError(text) from error

    def _wait_until_ready(self) -> None:
        pause = threading.Event()
        for _ in range(round(START_S / POLL_S)):
            if self._child is not None and self._child.poll() is not None:
                break
            with contextlib.suppress(OSError, http.client.HTTPException):
                urllib.request.urlopen(f"http://{self._address}/-/ready").close()
                return
            pause.wait(POLL_S)
        raise RuntimeError(f"prometheus did not start: {(self._folder / 'prometheus.log').read_text()[-2000:]}")


def _series(labels: Labels, samples: Samples) -> bytes:
    """``WriteRequest.timeseries`` of remote write 1.0, with its tag."""
    body = b"".join(_field(1, _field(1, utf8(name)) + _field(2, utf8(value))) for name, value in sorted(labels.items()))
    body += b"".join(_field(2, _sample(at_s, value)) for at_s, value in samples)
    return _field(1, body)


def _sample(at_s: float, value: float) -> bytes:
    return b"\x09" + struct.pack("<d", value) + b"\x10" + varint(round(at_s * 1000))


def _field(number: int, value: bytes) -> bytes:
    return varint(number << 3 | 2) + varint(len(value)) + value
