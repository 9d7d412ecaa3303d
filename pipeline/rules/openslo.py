"""OpenSLO v1 documents to objectives and back.

Weir's objectives about spans have no words in OpenSLO, whose indicators are queries. They travel in the annotation
``weir/objective``, beside a query that other tools can run; an SLO without it becomes an objective with ``queries``.

Source: github.com/OpenSLO/OpenSLO, README "SLO" and "SLI" (apiVersion openslo/v1).
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from typing import Any

from pydantic import ValidationError

from pipeline.errors import ConfigError
from pipeline.promql.flavour import Flavour
from pipeline.rules.objectives import rates
from processors.slo.config import WINDOW, Objective

API_VERSION = "openslo/v1"
ANNOTATION = "weir/objective"
_RANGE = re.compile(r"\[\s*(\d+[smhdw]|\{\{\s*\.window\s*\}\}|\$__rate_interval)\s*\]")
_UNITS = {"d": 1, "w": 7, "M": 30, "Q": 90}


def to_openslo(objectives: Sequence[Objective], flavour: Flavour) -> list[dict[str, Any]]:
    """One document of kind SLO per objective."""
    return [_document(objective, flavour) for objective in objectives]


def from_openslo(documents: Sequence[Any]) -> list[dict[str, Any]]:
    """What stands under ``slo.objectives``, for all documents of kind SLO, which may refer to those of kind SLI and
    DataSource; other kinds are passed over, for Weir alerts by its own rules.

    Raises:
        ConfigError: With every document that cannot be taken, and why.
    """
    found, problems = [], []
    library = _Library(documents)
    for document in library.of("SLO"):
        name = (document.get("metadata") or {}).get("name", "?")
        try:
            for given in _objectives(document, library):
                Objective.model_validate(given)
                found.append(given)
        except ValidationError as error:
            problems += [f"{name}: {one['msg']}" for one in error.errors()]
        except (KeyError, TypeError, ValueError) as error:
            problems.append(f"{name}: {error if isinstance(error, ValueError) else f'{error} is missing or not a map'}")
    if problems:
        raise ConfigError(problems)
    return found


class _Library:
    """Documents by kind and name."""

    def __init__(self, documents: Sequence[Any]) -> None:
        self._documents = [one for one in documents if isinstance(one, dict)]

    def of(self, kind: str) -> Iterator[dict[str, Any]]:
        return (one for one in self._documents if one.get("kind") == kind)

    def named(self, kind: str, name: str) -> dict[str, Any] | None:
        """The ``spec`` of a document."""
        return next((one["spec"] for one in self.of(kind) if one["metadata"]["name"] == name), None)


def _document(objective: Objective, flavour: Flavour) -> dict[str, Any]:
    total, errors = rates(objective, flavour, "5m")
    plain = objective.model_dump(mode="json", exclude_defaults=True)
    return {
        "apiVersion": API_VERSION,
        "kind": "SLO",
        "metadata": {"name": objective.name, "annotations": {ANNOTATION: json.dumps(plain, sort_keys=True)}},
        "spec": {
            "description": objective.description or f"{objective.objective:g} % over {objective.period} days",
            "service": objective.service,
            "indicator": {
                "metadata": {"name": f"{objective.name}-indicator"},
                "spec": {"ratioMetric": {"counter": False, "bad": _source(errors), "total": _source(total)}},
            },
            "timeWindow": [{"duration": f"{objective.period}d", "isRolling": True}],
            "budgetingMethod": "Occurrences",
            "objectives": [{"target": objective.target}],
        },
    }


def _source(query: str) -> dict[str, Any]:
    return {"metricSource": {"type": "Prometheus", "spec": {"query": query}}}


def _objectives(document: dict[str, Any], library: _Library) -> Iterator[dict[str, Any]]:
    if document.get("apiVersion") != API_VERSION:
        raise ValueError(f"apiVersion is not {API_VERSION}")
    metadata, spec = document["metadata"], document["spec"]
    given = (metadata.get("annotations") or {}).get(ANNOTATION)
    if given is not None:
        yield json.loads(given)
        return
    if spec.get("budgetingMethod", "Occurrences") != "Occurrences":
        raise ValueError(f"budgetingMethod {spec['budgetingMethod']} is not supported, only Occurrences is")
    queries = _queries(_indicator(spec, library), library)
    several = len(spec["objectives"]) > 1
    for number, goal in enumerate(spec["objectives"], 1):
        percent = goal["targetPercent"] if "targetPercent" in goal else goal["target"] * 100
        yield {
            "name": f"{metadata['name']}-{number}" if several else metadata["name"],
            "service": spec["service"],
            "objective": round(percent, 6),
            "period": _period(spec["timeWindow"]),
            "description": spec.get("description", ""),
            "queries": queries,
        }


def _indicator(spec: dict[str, Any], library: _Library) -> dict[str, Any]:
    """The ``ratioMetric`` of an inline indicator, or of the one that is referred to."""
    if "indicator" in spec:
        found = spec["indicator"]["spec"]
    else:
        found = library.named("SLI", spec["indicatorRef"])
        if found is None:
            raise ValueError(f"indicatorRef {spec['indicatorRef']}: there is no SLI of that name among the documents")
    if "ratioMetric" not in found:
        raise ValueError("only a ratioMetric is supported, not a thresholdMetric")
    ratio: dict[str, Any] = found["ratioMetric"]
    return ratio


def _queries(ratio: dict[str, Any], library: _Library) -> dict[str, str]:
    total = _query(ratio["total"], library)
    if "bad" in ratio:
        return {"errors": _query(ratio["bad"], library), "total": total}
    return {"errors": f"({total}) - ({_query(ratio['good'], library)})", "total": total}


def _query(metric: dict[str, Any], library: _Library) -> str:
    source = metric["metricSource"]
    referred = library.named("DataSource", source.get("metricSourceRef", "")) or {}
    kind = str(source.get("type", referred.get("type", "Prometheus")))
    if kind.lower() != "prometheus":
        raise ValueError(f"metricSource of type {kind} is not supported, only Prometheus is")
    query = str(source["spec"]["query"])
    if _RANGE.search(query) is None:
        raise ValueError(f"the query has no range to put a window into: {query}")
    return _RANGE.sub(WINDOW, query)


def _period(windows: list[dict[str, Any]]) -> str:
    if not windows[0].get("isRolling", True):
        raise ValueError("a timeWindow that follows the calendar is not supported, only a rolling one is")
    duration = str(windows[0]["duration"])
    match = re.fullmatch(r"(\d+)([dwMQ])", duration)
    if match is None:
        raise ValueError(f"timeWindow {duration} is not a number of days, weeks, months or quarters")
    return f"{int(match[1]) * _UNITS[match[2]]}d"
