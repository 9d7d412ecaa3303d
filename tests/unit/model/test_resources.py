"""Resources as identities."""

from __future__ import annotations

from itertools import count

import pytest
from opentelemetry.proto.resource.v1.resource_pb2 import Resource as ResourceMessage

from pipeline.model.any_value import key_values
from pipeline.model.resources import ResourceTable, bounded, identity, make_resource, parse_resource


def body(**attributes: object) -> bytes:
    return ResourceMessage(attributes=key_values(attributes)).SerializeToString()


def table(**options: object) -> ResourceTable:
    return ResourceTable(options.get("size", 4), options.get("keys", ()), 128, count(1))  # type: ignore[arg-type]


def test_the_first_of_equal_keys_counts() -> None:
    message = ResourceMessage(attributes=[*key_values({"a": 1}), *key_values({"a": 2})])
    assert parse_resource(message.SerializeToString()) == {"a": 1}


def test_a_damaged_message_is_a_resource_without_attributes() -> None:
    assert parse_resource(b"\x0a\xff") is None
    resources = table()
    assert resources.find(b"\x0a\xff") == (-1, {})


def test_values_of_different_types_make_different_resources() -> None:
    values = [
        1,
        1.0,
        True,
        "1",
        b"1",
        [1],
        ["1"],
        {"1": 1},
        None,
        ["list", 1],
        ["bytes", "31"],
        0.0,
        -0.0,
        "",
        float("nan"),
    ]
    assert len({identity({"x": value}) for value in values}) == len(values)


def test_order_makes_no_difference_at_any_depth() -> None:
    assert identity({"a": {"b": 1, "c": 2}, "d": 3}) == identity({"d": 3, "a": {"c": 2, "b": 1}})


@pytest.mark.parametrize(
    ("attributes", "job", "instance"),
    [
        ({}, "", ""),
        ({"service.name": "cart"}, "cart", ""),
        ({"service.name": "cart", "service.namespace": "shop"}, "shop/cart", ""),
        ({"service.namespace": "shop"}, "", ""),
        ({"service.name": 7, "service.instance.id": True}, "7", "true"),
    ],
)
def test_job_and_instance(attributes: dict[str, object], job: str, instance: str) -> None:
    resource = make_resource(1, attributes)
    assert (resource.job, resource.instance) == (job, instance)


def test_what_is_kept_of_a_resource_is_bounded() -> None:
    huge = {"long": "x" * 1000, "deep": ["y" * 1000], **{f"k{i}": "z" * 100 for i in range(500)}}
    kept = bounded(huge, 128)
    assert len(kept["long"]) == 128
    assert kept["long"].startswith("xxx")
    assert "deep" not in kept
    assert sum(len(key) + len(str(value)) for key, value in kept.items()) <= 16_384
    assert len(kept) <= 128


def test_a_resource_is_found_by_its_bytes_and_by_its_attributes() -> None:
    resources = table()
    one, two = body(a=1, b="x"), body(b="x", a=1)
    assert resources.known(one) == -1
    slot, attributes = resources.find(one)
    assert slot == -1
    slot = resources.add(attributes, 5, one)
    assert resources.known(one) == slot
    assert resources.known(two) == -1
    assert resources.find(two)[0] == slot
    assert resources.known(two) == slot


def test_encodings_are_remembered_within_bounds_and_long_ones_as_digests() -> None:
    resources = table(size=2, keys=("a",))
    for i in range(100):
        encoded = body(a=1, b="x" * 600, c=i)
        slot, attributes = resources.find(encoded)
        if slot < 0:
            resources.add(attributes, 0, encoded)
        assert resources.known(encoded) == 0
    assert resources.live == 1
    assert len(resources._by_bytes) <= 8
    assert max(map(len, resources._by_bytes)) < 32


def test_released_slots_are_used_again_under_a_new_number() -> None:
    resources = table(size=1)
    slot = resources.add({"a": 1}, 0, body(a=1))
    first = resources.slots[slot]
    assert resources.full
    resources.release([slot])
    assert resources.known(body(a=1)) == -1
    assert resources.add({"a": 2}, 0) == slot
    second = resources.slots[slot]
    assert first is not None
    assert second is not None
    assert first.id != second.id
    assert resources.slot_of(first) == -1
    assert resources.slot_of(second) == slot
