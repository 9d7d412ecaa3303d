"""What is committed is what the sources say, and it hangs together."""

import json
import re
from typing import Any

import pytest
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models.dashboard import Dashboard

from dashboards.build import COMPILED, FLAVOURS, compiled
from pipeline.promql.flavour import Flavour
from tests.unit.dashboards.reading import EDITIONS, EVERY, FLAVOUR_OF, SLUGS, expressions, load, panels

LINK = re.compile(r"/d/([a-z0-9-]+)\?")
BOUND = re.compile(r'_bucket\{[^}]*le="([^"]+)"')


@pytest.mark.parametrize("flavour", FLAVOURS, ids=EDITIONS)
def test_compiled_dashboards_are_those_of_the_sources(flavour: Flavour) -> None:
    """`make dashboards` writes them anew."""
    for slug, text in compiled(flavour):
        assert (COMPILED / flavour.id / f"{slug}.json").read_text() == text


def test_nothing_else_is_in_the_folder() -> None:
    assert sorted(path.relative_to(COMPILED).as_posix() for path in COMPILED.rglob("*.json")) == sorted(
        f"{edition}/{slug}.json" for edition, slug in EVERY
    )


@pytest.mark.parametrize(("edition", "slug"), EVERY)
def test_the_sdk_reads_back_what_it_wrote(edition: str, slug: str) -> None:
    dashboard = load(edition, slug)
    assert json.loads(JSONEncoder().encode(Dashboard.from_json(dashboard))) == dashboard


@pytest.mark.parametrize(("edition", "slug"), EVERY)
def test_links_lead_to_dashboards_of_the_same_edition(edition: str, slug: str) -> None:
    uids = {load(edition, other)["uid"] for other in SLUGS}
    linked = LINK.findall(json.dumps(load(edition, slug)))
    assert set(linked) <= uids
    assert linked or slug == "self"


def test_uids_differ_and_grafana_takes_them() -> None:
    uids = [load(edition, slug)["uid"] for edition, slug in EVERY]
    assert len(set(uids)) == len(uids)
    assert all(len(uid) <= 40 for uid in uids)


@pytest.mark.parametrize(("edition", "slug"), EVERY)
def test_each_bound_in_a_query_is_a_bucket(edition: str, slug: str) -> None:
    flavour = FLAVOUR_OF[edition]
    known = {flavour.le(bound) for bound in flavour.bounds_s}
    for expression in expressions(load(edition, slug)):
        assert set(BOUND.findall(expression.text)) <= known, expression


@pytest.mark.parametrize("edition", EDITIONS)
def test_native_editions_ask_for_no_classic_buckets_of_spans(edition: str) -> None:
    flavour = FLAVOUR_OF[edition]
    texts = [expression.text for slug in SLUGS for expression in expressions(load(edition, slug))]
    classic = [text for text in texts if f"{flavour.duration}_bucket" in text]
    assert bool(classic) == (not flavour.native)


@pytest.mark.parametrize(("edition", "slug"), EVERY)
def test_rates_have_two_samples_at_a_scrape_each_minute(edition: str, slug: str) -> None:
    """$__rate_interval = max($__interval + scrape interval, 4 x scrape interval), of 15 s where nobody said."""
    step = next(v for v in load(edition, slug)["templating"]["list"] if v["name"] == "min_step")["current"]["value"]
    assert step.endswith("m")
    rate_interval_s = max(int(step[:-1]) * 60 + 15, 4 * 15)
    assert rate_interval_s > 2 * 60
    assert all(panel["interval"] == "$min_step" for panel in panels(load(edition, slug)))


@pytest.mark.parametrize(("edition", "slug"), EVERY)
def test_latency_has_exemplars(edition: str, slug: str) -> None:
    targets: list[Any] = [target for panel in panels(load(edition, slug)) for target in panel["targets"]]
    assert any(target.get("exemplar") for target in targets) or slug not in {"service", "fleet", "map"}
