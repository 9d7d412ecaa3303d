"""The edge store against a model of it in dicts, compiled and uncompiled."""

from __future__ import annotations

from collections.abc import Iterable
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from processors.service_graph import edge_store
from processors.service_graph.layout import ALONE, FILTERED, KINDS, SERVER
from processors.service_graph.pairing import FATES
from tests.kernels import uncompiled
from tests.unit.processors.service_graph.edge_store_model import Edge, Half, ModelStore

TTL = 10


MODULES = {"as_imported": edge_store, "uncompiled": uncompiled("processors.service_graph.edge_store")}


@pytest.fixture(params=MODULES)
def module(request: pytest.FixtureRequest) -> ModuleType:
    return MODULES[request.param]


def words(halves: Iterable[Half]) -> np.ndarray:
    return np.array([half.words() for half in halves], np.uint64).reshape(-1, 8)


def edges(out: np.ndarray) -> list[Edge]:
    """Labels of the two sides; a side that is there has a start time."""
    return [
        (int(e[6]) & 0xFFFF_FFFF if e[4] else None, int(e[14]) & 0xFFFF_FFFF if e[12] else None) for e in out.tolist()
    ]


def client(span: int, **fields: Any) -> Half:
    return Half(
        fields.get("trace", (1, 1)), span, fields.get("parent", 0), fields.get("flags", 0), fields.get("label", 1)
    )


def server(parent: int, **fields: Any) -> Half:
    flags = fields.get("flags", 0) | SERVER
    return Half(fields.get("trace", (1, 1)), parent, fields.get("span", 99), flags, fields.get("label", 2))


def store_of(module: ModuleType, max_items: int = 100, max_items_per_trace: int = 100) -> Any:
    return module.EdgeStore(max_items, TTL, max_items_per_trace)


def fates(store: Any) -> dict[tuple[str, str], int]:
    table = store.fates()
    return {(FATES[f], KINDS[k]): int(table[f, k]) for f, k in np.argwhere(table).tolist()}


def halves_strategy() -> st.SearchStrategy[Half]:
    spans = st.integers(1, 4)
    return st.builds(
        Half,
        trace=st.sampled_from([(1, 1), (1, 2), (3, 1)]),
        span=spans,
        other=st.integers(1, 6),
        flags=st.sampled_from(
            [0, 0, 0, 1, 1, 1, 2, 3, 4, 5, FILTERED, FILTERED | 1, ALONE, ALONE | 1, ALONE | FILTERED]
        ),
        label=st.integers(1, 1 << 31),
    )


steps = st.lists(
    st.one_of(st.lists(halves_strategy(), min_size=1, max_size=8), st.integers(1, TTL + 1)), min_size=1, max_size=25
)


@given(steps=steps, max_items=st.integers(1, 8), per_trace=st.integers(1, 6), reload=st.booleans())
@settings(max_examples=300, deadline=None)
def test_store_and_model_agree_on_edges_fates_and_what_is_left(
    steps: list[Any], max_items: int, per_trace: int, reload: bool
) -> None:
    model = ModelStore(max_items, TTL, per_trace)
    stores = [m.EdgeStore(max_items, TTL, per_trace) for m in MODULES.values()]
    before = [np.zeros((len(FATES), len(KINDS)), np.int64) for _ in stores]
    now = seen = 0
    for step in steps:
        if isinstance(step, int):
            now += step
            expected = model.expire(now)
            assert [edges(store.expire(now)) for store in stores] == [expected] * 2
            if reload:
                for n, m in enumerate(MODULES.values()):
                    dumped = stores[n].dump(now)
                    before[n] = before[n] + stores[n].fates()
                    stores[n] = m.EdgeStore(max_items, TTL, per_trace)
                    stores[n].load(*dumped, now)
        else:
            seen += len(step)
            expected = [edge for half in step for edge in model.add(half, now)]
            assert [edges(store.add(words(step), now)) for store in stores] == [expected] * 2
        for store, earlier in zip(stores, before, strict=True):
            assert (store.fates() + earlier).tolist() == model.fate_table()
            assert store.held == len(model.waiting) + len(model.paired) <= max_items
            assert store.waiting == sum(not half.settled for half in model.waiting)
            assert (store.fates() + earlier).sum() + store.waiting == seen


