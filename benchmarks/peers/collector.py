"""The OpenTelemetry Collector with span_metrics and prometheus, on the same configuration file as Weir.

It is built with its own builder from the Go module proxy into the user's cache folder: a few minutes, once. Without go,
or without the proxy, there are no rows. The service graph is left out on both sides: its connector is not on every
proxy.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

from benchmarks.cases.transport import SIZES, SPANS_PER_TURN, cpu_per_span
from benchmarks.configurations import red
from benchmarks.driver import driving
from benchmarks.measure import Row, Settings, compare, in_turns
from benchmarks.processes import Server, free_port, weir

VERSION, STABLE_VERSION = "0.155.0", "1.61.0"
CONTRIB = "github.com/open-telemetry/opentelemetry-collector-contrib"
MANIFEST = f"""
dist: {{name: otelcol, output_path: ./otelcol, version: {VERSION}}}
receivers:
  - gomod: go.opentelemetry.io/collector/receiver/otlpreceiver v{VERSION}
connectors:
  - gomod: {CONTRIB}/connector/spanmetricsconnector v{VERSION}
exporters:
  - gomod: {CONTRIB}/exporter/prometheusexporter v{VERSION}
providers:
  - gomod: go.opentelemetry.io/collector/confmap/provider/envprovider v{STABLE_VERSION}
  - gomod: go.opentelemetry.io/collector/confmap/provider/fileprovider v{STABLE_VERSION}
"""
MIB = 1 << 20


def group(settings: Settings) -> Iterator[Row]:
    """CPU and memory of both, whole path, over gRPC and HTTP/protobuf."""
    binary = build()
    if binary is None:
        return
    for protocol in ("grpc", "http"):
        for spans in SIZES:
            yield from _measure(settings, binary, protocol, spans)


def build() -> Path | None:
    """Return the Collector's binary, built if need be; None with a printed reason where that is not possible."""
    go = shutil.which("go")
    if go is None:
        print("no peers: go is not installed")
        return None
    folder = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "weir-bench" / f"otelcol-{VERSION}"
    binary = folder / "otelcol" / "otelcol"
    if not binary.exists():
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "manifest.yaml").write_text(MANIFEST)
        builder = f"go.opentelemetry.io/collector/cmd/builder@v{VERSION}"
        built = subprocess.run(
            [go, "run", builder, "--config=manifest.yaml"], cwd=folder, capture_output=True, text=True, check=False
        )
        if built.returncode:
            print(f"no peers: the Collector cannot be built:\n{built.stderr[-2000:]}")
            return None
    return binary


def _measure(settings: Settings, binary: Path, protocol: str, spans: int) -> Iterator[Row]:
    requests = settings.amount(SPANS_PER_TURN // spans)
    name = f"{protocol}-{spans}"
    port, peer_port = free_port(), free_port()
    with contextlib.ExitStack() as stack:
        enter = stack.enter_context
        peer_configuration = settings.scratch / f"otelcol-{name}.yaml"
        peer_configuration.write_text(red(protocol, peer_port, free_port()))
        command = [str(binary), "--config", str(peer_configuration)]
        servers = {
            "weir": enter(weir(red(protocol, port, free_port()), port, settings.scratch, f"peer-{name}")),
            "collector": enter(Server(command, peer_port, settings.scratch / f"otelcol-{name}.log")),
        }
        measured = in_turns(
            settings.server_repetitions,
            {
                name: cpu_per_span(server, enter(driving(protocol, server.port, spans)), requests)
                for name, server in servers.items()
            },
        )
        memory = {name: server.peak_memory_bytes() / MIB for name, server in servers.items()}
    against = f"OpenTelemetry Collector {VERSION}, same configuration"
    case = f"{protocol} to RED metrics, {spans} spans a request"
    yield compare(f"peers/{case}", "µs/span", measured["weir"], measured["collector"], against=against)
    ratio = memory["weir"] / memory["collector"]
    yield Row(f"peers/peak memory, {case}", memory["weir"], "MiB", memory["collector"], ratio, against=against)
