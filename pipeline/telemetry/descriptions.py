"""What the engine's own metrics mean, shown as HELP on the page. Names are the Collector's where it has the same."""

DESCRIPTIONS = {
    "otelcol_deltatocumulative_datapoints": "Delta points processed; dropped ones with an error",
    "otelcol_deltatocumulative_streams_limit": "Streams that may be tracked",
    "otelcol_deltatocumulative_streams_max_stale": "Time after which streams without new points are forgotten",
    "otelcol_deltatocumulative_streams_tracked": "Streams whose totals are kept",
    "otelcol_receiver_accepted_spans": "Spans that the pipelines have processed",
    "otelcol_receiver_refused_spans": "Spans that were not processed and may be sent again",
    "otelcol_receiver_failed_spans": "Spans that were not processed because of an internal error",
    "otelcol_receiver_rejected_spans": "Spans that can never be accepted, by reason",
    "otelcol_processor_incoming_items": "Items given to a processor",
    "otelcol_processor_outgoing_items": "Items that a processor has passed on",
    "otelcol_processor_consumed_items": "Items given to a processor, by outcome",
    "otelcol_processor_internal_duration": "Time of a processor with one batch",
    "otelcol_processor_tick_failures": "Ticks, expiries and flushes of a processor that failed",
    "otelcol_processor_memory_limiter_accepted_spans": "Spans let through",
    "otelcol_processor_memory_limiter_refused_spans": "Spans refused because memory is scarce",
    "otelcol_processor_memory_limiter_limit": "Memory above which data is refused",
    "otelcol_processor_series": "Series that a processor keeps",
    "otelcol_processor_series_limit": "Series that a processor may keep",
    "otelcol_processor_series_memory": "Memory of the series of a processor",
    "otelcol_processor_series_created": "Series made so far",
    "otelcol_processor_series_expired": "Series removed because nothing was measured for long",
    "otelcol_processor_series_evicted": "Series removed to make room",
    "otelcol_processor_overflowed_items": "Measurements counted in an overflow series because of a limit",
    "otelcol_processor_measurements_refused": "Measurements that were not finite or negative",
    "otelcol_exporter_sent_spans": "Spans sent",
    "otelcol_exporter_send_failed_spans": "Spans that could not be sent",
    "otelcol_exporter_sent_metric_points": "Data points sent",
    "otelcol_exporter_send_failed_metric_points": "Data points that could not be sent",
    "otelcol_exporter_queue_size": "What waits in a sending queue or is under way",
    "otelcol_exporter_queue_capacity": "What a sending queue may hold",
    "otelcol_exporter_enqueue_failed_spans": "Spans refused because a sending queue is full",
    "otelcol_exporter_enqueue_failed_metric_points": "Data points refused because a sending queue is full",
    "otelcol_exporter_enqueue_failed_log_records": "Log records refused because a sending queue is full",
    "otelcol_exporter_sent_log_records": "Log records sent",
    "otelcol_exporter_send_failed_log_records": "Log records that could not be sent",
    "weir_checkpoint_bytes": "Size of all checkpoints as last written",
    "weir_checkpoint_last_unix_seconds": "When a checkpoint was last written",
    "weir_checkpoint_restores": "Checkpoints met at the start, by what became of them",
    "weir_checkpoint_writes": "Checkpoints written, by outcome",
    "weir_emitted_log_records": "Log records that a component made, by what became of them",
    "weir_config_last_reload_successful": "1 if the configuration in force is the one last read, 0 if that was refused",
    "weir_config_reloads": "Times the configuration was read again, by outcome",
    "weir_exporter_retries": "Attempts that will be repeated, by reason",
    "weir_exporter_splits": "Requests halved because they were too large",
    "weir_receiver_requests": "Requests by outcome",
}  # fmt: skip
"""Name → meaning. A connector's metrics are those of a processor with ``connector`` in the name."""


def description_of(name: str) -> str:
    """The meaning of a metric of the engine; empty for others."""
    return DESCRIPTIONS.get(name.replace("otelcol_connector_", "otelcol_processor_"), "").replace(
        "processor", "connector" if name.startswith("otelcol_connector_") else "processor"
    )
