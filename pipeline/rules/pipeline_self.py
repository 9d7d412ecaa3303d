"""Alerts about Weir itself: ratios with a duration, never a bare ``rate(refused) > 0``."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from pipeline.promql.own import GAUGE, HISTOGRAM, exposed, own
from pipeline.rules.rule import NONE, PAGE, TICKET, Alert, Links, Rule

INSTANCE = "{{ $labels.instance }}"
ITEMS = {"traces": "spans", "metrics": "metric_points", "logs": "log_records"}
"""Signal → what it consists of, in the names of metrics."""
REFUSED_FROM, FAILED_FROM, EXPORT_FAILED_FROM, BUSY_FROM, FULL_FROM = 0.01, 0.01, 0.05, 0.9, 0.9
QUEUE_FULL_FROM = 0.8


def alerts(links: Links, job: str) -> Iterator[Rule]:
    """All of them. ``job``: of the scrapes of Weir's own metrics."""
    page = links.dashboard("self", instance=INSTANCE)
    yield Alert(
        "PipelineDown",
        f'up{{job="{job}"}} == 0 or absent(up{{job="{job}"}})',
        PAGE,
        "Weir cannot be reached",
        f"Prometheus gets no own metrics of job {job} {INSTANCE}.",
        page,
        for_="2m",
    )
    yield Alert(
        "PipelineRefusingData",
        _for_each_signal(_turned_away, REFUSED_FROM),
        PAGE,
        f"Weir {INSTANCE} turns {{{{ $labels.signal }}}} away",
        "{{ $value | humanizePercentage }} of the {{ $labels.signal }} were refused or failed.",
        page,
        for_="5m",
    )
    incoming = own("otelcol_connector_incoming_items")
    unhappy = own("otelcol_connector_consumed_items")
    not_consumed = _rate(unhappy, "connector", select='outcome!="success"')
    yield Alert(
        "PipelineDroppingData",
        f"{not_consumed} / ({_rate(incoming, 'connector')} > 0) > {FAILED_FROM}",
        TICKET,
        f"{{{{ $labels.connector }}}} of {INSTANCE} fails",
        "{{ $value | humanizePercentage }} of the items given to it are missing in its metrics.",
        page,
        for_="5m",
    )
    yield Alert(
        "PipelineExportFailing",
        _for_each_signal(_not_sent, EXPORT_FAILED_FROM),
        TICKET,
        f"{{{{ $labels.exporter }}}} of {INSTANCE} cannot send {{{{ $labels.signal }}}}",
        "{{ $value | humanizePercentage }} of the {{ $labels.signal }} it was given could not be sent.",
        page,
        for_="10m",
    )
    size, capacity = exposed("otelcol_exporter_queue_size", GAUGE), exposed("otelcol_exporter_queue_capacity", GAUGE)
    yield Alert(
        "PipelineQueueNearFull",
        f"{size} / {capacity} > {QUEUE_FULL_FROM}",
        TICKET,
        f"The queue of {{{{ $labels.exporter }}}} of {INSTANCE} is nearly full",
        "{{ $value | humanizePercentage }} of its places are taken; when there are none, senders are refused and "
        "metrics of their spans stop, too, unless drop_on_overflow loses this exporter's data only.",
        page,
        for_="5m",
    )
    yield Alert(
        "PipelineSeriesLimitHit",
        f"{_rate(own('otelcol_connector_overflowed_items'), 'connector', 'reason')} > 0",
        TICKET,
        f"{{{{ $labels.connector }}}} of {INSTANCE} is at its limit of series",
        "{{ $value | humanize }} measurements/s go to the overflow series: {{ $labels.reason }}. Totals stay exact.",
        page,
        for_="10m",
    )
    kept, allowed = own("otelcol_connector_series", GAUGE), own("otelcol_connector_series_limit", GAUGE)
    yield Alert(
        "PipelineSeriesNearLimit",
        f"{kept} / {allowed} > {FULL_FROM}",
        TICKET,
        f"{{{{ $labels.connector }}}} of {INSTANCE} is near its limit of series",
        "{{ $value | humanizePercentage }} of the series allowed are in use.",
        page,
        for_="15m",
    )
    seconds = own("otelcol_connector_internal_duration", HISTOGRAM, "s")
    yield Alert(
        "PipelineSaturated",
        f"{_rate(f'{seconds}_sum')} > {BUSY_FROM}",
        TICKET,
        f"Weir {INSTANCE} is as busy as one lock allows",
        "Its connectors work {{ $value | humanizePercentage }} of the time; senders will wait.",
        page,
        for_="10m",
    )
    written = own("weir_checkpoint_writes")
    failure, success = (_rate(written, select=f'outcome="{outcome}"') for outcome in ("failure", "success"))
    yield Alert(
        "PipelineCheckpointFailing",
        f"({failure} > 0) unless ({success} > 0)",
        TICKET,
        f"Weir {INSTANCE} cannot save its state",
        "No checkpoint could be written for minutes; a restart now loses counters and what was learnt.",
        page,
        for_="5m",
    )
    yield Alert(
        "PipelineReloadFailed",
        f"{exposed('weir_config_last_reload_successful', GAUGE)} == 0",
        TICKET,
        f"Weir {INSTANCE} does not use its configuration",
        "The configuration that was read last could not be used; the one before is in force, until a restart.",
        page,
        for_="5m",
    )
    yield Alert(
        "Watchdog",
        "vector(1)",
        NONE,
        "Alerting works",
        "Always firing. Whoever watches it alerts when it stops.",
        links.dashboard("fleet"),
    )


def _rate(metric: str, *more: str, select: str = "") -> str:
    return f"sum by ({', '.join(('instance', *more))}) (rate({metric}{f'{{{select}}}' if select else ''}[5m]))"


def _for_each_signal(share: Callable[[str], str], limit: float) -> str:
    """Where a share of its items is above a limit; each signal by itself, so that a busy one does not hide another."""
    labelled = (f'label_replace({share(items)}, "signal", "{signal}", "", "")' for signal, items in ITEMS.items())
    return " or ".join(f"({one} > {limit})" for one in labelled)


def _turned_away(items: str) -> str:
    """Share of what came in."""
    fates = ("accepted", "refused", "failed")
    accepted, refused, failed = (_rate(own(f"otelcol_receiver_{fate}_{items}")) for fate in fates)
    return f"({refused} + {failed}) / ({accepted} + {refused} + {failed} > 0)"


def _not_sent(items: str) -> str:
    """Share of what an exporter was given."""
    sent, failed = (_rate(own(f"otelcol_exporter_{fate}_{items}"), "exporter") for fate in ("sent", "send_failed"))
    return f"{failed} / ({sent} + {failed} > 0)"
