"""The hours of the scenario: through Weir into Prometheus, then the rules over all of it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import yaml
from prometheus_client.parser import text_string_to_metric_families

from dashboards.preview.leading_zeros import LeadingZeros
from dashboards.preview.prometheus import Labels, Prometheus, Samples
from dashboards.preview.replica import Replica
from dashboards.preview.scenario import Scenario
from pipeline.codec.prometheus_families import assemble
from pipeline.codec.prometheus_labels import Format, LabelOptions, LabelWriter
from pipeline.codec.prometheus_names import Escaping, Namer
from pipeline.codec.remote_write import Message, RemoteWriter
from pipeline.config.check import check
from pipeline.config.load import load_document
from pipeline.promql.flavour import Flavour
from pipeline.rules.document import flavour_of, objectives_of, rule_file
from pipeline.rules.rule import Links
from pipeline.service.registry import Registry

STEP_S, SCRAPE_S = 5, 15
OWN_SCRAPE_S = 30
"""At least; the page about Weir itself changes slowly."""
RULES_S = 30
"""Interval of evaluation, as in the bundled rules."""
JOB, INSTANCE = "weir", "weir-0:8888"
MAX_BYTES = 4_000_000


@dataclass(frozen=True)
class Span:
    """From when until when, Unix seconds."""

    begin_s: int
    end_s: int


def play(
    flavour: Flavour, hours: Span, rate: float, prometheus: Prometheus, *, scrape_s: int = SCRAPE_S, seed: int = 7
) -> None:
    """Let the scenario happen and be scraped.

    Args:
        rate: Traces per second at noon.
        scrape_s: Interval of scrapes, a multiple of ``STEP_S``.
    """
    scenario = Scenario(seed, rate)
    with Replica(flavour, hours.begin_s * 10**9) as weir:
        scraper = _Scraper(weir, prometheus, scrape_s)
        for now_s in range(hours.begin_s + STEP_S, hours.end_s + 1, STEP_S):
            events = scenario.between(now_s - STEP_S - hours.end_s, now_s - hours.end_s)
            weir.take(events, hours.end_s * 10**9, now_s * 10**9)
            scraper.scrape_if_due(now_s)
        configuration = weir.configuration
    checked = check(load_document([f"yaml:{configuration}"]), Registry())
    text = rule_file(flavour_of(checked), objectives_of(checked), Links(), JOB)
    evaluate(yaml.safe_load(text), hours, prometheus)


class _Scraper:
    """Does what Prometheus does at its scrapes, at the replica's time."""

    def __init__(self, weir: Replica, prometheus: Prometheus, interval_s: int) -> None:
        self._interval_s = interval_s
        self._weir = weir
        self._prometheus = prometheus
        self._namer = Namer()
        self._labels = LabelWriter(self._namer, LabelOptions(with_scope=False), Format.PROTOBUF, Escaping.ALLOW_UTF8)
        self._zeros = LeadingZeros()
        self._writer = RemoteWriter(Message.V1, 1, MAX_BYTES, _nothing_is_left_out)

    def scrape_if_due(self, now_s: int) -> None:
        """Scrape what is due."""
        if now_s % self._interval_s == 0:
            families = assemble(
                self._zeros.shown(self._weir.collect()),
                self._namer,
                self._labels,
                Format.PROTOBUF,
                Escaping.ALLOW_UTF8,
                _nothing_is_left_out,
            )
            for request in self._writer.encode(families, "page", now_s * 10**9):
                self._prometheus.write(request.payload)
        if now_s % max(OWN_SCRAPE_S, self._interval_s) == 0:
            self._weir.scrape()
            self._prometheus.write_samples(_own(self._weir.own_page(), now_s))


def _own(page: str, now_s: int) -> Iterator[tuple[Labels, Samples]]:
    target = {"job": JOB, "instance": INSTANCE}
    yield {"__name__": "up", **target}, [(now_s, 1.0)]
    for family in text_string_to_metric_families(page):
        for sample in family.samples:
            labels = {name: value for name, value in sample.labels.items() if value}
            yield {**labels, **target, "__name__": sample.name}, [(now_s, sample.value)]


def _nothing_is_left_out(reason: str, metric: str, series: int) -> None:
    if series and reason != "merged":
        raise RuntimeError(f"{series} series of {metric} are missing: {reason}")


def evaluate(rules: Mapping[str, Any], hours: Span, prometheus: Prometheus) -> None:
    """Recording and alerting rules over the past, in their order; alerts as ``ALERTS`` while they fire."""
    for group in rules["groups"]:
        for rule in group["rules"]:
            expr, given = rule.get("expr", ""), rule.get("labels", {})
            found = prometheus.range(expr, hours.begin_s, hours.end_s, RULES_S)
            series = [({k: v for k, v in one["metric"].items() if k != "__name__"}, one["values"]) for one in found]
            if "record" in rule:
                prometheus.write_samples(_recorded({**given, "__name__": rule["record"]}, series))
            else:
                name = {**given, "alertname": rule["alert"]}
                prometheus.write_samples(_firing(name, series, _seconds(rule.get("for", "0s"))))


def _recorded(given: Labels, series: Sequence[tuple[Labels, Any]]) -> Iterator[tuple[Labels, Samples]]:
    for labels, values in series:
        yield {**labels, **given}, [(at_s, float(value)) for at_s, value in values]


def _firing(given: Labels, series: Sequence[tuple[Labels, Any]], for_s: int) -> Iterator[tuple[Labels, Samples]]:
    """An alert fires from ``for`` after its condition began to hold until it holds no more."""
    for labels, values in series:
        firing, state, since, before = [], [], 0.0, 0.0
        for at_s, _ in values:
            since = since if at_s - before <= RULES_S else at_s
            before = at_s
            state.append((at_s, since))
            if at_s - since >= for_s:
                firing.append((at_s, 1.0))
        yield {**labels, **given, "__name__": "ALERTS_FOR_STATE"}, state
        yield {**labels, **given, "__name__": "ALERTS", "alertstate": "firing"}, firing


def _seconds(duration: str) -> int:
    return int(duration[:-1]) * {"s": 1, "m": 60, "h": 3600}[duration[-1]]
