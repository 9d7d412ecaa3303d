"""Requests drawn from the official descriptors, so that a field that the protocol gets is covered unasked, and the
official messages that must remain of them.
"""

from __future__ import annotations

from functools import cache
from typing import Any

from google.protobuf.descriptor import Descriptor, FieldDescriptor
from hypothesis import strategies as st

from pipeline.codec.signals import projection
from pipeline.receivers.signals import SIGNALS

MAX_DEPTH = 5
ITEMS = {
    "traces": ("resource_spans", "scope_spans", "spans"),
    "metrics": ("resource_metrics", "scope_metrics", "metrics"),
    "logs": ("resource_logs", "scope_logs", "log_records"),
}
PREFIXES = {"traces": "span.", "metrics": "point.", "logs": "log."}
_KEYS = st.sampled_from(["service.name", "added", "k", ""])
_INTEGERS = {
    FieldDescriptor.TYPE_INT32: (-(2**31), 2**31 - 1),
    FieldDescriptor.TYPE_SINT32: (-(2**31), 2**31 - 1),
    FieldDescriptor.TYPE_ENUM: (-(2**31), 2**31 - 1),
    FieldDescriptor.TYPE_UINT32: (0, 2**32 - 1),
    FieldDescriptor.TYPE_FIXED32: (0, 2**32 - 1),
    FieldDescriptor.TYPE_INT64: (-(2**63), 2**63 - 1),
    FieldDescriptor.TYPE_SFIXED64: (-(2**63), 2**63 - 1),
    FieldDescriptor.TYPE_UINT64: (0, 2**64 - 1),
    FieldDescriptor.TYPE_FIXED64: (0, 2**64 - 1),
}


_BELOW = [st.integers(0, n) for n in range(6)]
_COUNT = [st.integers(1, n) for n in range(1, 4)]


@cache
def scalars(field: FieldDescriptor) -> st.SearchStrategy[Any]:
    if field.name in ("trace_id", "span_id", "parent_span_id"):
        size = 16 if field.name == "trace_id" else 8
        return st.binary(min_size=size, max_size=size) | st.binary(max_size=17)
    if field.type in _INTEGERS:
        low, high = _INTEGERS[field.type]
        return st.sampled_from([low, high, 1, 2]) | st.integers(low, high)
    match field.type:
        case FieldDescriptor.TYPE_BOOL:
            return st.booleans()
        case FieldDescriptor.TYPE_DOUBLE:
            return st.floats(allow_nan=False)  # NaN does not equal itself; its bits have a test of their own
        case FieldDescriptor.TYPE_BYTES:
            return st.binary(max_size=5)
    return _KEYS if field.name == "key" else st.text(max_size=5)


@cache
def _oneofs(descriptor: Descriptor) -> dict[str, st.SearchStrategy[str]]:
    return {oneof.name: st.sampled_from([field.name for field in oneof.fields]) for oneof in descriptor.oneofs}


def fill(draw: st.DrawFn, message: Any, depth: int, spine: tuple[str, ...]) -> None:
    """Set some fields of a message; those on the ``spine``, which lead to the items, most often."""
    descriptor: Descriptor = message.DESCRIPTOR
    chosen = {name: draw(fields) for name, fields in _oneofs(descriptor).items()}
    for field in descriptor.fields:
        if field.containing_oneof is not None and chosen[field.containing_oneof.name] != field.name:
            continue
        on_spine = field.name in spine or field.name == "data_points" or descriptor.name == "Metric"
        if not draw(_BELOW[5 if on_spine else 2]) or (depth > MAX_DEPTH and not on_spine):
            continue
        count = draw(_COUNT[2 if on_spine else 1]) if field.is_repeated else 1
        for _ in range(count):
            if field.message_type is None:
                value = draw(scalars(field))
                getattr(message, field.name).append(value) if field.is_repeated else setattr(message, field.name, value)
            elif depth < 12:
                child = getattr(message, field.name)
                child = child.add() if field.is_repeated else child
                child.SetInParent()
                fill(draw, child, depth + 1, spine)


