"""Renders batches as the exporter does, and reads pages back with readers that are not ours."""

from __future__ import annotations

import subprocess
from collections.abc import Sequence

from prometheus_client.openmetrics.parser import text_string_to_metric_families as parse_openmetrics
from prometheus_client.parser import text_string_to_metric_families as parse_text

from pipeline.codec.prometheus_families import assemble
from pipeline.codec.prometheus_labels import Format, LabelOptions, LabelWriter
from pipeline.codec.prometheus_names import Escaping, Namer, Strategy
from pipeline.codec.prometheus_page import NEVER, write_page
from pipeline.codec.prometheus_protobuf import write_families
from pipeline.model.snapshot import MetricSnapshot
from tests.programs import PROMTOOL

Reported = list[tuple[str, str, int]]
Sample = tuple[str, frozenset[tuple[str, str]], float]

TEXT, OPENMETRICS, PROTOBUF = Format.TEXT, Format.OPENMETRICS, Format.PROTOBUF
PLAIN = LabelOptions(with_scope=False)


def render(
    *batches: MetricSnapshot,
    form: Format = TEXT,
    options: LabelOptions = PLAIN,
    strategy: Strategy = Strategy.UNDERSCORES_WITH_SUFFIXES,
    namespace: str = "",
    escaping: Escaping = Escaping.ALLOW_UTF8,
    zero_after: int = NEVER,
    with_timestamps: bool = False,
    reported: Reported | None = None,
) -> bytes:
    """One page. ``reported`` receives what was left out."""
    reports = reported if reported is not None else []

    def report(reason: str, name: str, series: int) -> None:
        if series:
            reports.append((reason, name, series))

    namer = Namer(strategy, namespace)
    writer = LabelWriter(namer, options, form, escaping)
    families = assemble(batches, namer, writer, form, escaping, report)
    if form is PROTOBUF:
        return b"".join(write_families(families, report, zero_after, with_timestamps))
    return b"".join(bytes(piece) for piece in write_page(families, form, zero_after, with_timestamps))


def lines(page: bytes) -> list[str]:
    """The lines of a page that are no comments."""
    return [line for line in page.decode().split("\n") if line and not line.startswith("#")]


def samples(page: bytes, form: Format = TEXT) -> list[Sample]:
    """The samples as prometheus_client's strict parsers read them; fails on what they refuse."""
    parse = parse_openmetrics if form is OPENMETRICS else parse_text
    families = list(parse(page.decode()))
    return [
        (sample.name, frozenset(sample.labels.items()), float(sample.value))
        for family in families
        for sample in family.samples
    ]


def promtool_complaint(page: bytes, ignored: Sequence[str] = ()) -> str:
    """What ``promtool check metrics`` says of a text page: its parser is Prometheus' own. Empty if it is content."""
    if not PROMTOOL.is_there:
        return ""
    done = subprocess.run([PROMTOOL.path, "check", "metrics"], input=page, capture_output=True, timeout=60, check=False)
    said = (done.stdout + done.stderr).decode()
    return "\n".join(line for line in said.splitlines() if line and not any(text in line for text in ignored))
