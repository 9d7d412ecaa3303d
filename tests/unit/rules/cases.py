"""When each alert fires and when it does not, as series of one sample a minute."""

from __future__ import annotations

from typing import NamedTuple

CALLS = 'traces_span_metrics_calls_total{service_name="checkout",span_kind="SPAN_KIND_SERVER",status_code="%s"}'
OK, ERROR = CALLS % "STATUS_CODE_UNSET", CALLS % "STATUS_CODE_ERROR"
FRONTEND = OK.replace("checkout", "frontend")
RECEIVER = 'otelcol_receiver_%s_{items}_total{{instance="weir:8888",receiver="otlp"}}'
CONNECTOR = 'otelcol_connector_%s{instance="weir:8888",connector="span_metrics"}'
FAILURES = 'otelcol_connector_consumed_items_total{instance="weir:8888",connector="span_metrics",outcome="%s"}'
EXPORTER = 'otelcol_exporter_%s{instance="weir:8888",exporter="otlp"}'
UP = 'up{job="weir",instance="weir:8888"}'
WRITES = 'weir_checkpoint_writes_total{instance="weir:8888",outcome="%s"}'
RELOAD = 'weir_config_last_reload_successful{instance="weir:8888"}'
ANOMALY = 'weir_anomaly_active{service_name="checkout",span_name="POST /orders",signal="duration"}'


class Case(NamedTuple):
    """Series by name, the time of evaluation, and how many alerts fire then."""

    name: str
    alert: str
    series: dict[str, str]
    at: str
    firing: int


def received(**items: tuple[str, str, str]) -> dict[str, str]:
    """Counters of a receiver: what was accepted, refused and failed of each kind of item."""
    fates = ("accepted", "refused", "failed")
    return {
        RECEIVER.format(items=name) % fate: values
        for name, several in items.items()
        for fate, values in zip(fates, several, strict=True)
    }


