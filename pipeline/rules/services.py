"""Recordings of rate, errors and duration for services and edges, and what is told of them."""

from __future__ import annotations

from collections.abc import Iterator

from pipeline.promql.flavour import PER_SECOND, Flavour
from pipeline.promql.red import Edges, Red
from pipeline.rules.rule import INFO, TICKET, Alert, Links, Recording, Rule
from processors.anomaly import names as anomaly
from processors.service_graph.names import CLIENT, SERVER

SERVICE = anomaly.SERVICE_NAME
"""Recorded series have this label under every naming."""
RATE, ERRORS, ERROR_RATIO = (
    "service:request:rate5m",
    "service:request_error:rate5m",
    "service:request_error:ratio_rate5m",
)
EDGE_RATE, EDGE_ERROR_RATIO = "service_edge:request:rate5m", "service_edge:request_error:ratio_rate5m"
BUSY_FROM = 1.0
"""Requests per second below which a drop says little."""
DROP_TO = 0.2


def duration(q: str) -> str:
    """Recorded quantile of durations, in seconds."""
    return f"service:request_duration_seconds:{q}_rate5m"


def recordings(flavour: Flavour) -> Iterator[Rule]:
    """For all services and edges."""
    red, by = Red(flavour, "5m"), [flavour.service]
    yield Recording(RATE, _named(flavour, red.rate(by)))
    yield Recording(ERRORS, _named(flavour, red.errors(by)))
    yield Recording(ERROR_RATIO, f"{ERRORS} / ({RATE} > 0)")
    for q in (50, 95, 99):
        seconds = red.quantile(q / 100, by)
        if flavour.unit != "s":
            seconds = f"{seconds} / {PER_SECOND[flavour.unit]}"
        yield Recording(duration(f"p{q}"), _named(flavour, seconds))
    edges, pair = Edges(flavour, "5m"), [CLIENT, SERVER]
    yield Recording(EDGE_RATE, edges.rate(pair))
    yield Recording(EDGE_ERROR_RATIO, edges.error_ratio(pair))


def alerts(links: Links) -> Iterator[Rule]:
    """Traffic that stops, and anomalies."""
    before = f"avg_over_time({RATE}[1h] offset 15m)"
    to_service = links.dashboard("service", service=f"{{{{ $labels.{SERVICE} }}}}")
    yield Alert(
        "ServiceTrafficDrop",
        f"{RATE} < {DROP_TO} * ({before} > {BUSY_FROM:g})",
        TICKET,
        f"{{{{ $labels.{SERVICE} }}}} gets hardly any requests",
        f"{{{{ $value | humanize }}}} requests/s, less than {DROP_TO:.0%} of the hour before.",
        to_service,
        for_="10m",
    )
    yield Alert(
        "ServiceAnomaly",
        f"max by ({SERVICE}, {anomaly.SIGNAL}) ({anomaly.ANOMALY_ACTIVE}) == 1",
        INFO,
        f"{{{{ $labels.{SERVICE} }}}}: {{{{ $labels.{anomaly.SIGNAL} }}}} is unusual",
        "The signal has left the band in which it was expected. An anomaly alone pages nobody.",
        links.dashboard("anomalies", service=f"{{{{ $labels.{SERVICE} }}}}"),
        for_="1m",
    )


def _named(flavour: Flavour, expr: str) -> str:
    if flavour.service == SERVICE:
        return expr
    return f'sum by ({SERVICE}) (label_replace({expr}, "{SERVICE}", "$1", "{flavour.service}", "(.+)"))'