def test_server_and_client_pair_in_either_order(module: ModuleType) -> None:
    for order in ([client(7), server(7)], [server(7), client(7)]):
        store = store_of(module)
        assert edges(store.add(words(order), 0)) == [(1, 2)]
        assert store.waiting == 0


def test_each_server_half_makes_an_edge_with_its_client_whatever_the_order(module: ModuleType) -> None:
    halves = [client(7), server(7, label=2, span=20), server(7, label=3, span=30)]
    for order in ((0, 1, 2), (1, 0, 2), (1, 2, 0), (2, 0, 1)):
        store = store_of(module)
        made = [edge for i in order for edge in edges(store.add(words([halves[i]]), 0))]
        assert sorted(made) == [(1, 2), (1, 3)]


def test_the_same_halves_again_are_further_edges(module: ModuleType) -> None:
    store = store_of(module)
    batch = words([client(7), server(7)])
    assert edges(store.add(batch, 0)) + edges(store.add(batch, 0)) == [(1, 2), (1, 2)]
    assert fates(store) == {("paired", "client"): 1, ("duplicate", "client"): 1, ("paired", "server"): 2}


def test_halves_of_different_traces_never_pair(module: ModuleType) -> None:
    store = store_of(module)
    assert edges(store.add(words([client(7, trace=(1, 1)), server(7, trace=(1, 2)), server(7, trace=(2, 1))]), 0)) == []
    assert store.waiting == 3


def test_a_span_that_is_its_own_parent_makes_no_edge(module: ModuleType) -> None:
    store = store_of(module)
    assert edges(store.add(words([client(7, parent=7), server(8, span=8)]), 0)) == []
    assert fates(store) == {("loop", "client"): 1, ("loop", "server"): 1}
    assert store.held == 0


def test_two_spans_that_are_each_others_parents_make_no_edge(module: ModuleType) -> None:
    for order in (1, -1):
        store = store_of(module)
        store.add(words([client(7, parent=8), server(7, span=8)][::order]), 0)
        assert fates(store) == {("loop", "client"): 1, ("loop", "server"): 1}
        assert edges(store.expire(TTL)) == []


def test_a_half_waits_until_its_age_is_the_ttl(module: ModuleType) -> None:
    store = store_of(module)
    store.add(words([client(7)]), 5)
    assert edges(store.expire(5 + TTL - 1)) == []
    assert edges(store.expire(5 + TTL)) == [(1, None)]
    assert fates(store) == {("expired", "client"): 1}


def test_many_halves_expire_in_portions(module: ModuleType) -> None:
    store = store_of(module, max_items=10_000, max_items_per_trace=10_000)
    store.add(words(client(n) for n in range(1, 10_001)), 0)
    portions = [len(store.expire(TTL)) for _ in range(4)]
    assert portions == [4096, 4096, 1808, 0]


def test_a_frozen_clock_expires_nothing(module: ModuleType) -> None:
    store = store_of(module)
    store.add(words([client(7), server(8)]), 5)
    assert edges(store.expire(5)) == []
    assert store.waiting == 2


def test_a_full_store_forgets_paired_clients_before_it_evicts(module: ModuleType) -> None:
    store = store_of(module, max_items=2)
    store.add(words([client(1), server(1), client(2)]), 0)
    assert store.held == 2
    store.add(words([client(3)]), 0)
    assert (store.held, store.waiting) == (2, 2)
    assert ("evicted", "client") not in fates(store)
    store.add(words([client(4)]), 0)
    assert fates(store)["evicted", "client"] == 1
    assert edges(store.add(words([server(3), server(4), server(2)]), 0)) == [(1, 2), (1, 2)]


