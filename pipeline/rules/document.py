"""A rule file from a configuration."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, cast

import yaml

from pipeline.promql.flavour import Flavour, Naming, Unit
from pipeline.rules import pipeline_self, services
from pipeline.rules.objectives import ObjectiveRules
from pipeline.rules.rule import Links, group
from processors.slo.config import Config as SloConfig
from processors.slo.config import Objective
from processors.span_metrics.config import DEFAULT_BUCKETS_S
from processors.span_metrics.config import Config as SpanMetricsConfig

if TYPE_CHECKING:
    from pipeline.config.check import Checked

RESOURCE = {"apiVersion": "monitoring.coreos.com/v1", "kind": "PrometheusRule", "metadata": {"name": "weir"}}
HEADER = "# Made by `weir rules generate`; changes are lost.\n"


def flavour_of(checked: Checked) -> Flavour:
    """The spelling that a configuration's first span_metrics has; the default without one."""
    for component in checked.components.values():
        config = component.config
        if isinstance(config, SpanMetricsConfig):
            return _flavour(config)
    return Flavour()


def objectives_of(checked: Checked) -> list[Objective]:
    """All that the configuration promises."""
    configs = [component.config for component in checked.components.values()]
    return [objective for config in configs if isinstance(config, SloConfig) for objective in config.objectives]


def rule_file(
    flavour: Flavour, objectives: Sequence[Objective], links: Links, job: str, *, operator: bool = False
) -> str:
    """The YAML; ``operator``: as a PrometheusRule of the Prometheus operator."""
    links = replace(links, edition=flavour.id)
    groups = [
        group("weir-services", list(services.recordings(flavour)), links),
        group("weir-service-alerts", list(services.alerts(links)), links),
        group("weir-pipeline-alerts", list(pipeline_self.alerts(links, job)), links),
    ]
    for objective in objectives:
        rules = ObjectiveRules(objective, flavour, links)
        groups.append(group(f"weir-slo-{rules.id}", list(rules.recordings()), links))
        groups.append(group(f"weir-slo-alerts-{rules.id}", list(rules.alerts()), links))
    groups = [one for one in groups if one["rules"]]
    spec: dict[str, Any] = {"groups": groups}
    if operator:
        spec = {**RESOURCE, "spec": spec}
    return HEADER + yaml.dump(spec, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=10_000)


def _flavour(config: SpanMetricsConfig) -> Flavour:
    naming = "otelcol" if config.otelcol else "tempo"
    if naming == "tempo":
        native, bounds, unit = config.generate_native_histograms == "native", config.histogram_buckets, "s"
    else:
        explicit = config.histogram.explicit
        native, unit = config.histogram.exponential is not None, config.histogram.unit
        bounds = DEFAULT_BUCKETS_S if explicit is None else explicit.buckets
    return Flavour(
        cast(Naming, naming), cast(Unit, unit), "native" if native else "classic", config.namespace, tuple(bounds)
    )


class _Dumper(yaml.SafeDumper):
    """Long expressions on lines of their own."""

    def ignore_aliases(self, data: Any) -> bool:  # noqa: ARG002 - the base's signature
        return True


def _text(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    style = "|" if "\n" in text else None
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style=style)


_Dumper.add_representer(str, _text)