def mend(signal: str, item: Any, data: Any = None) -> None:
    """Make an item acceptable, so that not nearly all are rejected."""
    if signal == "traces":
        item.trace_id, item.span_id = item.trace_id.ljust(16, b"t")[:16], item.span_id.ljust(8, b"s")[:8]
        item.parent_span_id = item.parent_span_id[:8] if len(item.parent_span_id) >= 8 else b""
    elif signal == "metrics" and data is not None:
        if hasattr(data, "aggregation_temporality"):
            data.aggregation_temporality = 2
        match item.DESCRIPTOR.name:
            case "NumberDataPoint" if item.WhichOneof("value") != "as_double":
                item.as_int = abs(item.as_int) >> 1
            case "NumberDataPoint":
                item.as_double = abs(item.as_double)
            case "HistogramDataPoint":
                bounds = sorted(set(item.explicit_bounds))
                del item.explicit_bounds[:], item.bucket_counts[:]
                item.explicit_bounds.extend(bounds)
                item.bucket_counts.extend(range(len(bounds) + 1))
                item.count = sum(item.bucket_counts)
            case "ExponentialHistogramDataPoint":
                item.scale %= 20
                for side in (item.positive, item.negative):
                    side.offset >>= 4
                item.count = (
                    item.zero_count + sum(item.positive.bucket_counts) + sum(item.negative.bucket_counts)
                ) % 2**64
            case "SummaryDataPoint":
                for one in item.quantile_values:
                    one.quantile = 0.5


def mend_all(draw: st.DrawFn, signal: str, request: Any) -> None:
    """Most of the items."""
    resources, scopes, items = ITEMS[signal]
    for resource in getattr(request, resources):
        for scope in getattr(resource, scopes):
            for element in getattr(scope, items):
                if signal != "metrics":
                    if draw(_BELOW[4]):
                        mend(signal, element)
                elif kind := element.WhichOneof("data"):
                    element.name = element.name or "m"
                    for point in getattr(element, kind).data_points:
                        if draw(_BELOW[4]):
                            mend(signal, point, getattr(element, kind))


@st.composite
def requests(draw: st.DrawFn, signal: str) -> Any:
    request = SIGNALS[signal].request()
    fill(draw, request, 0, ITEMS[signal])
    mend_all(draw, signal, request)
    return request


def items_of(signal: str, request: Any) -> list[tuple[Any, int]]:
    """Where each item is: the list that holds it, and its index."""
    resources, scopes, items = ITEMS[signal]
    found = []
    for resource in getattr(request, resources):
        for scope in getattr(resource, scopes):
            for i, item in enumerate(getattr(scope, items)):
                if signal != "metrics":
                    found.append((getattr(scope, items), i))
                    continue
                kind = item.WhichOneof("data")
                points = getattr(item, kind).data_points if kind else []
                found += [(points, j) for j in range(len(points))]
    return found


def prune(signal: str, request: Any) -> None:
    """Take out envelopes without items, which are not passed on."""
    resources, scopes, items = ITEMS[signal]
    for i in reversed(range(len(getattr(request, resources)))):
        resource = getattr(request, resources)[i]
        for j in reversed(range(len(getattr(resource, scopes)))):
            elements = getattr(getattr(resource, scopes)[j], items)
            if signal == "metrics":
                for k in reversed(range(len(elements))):
                    kind = elements[k].WhichOneof("data")
                    if not kind or not getattr(elements[k], kind).data_points:
                        del elements[k]
            if not elements:
                del getattr(resource, scopes)[j]
        if not getattr(resource, scopes):
            del getattr(request, resources)[i]


def official(signal: str, payload: bytes) -> Any:
    return SIGNALS[signal].request.FromString(payload)


def accepted(signal: str, request: Any, payload: bytes, columns: tuple[str, ...] = ()) -> tuple[Any, Any]:
    """The decoded batch, and the official message with what is not rejected."""
    batch, rejected = projection(signal, columns).decode(payload)
    kept = batch.item_rows
    expected = official(signal, payload)
    places = items_of(signal, expected)
    assert len(batch) + sum(rejected.values()) == len(places)
    for row in sorted(set(range(len(places))) - set(kept.tolist()), reverse=True):
        holder, index = places[row]
        del holder[index]
    return batch, expected