def test_one_trace_cannot_fill_the_store(module: ModuleType) -> None:
    store = store_of(module, max_items=100, max_items_per_trace=10)
    store.add(words(client(n) for n in range(1, 1001)), 0)
    assert store.waiting == 10
    assert fates(store) == {("trace_limit", "client"): 990}
    assert edges(store.add(words([client(5, trace=(8, 8)), server(5, trace=(8, 8))]), 0)) == [(1, 2)]


def test_children_without_number_of_one_parent_cost_one_step_each(module: ModuleType) -> None:
    """The chain of a key is appended to at its end: 100 000 children are no quadratic walk."""
    n = 100_000 if module is MODULES["as_imported"] else 2_000
    store = module.EdgeStore(n, TTL, n)
    store.add(words(server(7, span=span) for span in range(100, 100 + n)), 0)
    assert store.waiting == n
    assert len(store.add(words([client(7)]), 0)) == n
    assert store.waiting == 0


def test_many_one_sided_halves_are_accounted_for_to_the_last(module: ModuleType) -> None:
    n = 1_000_000 if edge_store.__file__.endswith(".so") and module is edge_store else 5_000
    store = store_of(module, max_items=1000, max_items_per_trace=500)
    batch = np.zeros((1000, 8), np.uint64)
    batch[:, 4] = batch[:, 5] = batch[:, 6] = 1
    expired = 0
    for start in range(0, n, 1000):
        numbers = np.arange(start + 1, start + 1001, dtype=np.uint64)
        batch[:, 0], batch[:, 2] = numbers, numbers * np.uint64(0x9E3779B97F4A7C15)
        now = start // 200
        expired += len(store.expire(now))
        assert len(store.add(batch, now)) == 0
        assert store.held <= 1000
    assert fates(store).get(("expired", "client"), 0) == expired
    assert store.fates().sum() + store.waiting == n


def test_restored_halves_pair_and_expire_as_if_nothing_had_happened(module: ModuleType) -> None:
    store = store_of(module)
    store.add(words([client(1), server(1), client(2), server(3, label=3)]), 4)
    halves, left = store.dump(6)
    assert left.tolist() == [TTL - 2, TTL - 2, TTL - 2]
    other = store_of(module)
    other.load(halves, left, 1000)
    assert edges(other.add(words([server(1, span=55, label=9), server(2), client(3)]), 1000)) == [
        (1, 9),
        (1, 2),
        (1, 3),
    ]
    assert other.waiting == 0


def test_only_an_empty_store_can_be_loaded(module: ModuleType) -> None:
    store = store_of(module)
    store.add(words([client(1)]), 0)
    with pytest.raises(ValueError, match="not empty"):
        store.load(*store.dump(0), 0)


def test_more_halves_than_fit_are_evicted_on_load(module: ModuleType) -> None:
    store = store_of(module)
    store.add(words([client(1), client(2), client(3)]), 0)
    small = store_of(module, max_items=2)
    small.load(*store.dump(0), 0)
    assert small.held == 2
    assert fates(small) == {("evicted", "client"): 1}


def test_a_well_filled_index_loses_nothing(module: ModuleType) -> None:
    """Thousands of insertions and removals at a load where keys probe past each other."""
    rng = np.random.default_rng(3)
    model, store = ModelStore(1000, TTL, 1000), store_of(module, 1000, 1000)
    for now in range(16):
        kinds, spans, others = rng.integers(0, 2, 150), rng.integers(1, 3000, 150), rng.integers(5000, 1 << 60, 150)
        halves = [
            Half((1, int(s) % 7), int(s), int(o), int(k), n)
            for n, (k, s, o) in enumerate(zip(kinds, spans, others, strict=True), 1)
        ]
        assert edges(store.expire(now)) == model.expire(now)
        assert edges(store.add(words(halves), now)) == [edge for half in halves for edge in model.add(half, now)]
    assert store.fates().tolist() == model.fate_table()