CASES = (
    # 99.5 %: the page needs an error ratio of 7.2 % in 5m and 1h, the ticket 1.5 % in 2h and 1d.
    Case("10 % errors for an hour", "SLOErrorBudgetBurnFast", {OK: "0+90x70", ERROR: "0+10x70"}, "65m", 1),
    Case("2 % errors for an hour", "SLOErrorBudgetBurnFast", {OK: "0+98x70", ERROR: "0+2x70"}, "65m", 0),
    Case("10 % that ended", "SLOErrorBudgetBurnFast", {OK: "0+90x110", ERROR: "0+10x70 700x40"}, "108m", 0),
    Case("2 % errors for three hours", "SLOErrorBudgetBurnSlow", {OK: "0+98x200", ERROR: "0+2x200"}, "190m", 1),
    Case("0.4 % errors for three hours", "SLOErrorBudgetBurnSlow", {OK: "0+996x200", ERROR: "0+4x200"}, "190m", 0),
    Case("1 % errors, budget 0.5 %", "SLOErrorBudgetExhausted", {OK: "0+99x60", ERROR: "0+1x60"}, "50m", 1),
    Case("0.2 % errors, budget 0.5 %", "SLOErrorBudgetExhausted", {OK: "0+998x60", ERROR: "0+2x60"}, "50m", 0),
    Case("no spans of either service", "SLOIndicatorMissing", {UP: "1x60"}, "50m", 2),
    Case("spans of one service", "SLOIndicatorMissing", {OK: "0+90x60"}, "50m", 1),
    Case("spans of both", "SLOIndicatorMissing", {OK: "0+90x60", FRONTEND: "0+90x60"}, "50m", 0),
    Case("from 10/s to 1/s", "ServiceTrafficDrop", {OK: "0+600x120 72000+60x40"}, "140m", 1),
    Case("from 10/s to 5/s", "ServiceTrafficDrop", {OK: "0+600x120 72000+300x40"}, "140m", 0),
    Case("little before", "ServiceTrafficDrop", {OK: "0+30x120 3600+0x40"}, "140m", 0),
    Case("anomalous for two minutes", "ServiceAnomaly", {ANOMALY: "0x5 1x10"}, "9m", 1),
    Case("as usual", "ServiceAnomaly", {ANOMALY: "0x20"}, "9m", 0),
    Case("down", "PipelineDown", {UP: "1x5 0x10"}, "10m", 1),
    Case("no target", "PipelineDown", {OK: "0x20"}, "10m", 1),
    Case("up", "PipelineDown", {UP: "1x20"}, "10m", 0),
    *(
        Case(
            name,
            "PipelineRefusingData",
            received(**items),
            "15m",
            n,
        )
        for name, items, n in (
            ("2 % refused", {"spans": ("0+98x20", "0+2x20", "0x20")}, 1),
            ("2 % failed", {"spans": ("0+98x20", "0x20", "0+2x20")}, 1),
            ("0.5 % refused", {"spans": ("0+995x20", "0+5x20", "0x20")}, 0),
            ("2 % of data points refused", {"metric_points": ("0+98x20", "0+2x20", "0x20")}, 1),
            (
                "logs, beside many spans",
                {"spans": ("0+9999x20", "0x20", "0x20"), "log_records": ("0+98x20", "0+2x20", "0x20")},
                1,
            ),
            ("two signals", dict.fromkeys(("spans", "log_records"), ("0+98x20", "0+2x20", "0x20")), 2),
        )
    ),
    Case(
        "2 % fail",
        "PipelineDroppingData",
        {CONNECTOR % "incoming_items_total": "0+100x20", FAILURES % "failure": "0+2x20"},
        "15m",
        1,
    ),
    Case(
        "none fails",
        "PipelineDroppingData",
        {
            CONNECTOR % "incoming_items_total": "0+100x20",
            FAILURES % "failure": "0x20",
            FAILURES % "success": "0+100x20",
        },
        "15m",
        0,
    ),
    Case(
        "10 % of points fail",
        "PipelineExportFailing",
        {EXPORTER % "sent_metric_points_total": "0+90x30", EXPORTER % "send_failed_metric_points_total": "0+10x30"},
        "20m",
        1,
    ),
    Case(
        "10 % of spans fail",
        "PipelineExportFailing",
        {EXPORTER % "sent_spans_total": "0+90x30", EXPORTER % "send_failed_spans_total": "0+10x30"},
        "20m",
        1,
    ),
    Case(
        "1 % of spans fails",
        "PipelineExportFailing",
        {EXPORTER % "sent_spans_total": "0+99x30", EXPORTER % "send_failed_spans_total": "0+1x30"},
        "20m",
        0,
    ),
    Case(
        "90 % full",
        "PipelineQueueNearFull",
        {EXPORTER % "queue_size": "900x20", EXPORTER % "queue_capacity": "1000x20"},
        "10m",
        1,
    ),
    Case(
        "half full",
        "PipelineQueueNearFull",
        {EXPORTER % "queue_size": "500x20", EXPORTER % "queue_capacity": "1000x20"},
        "10m",
        0,
    ),
    Case(
        "10 % of log records fail",
        "PipelineExportFailing",
        {EXPORTER % "sent_log_records_total": "0+90x30", EXPORTER % "send_failed_log_records_total": "0+10x30"},
        "20m",
        1,
    ),
    Case(
        "none written",
        "PipelineCheckpointFailing",
        {WRITES % "success": "9x20", WRITES % "failure": "0+2x20"},
        "15m",
        1,
    ),
    Case(
        "some are written",
        "PipelineCheckpointFailing",
        {WRITES % "success": "0+1x20", WRITES % "failure": "0+1x20"},
        "15m",
        0,
    ),
    Case("refused", "PipelineReloadFailed", {RELOAD: "1x5 0x20"}, "15m", 1),
    Case("refused, then taken", "PipelineReloadFailed", {RELOAD: "0x5 1x20"}, "15m", 0),
    Case("overflow", "PipelineSeriesLimitHit", {CONNECTOR % "overflowed_items_total": "0+5x30"}, "20m", 1),
    Case("overflow in the past", "PipelineSeriesLimitHit", {CONNECTOR % "overflowed_items_total": "5x30"}, "20m", 0),
    Case(
        "95 % of the series",
        "PipelineSeriesNearLimit",
        {CONNECTOR % "series": "95x30", CONNECTOR % "series_limit": "100x30"},
        "20m",
        1,
    ),
    Case(
        "half of the series",
        "PipelineSeriesNearLimit",
        {CONNECTOR % "series": "50x30", CONNECTOR % "series_limit": "100x30"},
        "20m",
        0,
    ),
    Case(
        "57 s of each minute", "PipelineSaturated", {CONNECTOR % "internal_duration_seconds_sum": "0+57x30"}, "20m", 1
    ),
    Case("6 s of each minute", "PipelineSaturated", {CONNECTOR % "internal_duration_seconds_sum": "0+6x30"}, "20m", 0),
    Case("always", "Watchdog", {UP: "1x5"}, "3m", 1),
)

ARITHMETIC = {
    # 10 errors among 100 requests a minute, objective 99.5 %.
    'slo:sli_error:ratio_rate5m{slo="checkout-availability"}': 0.1,
    'slo:sli_error:ratio_rate1h{slo="checkout-availability"}': 0.1,
    'slo:error_budget:ratio{slo="checkout-availability"}': 0.005,
    'slo:current_burn_rate:ratio{slo="checkout-availability"}': 20,
    'slo:period_burn_rate:ratio{slo="checkout-availability"}': 20,
    'slo:period_error_budget_remaining:ratio{slo="checkout-availability"}': -19,
    'service:request:rate5m{service_name="checkout"}': 100 / 60,
    'service:request_error:ratio_rate5m{service_name="checkout"}': 0.1,
}
