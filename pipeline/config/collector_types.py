"""Types of the Collector's components that Weir does not have: what to do about each.

``WITHOUT_COUNTERPART`` only look at the Collector itself, so leaving them out changes nothing: a warning. All others
would change what comes out: a mistake, with the way out.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable

WITHOUT_COUNTERPART = {
    ("extensions", "memory_ballast"): "there is no heap to hold; memory_limiter bounds memory",
    ("extensions", "pprof"): "profile Weir with py-spy, from outside",
    ("extensions", "zpages"): "see the extension admin, and the own metrics",
}

_IN_FRONT = "keep a Collector for it, and let it send OTLP to the receiver otlp"
_BEHIND = "send OTLP to a Collector that has it (exporter otlp)"


def _all(kind: str, names: str, remedy: str) -> dict[tuple[str, str], str]:
    return {(kind, name): remedy for name in names.split()}


REMEDIES: dict[tuple[str, str], str] = {
    **_all(
        "receivers",
        "jaeger zipkin opencensus skywalking datadog",
        "let applications send OTLP (all OpenTelemetry SDKs do), or " + _IN_FRONT,
    ),
    ("receivers", "prometheus"): "Weir does not scrape: let Prometheus do it. Weir's own metrics are on localhost:8888",
    **_all(
        "receivers",
        "apache awscontainerinsightreceiver cloudflare docker_stats elasticsearch filelog fluentforward hostmetrics "
        "httpcheck journald k8s_cluster k8s_events k8sobjects kafka kafkametrics kubeletstats loki mongodb mysql nginx "
        "postgresql prometheus_simple rabbitmq redis snmp splunk_hec sqlquery sqlserver statsd syslog tcplog udplog "
        "webhookevent windowseventlog windowsperfcounters",
        _IN_FRONT,
    ),
    (
        "processors",
        "tail_sampling",
    ): "put a Collector with it behind Weir (exporter otlp): metrics are then made of all "
    "spans, and only what is stored is sampled. probabilistic_sampler needs no memory",
    ("processors", "groupbytrace"): "take it out; service_graph and anomaly join the spans of a trace themselves",
    **_all(
        "processors",
        "k8sattributes k8s_attributes",
        "keep a Collector with it in front, on each node, or set attributes of the pod in OTEL_RESOURCE_ATTRIBUTES "
        "(Kubernetes' downward API), as the OpenTelemetry operator does",
    ),
    ("processors", "span"): "write it as a statement of transform: set(span.name, …), replace_pattern(span.name, …)",
    ("processors", "metricstransform"): "use attributes, filter or transform; names of metrics stay as they are",
    ("processors", "cumulativetodelta"): "Prometheus wants cumulative points; " + _BEHIND,
    ("processors", "redaction"): "use transform (replace_all_patterns, keep_keys) or attributes (delete, hash)",
    **_all("processors", "groupbyattrs interval metricsgeneration logdedup logstransform sumologic", _BEHIND),
    **_all("processors", "spanmetrics servicegraph", "list it under connectors"),
    **_all(
        "exporters",
        "jaeger jaeger_thrift",
        "Jaeger takes OTLP: use the exporter otlp with endpoint jaeger:4317",
    ),
    ("exporters", "loki"): 'Loki takes OTLP: use the exporter otlphttp with endpoint "http://loki:3100/otlp"',
    ("exporters", "prometheusremotewriteexporter"): "write it as prometheusremotewrite",
    ("exporters", "opencensus"): "use the exporter otlp",
    (
        "exporters",
        "loadbalancing",
    ): "put a Collector with it in front of several Weirs: it routes by trace id or service",
    **_all(
        "exporters",
        "alibabacloud_logservice awscloudwatchlogs awsemf awsxray azuremonitor cassandra clickhouse coralogix datadog "
        "elasticsearch googlecloud googlemanagedprometheus honeycombmarker influxdb kafka kinetica logzio mezmo "
        "opensearch otelarrow pulsar sapm sentry signalfx splunk_hec sumologic tencentcloud_logservice zipkin",
        _BEHIND + ", or use the vendor's OTLP endpoint",
    ),
    **_all(
        "connectors",
        "count sum signaltometrics signal_to_metrics exceptions datadog grafanacloud metricsaslogs spanmetricsasevents",
        "span_metrics counts spans and their events; for other counts " + _BEHIND,
    ),
    **_all(
        "connectors",
        "routing roundrobin failover",
        "list several pipelines, each with a filter that keeps its part, or " + _IN_FRONT,
    ),
    **_all(
        "extensions",
        "oidc oauth2client sigv4auth asapclient googleclientauth azureauth headers_setter",
        "there are bearertokenauth, basicauth, headers of exporters, and mutual TLS",
    ),
    **_all(
        "extensions",
        "k8s_observer host_observer docker_observer ecs_observer cfgarden_observer k8s_leader_elector opamp",
        "take it out; nothing in Weir asks it",
    ),
    **_all("extensions", "healthcheckv2 health_check_v2", "use health_check"),
    **_all("extensions", "db_storage redis_storage", "use file_storage"),
}


_OTHERWISE = {"receivers": _IN_FRONT, "exporters": _BEHIND}
"""For types that nothing is known of: there are hundreds."""


def remedy(kind: str, type_name: str, known: Iterable[str], known_elsewhere: Iterable[str]) -> str:
    """What to do about a type that a section does not have, as the end of a sentence; empty where that is not known, or
    where the name of a known type is near.

    Args:
        known: Types that the section has.
        known_elsewhere: Other sections that have a type of this name.
    """
    found = REMEDIES.get((kind, type_name))
    if found is not None:
        return f"; {found}"
    for other in known_elsewhere:
        return f"; it is of the section {other}"
    is_near = difflib.get_close_matches(type_name, list(known), n=1, cutoff=0.6)
    return f"; {_OTHERWISE[kind]}" if kind in _OTHERWISE and not is_near else ""
