"""What tells one stream from another: digests, equal however a sender orders or encodes attributes.

A stream is a resource, a scope, a metric (name, unit, type, monotonic) and the attributes of its points, with the types
of their values. Source: the Collector's ``internal/exp/metrics/identity``.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from functools import lru_cache
from typing import Any

import numpy as np
from opentelemetry.proto.common.v1.common_pb2 import InstrumentationScope, KeyValue

from pipeline.model.attribute_text import plain_value
from pipeline.model.metrics import MetricBatch
from pipeline.model.records import Level
from pipeline.model.resources import identity, parse_resource

SIZE = 16
"""Bytes of an identity."""
LONGEST_ALIAS = 512
"""Bytes of encoded attributes that are remembered as they are; of longer ones a digest, as a sender chooses."""
_CACHED_FAMILIES = 4_096


class FamilyIdentities:
    """Identities of the metrics of batches, all that points of one metric have in common. Those met last are cached."""

    def __init__(self) -> None:
        self._cached = lru_cache(_CACHED_FAMILIES)(_family)

    def of(self, metrics: MetricBatch) -> list[bytes | None]:
        """Per row of the table of metrics; None for metrics that have no points in the batch."""
        found: list[bytes | None] = [None] * metrics.records.count[Level.ITEM]
        is_first = np.zeros(len(metrics), bool)
        is_first[np.unique(metrics.metric_rows, return_index=True)[1]] = True
        metrics = metrics.where(is_first)
        texts = [metrics[column] for column in ("scope", "metric.name", "metric.unit")]
        types, is_monotonic = metrics["metric.type"].codes, metrics["is_monotonic"]
        for i, row in enumerate(metrics.metric_rows.tolist()):
            scope, name, unit = (text.values[text.codes[i]] if text.codes[i] >= 0 else "" for text in texts)
            resource = metrics.resource_bytes(int(metrics.resource_rows[i]))
            found[row] = self._cached(resource, scope, name, unit, int(types[i]), bool(is_monotonic[i]))
        return found


def stream_identity(family: bytes, attributes: Iterable[KeyValue]) -> bytes:
    """The identity of a stream of a family."""
    return hashlib.blake2b(family + identity(_plain(attributes)), digest_size=SIZE).digest()


def alias_of(family: bytes, attributes: bytes) -> bytes:
    """What points of a stream of a family have in common while they are encoded alike."""
    if len(attributes) > LONGEST_ALIAS:
        attributes = hashlib.blake2b(attributes, digest_size=SIZE).digest()
    return family + attributes


def _family(resource: bytes, scope: bytes, name: str, unit: str, kind: int, is_monotonic: bool) -> bytes:
    owner = InstrumentationScope.FromString(scope or b"")
    parts: list[Any] = [identity(parse_resource(resource) or {}).hex(), identity(_plain(owner.attributes)).hex()]
    parts += [owner.name, owner.version, name, unit, kind, is_monotonic]
    return hashlib.blake2b(json.dumps(parts).encode(), digest_size=SIZE).digest()


def _plain(attributes: Iterable[KeyValue]) -> dict[str, Any]:
    """Plain values; of equal keys the last one counts."""
    return {pair.key: plain_value(pair.value) for pair in attributes}
