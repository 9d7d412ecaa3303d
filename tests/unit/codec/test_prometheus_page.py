"""Pages in the two text formats: what is written, and that strict readers take it, whatever the labels hold."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.codec.prometheus_labels import LabelOptions, LabelWriter
from pipeline.codec.prometheus_names import Escaping, Namer, Strategy
from pipeline.model.snapshot import MetricKind, Scope, Temporality
from tests.unit.codec.metric_batches import (
    NOW,
    Labels,
    batch,
    exemplars,
    exponential,
    gauge,
    histogram,
    number,
    resource,
)
from tests.unit.codec.pages import OPENMETRICS, TEXT, Reported, lines, promtool_complaint, render, samples

TRACE, SPAN = "0af7651916cd43dd8448eb211c80319c", "00f067aa0ba902b7"
POISON = [
    'quote " quote',
    "back\\slash",
    "\\",
    '\\"',
    "new\nline",
    "\\n",
    "nul\x00byte",
    "carriage\rreturn",
    "right-to-left \u202e override",
    "😀",
    "} 1",
    "# HELP",
    '",le="5"} 99\n# EOF',
    "</script><script>",
    "\u2028\u2029\u0085",
    "{a=",
    "ä" * 300,
]


def test_a_counter() -> None:
    calls = number(
        "traces.span.metrics.calls",
        [({"service.name": "cart", "span.kind": "SPAN_KIND_SERVER"}, 3), ({"service.name": "shop"}, 2.5)],
        description="Calls, counted",
    )
    assert render(batch(calls)).decode() == (
        "# HELP traces_span_metrics_calls_total Calls, counted\n"
        "# TYPE traces_span_metrics_calls_total counter\n"
        'traces_span_metrics_calls_total{service_name="cart",span_kind="SPAN_KIND_SERVER"} 3\n'
        'traces_span_metrics_calls_total{service_name="shop"} 2.5\n'
    )


def test_a_histogram_is_cumulated() -> None:
    duration = histogram("duration", [({"service.name": "cart"}, [3, 2, 1], 25.5)], unit="s")
    assert render(batch(duration)).decode() == (
        "# TYPE duration_seconds histogram\n"
        'duration_seconds_bucket{service_name="cart",le="0.5"} 3\n'
        'duration_seconds_bucket{service_name="cart",le="10"} 5\n'
        'duration_seconds_bucket{service_name="cart",le="+Inf"} 6\n'
        'duration_seconds_sum{service_name="cart"} 25.5\n'
        'duration_seconds_count{service_name="cart"} 6\n'
    )


def test_openmetrics_has_exemplars_created_times_and_units() -> None:
    calls = number(
        "calls",
        [({"a": "1"}, 3), ({"a": "2"}, 4)],
        samples=exemplars((1, -1, 1.0, NOW, TRACE, SPAN)),
        description='"q"',
    )
    duration = histogram(
        "duration",
        [({}, [3, 2, 1], 25.5)],
        unit="s",
        samples=exemplars((0, 2, 11.5, NOW + 1_999_999, TRACE, "00" * 8), (0, 0, 0.25, 0, "00" * 16, SPAN)),
    )
    page = render(batch(calls, duration), form=OPENMETRICS)
    assert page.decode() == (
        '# HELP calls \\"q\\"\n'
        "# TYPE calls counter\n"
        'calls_total{a="1"} 3\n'
        'calls_created{a="1"} 1600000000.500\n'
        f'calls_total{{a="2"}} 4 # {{trace_id="{TRACE}",span_id="{SPAN}"}} 1 1700000000.000\n'
        'calls_created{a="2"} 1600000000.500\n'
        "# TYPE duration_seconds histogram\n"
        "# UNIT duration_seconds seconds\n"
        f'duration_seconds_bucket{{le="0.5"}} 3 # {{span_id="{SPAN}"}} 0.25\n'
        'duration_seconds_bucket{le="10.0"} 5\n'
        f'duration_seconds_bucket{{le="+Inf"}} 6 # {{trace_id="{TRACE}"}} 11.5 1700000000.001\n'
        "duration_seconds_sum 25.5\n"
        "duration_seconds_count 6\n"
        "duration_seconds_created 1600000000.500\n"
        "# EOF\n"
    )
    assert len(samples(page, OPENMETRICS)) == 4 + 6


def test_gauges_and_counters_without_total_have_no_created_line() -> None:
    metrics = batch(gauge("g", [({}, 1)]), number("c", [({}, 2)]))
    page = render(metrics, form=OPENMETRICS, strategy=Strategy.UNDERSCORES_WITHOUT_SUFFIXES).decode()
    assert page == "# TYPE g gauge\ng 1\n# TYPE c unknown\nc 2\n# EOF\n"


def test_a_counter_gives_way_to_a_gauge_of_its_base_name_in_openmetrics() -> None:
    page = render(batch(number("queue", [({}, 2)]), gauge("queue", [({}, 1)])), form=OPENMETRICS)
    assert "# TYPE queue_total unknown\nqueue_total 2\n# TYPE queue gauge\nqueue 1\n" in page.decode()
    assert len(samples(page, OPENMETRICS)) == 2


def test_timestamps_are_milliseconds_in_text_and_seconds_in_openmetrics() -> None:
    metrics = batch(gauge("g", [({}, 1)]), histogram("h", [({}, [1, 0, 0], 0.1)]))
    assert {line.split(" ")[2] for line in lines(render(metrics, with_timestamps=True))} == {"1700000000000"}
    page = render(metrics, form=OPENMETRICS, with_timestamps=True)
    assert {line.split(" ")[2] for line in lines(page)} == {"1700000000.000"}
    assert samples(page, OPENMETRICS)


def test_series_without_labels_have_no_braces() -> None:
    assert lines(render(batch(gauge("g", [({}, 1), ({"a": ""}, 2), ({"a": None}, 3)])))) == ["g 1"]


def test_help_is_escaped() -> None:
    metric = gauge("g", [({}, 1)], description='a "b" \\ c\nd')
    assert '# HELP g a "b" \\\\ c\\nd\n' in render(batch(metric)).decode()
    assert '# HELP g a \\"b\\" \\\\ c\\nd\n' in render(batch(metric), form=OPENMETRICS).decode()


@pytest.mark.parametrize("form", [TEXT, OPENMETRICS])
@pytest.mark.parametrize("poison", POISON)
def test_any_label_value_survives_a_strict_parser(poison: str, form: object) -> None:
    metrics = batch(
        gauge("g", [({"v": poison, "w": "x"}, 1)]),
        histogram("h", [({"v": poison}, [1, 2, 3], 4.0)]),
        resources=[resource(service__name=poison, service__instance__id=poison)],
    )
    page = render(metrics, form=form)  # type: ignore[arg-type]
    read = samples(page, form)  # type: ignore[arg-type]
    values = {dict(labels)["v"] for name, labels, _ in read}
    assert values == {poison}
    if form is TEXT:
        assert promtool_complaint(page, ["help text", "non-histogram"]) == ""


@settings(max_examples=200, deadline=None)
@given(st.lists(st.text(max_size=30), min_size=1, max_size=5, unique=True))
def test_any_text_comes_back_from_openmetrics(values: list[str]) -> None:
    rows = [({"v": value, "i": str(i)}, i) for i, value in enumerate(values)]
    read = samples(render(batch(gauge("g", rows)), form=OPENMETRICS), OPENMETRICS)
    assert [dict(labels).get("v", "") for _, labels, _ in read] == values


@pytest.mark.parametrize(
    ("raw", "text"),
    [
        (b"ok \xc3\xa4", "ok ä"),
        (b"\xff", "\ufffd"),
        (b"a\xc3", "a\ufffd"),
        (b"\xc0\xaf", "\ufffd\ufffd"),
        (b"\xed\xa0\x80", "\ufffd\ufffd\ufffd"),
        (b"\xf0\x9f\x98", "\ufffd\ufffd\ufffd"),
        (b"\xf0\x9f\x98\x80!", "😀!"),
        (b"\xf4\x90\x80\x80", "\ufffd\ufffd\ufffd\ufffd"),
        (b"\xe0\x80\x80", "\ufffd\ufffd\ufffd"),
        (b"\x80abc", "\ufffdabc"),
    ],
)
def test_bytes_that_are_not_utf8_are_replaced(raw: bytes, text: str) -> None:
    """One such byte would make Prometheus refuse the whole page."""
    ((_, labels, _),) = samples(render(batch(gauge("g", [({"v": raw}, 1)]))))
    assert dict(labels)["v"] == text


def test_lone_surrogates_of_resources_do_not_break_the_page() -> None:
    metrics = batch(gauge("g", [({}, 1)], resources=[0]), resources=[resource(service__name="a\ud800b")])
    assert lines(render(metrics)) == ['g{job="a?b"} 1']


# -- names
# ---------------------------------------------------------------------------------------------------------------


def test_utf8_names_are_quoted() -> None:
    metric = histogram("http.dauer", [({"http.route": "/", "plain": "x"}, [1, 0, 0], 0.25)], description="D")
    assert render(batch(metric), strategy=Strategy.NO_TRANSLATION).decode() == (
        '# HELP "http.dauer" D\n'
        '# TYPE "http.dauer" histogram\n'
        '{"http.dauer_bucket","http.route"="/",plain="x",le="0.5"} 1\n'
        '{"http.dauer_bucket","http.route"="/",plain="x",le="10"} 1\n'
        '{"http.dauer_bucket","http.route"="/",plain="x",le="+Inf"} 1\n'
        '{"http.dauer_sum","http.route"="/",plain="x"} 0.25\n'
        '{"http.dauer_count","http.route"="/",plain="x"} 1\n'
    )
    page = render(batch(gauge('we"ird\n', [({}, 1)])), strategy=Strategy.NO_TRANSLATION)
    assert lines(page) == ['{"we\\"ird\\n"} 1']


def test_utf8_names_are_escaped_for_scrapers_that_want_it() -> None:
    metric = gauge("http.dauer", [({"http.route": "/"}, 1)])
    page = render(batch(metric), strategy=Strategy.NO_TRANSLATION, escaping=Escaping.VALUES)
    assert lines(page) == ['U__http_2e_dauer{U__http_2e_route="/"} 1']


def test_metrics_without_an_expressible_name_are_left_out_and_reported() -> None:
    reported: Reported = []
    page = render(batch(gauge("ひ", [({}, 1), ({"a": "1"}, 1)]), gauge("ok", [({}, 1)])), reported=reported)
    assert lines(page) == ["ok 1"]
    assert reported == [("invalid_name", "ひ", 2)]


def test_labels_that_become_one_are_joined_in_the_order_of_their_keys() -> None:
    rows = [
        ({"http_method": "B", "http.method": "A"}, 1),
        ({"http_method": "B"}, 2),
        ({"http_method": "", "http.method": "A", "z": "z"}, 3),
    ]
    assert lines(render(batch(gauge("g", rows)))) == [
        'g{http_method="A;B"} 1',
        'g{http_method="B"} 2',
        'g{http_method="A",z="z"} 3',
    ]


def test_reserved_labels_do_not_collide() -> None:
    """Two labels of one name make Prometheus refuse the page."""
    labels = {"le": "x", "quantile": "0.5", "__name__": "evil", "__reserved__": "y", "9": "nine", "ようこそ": "lost"}
    metrics = batch(histogram("h", [(labels, [1, 0, 0], 0.25)]), gauge("g", [(labels, 1)]))
    page = render(metrics)
    assert lines(page)[0] == 'h_bucket{__reserved__="y",exported_le="x",key_9="nine",quantile="0.5",le="0.5"} 1'
    assert lines(page)[-1] == 'g{__reserved__="y",key_9="nine",le="x",quantile="0.5"} 1'
    assert promtool_complaint(page, ["help text", "non-histogram", "non-summary"]) == ""


# -- labels around the point's own
# ---------------------------------------------------------------------------------------


def test_job_instance_and_scope_are_labels() -> None:
    cart = resource(service__name="cart", service__namespace="shop", service__instance__id="i-1")
    metrics = batch(
        number("calls", [({"a": "1"}, 1), ({"a": "2"}, 2)], resources=[0, -1]),
        resources=[cart],
        scope=Scope("spanmetricsconnector", "1.2", {"x.y": "z", "name": "hidden"}, "https://x/1"),
    )
    scope = 'otel_scope_name="spanmetricsconnector",otel_scope_schema_url="https://x/1",'
    scope += 'otel_scope_version="1.2",otel_scope_x_y="z"'
    assert lines(render(metrics, options=LabelOptions())) == [
        f'calls_total{{instance="i-1",job="shop/cart",{scope},a="1"}} 1',
        f'calls_total{{{scope},a="2"}} 2',
    ]
    assert lines(render(metrics))[1] == 'calls_total{a="2"} 2'


def test_a_gauge_without_unit_is_a_ratio_and_a_sum_that_goes_down_is_none() -> None:
    up_down = number("queued", [({}, 1)], monotonic=False, unit="1")
    assert lines(render(batch(gauge("used", [({}, 0.5)], unit="1"), up_down))) == ["used_ratio 0.5", "queued 1"]


def test_job_of_the_resource_wins_over_an_attribute() -> None:
    cart = resource(service__name="cart")
    rows = [({"job": "liar", "instance": "own"}, 1), ({"job": "kept"}, 2)]
    metrics = batch(number("calls", rows, resources=[0, -1]), resources=[cart])
    assert lines(render(metrics)) == ['calls_total{instance="own",job="cart"} 1', 'calls_total{job="kept"} 2']


def test_constant_labels_win_over_everything() -> None:
    options = LabelOptions(const_labels=(("job", "fixed"), ("a", "fixed"), ("another label", "x")), with_scope=False)
    metrics = batch(number("calls", [({"a": "1"}, 1)], resources=[0]), resources=[resource(service__name="cart")])
    assert lines(render(metrics, options=options)) == ['calls_total{a="fixed",another_label="x",job="fixed"} 1']


def test_resource_attributes_become_labels_where_the_point_has_none() -> None:
    options = LabelOptions(promote_resource=True, with_scope=False)
    pod = resource(service__name="cart", k8s__pod__name="p1", region="eu", le="?", n=3, flags=[True, "x"])
    rows: list[tuple[Labels, float]] = [({"region": "own"}, 1), ({"region": None}, 2), ({"region": ""}, 3)]
    metrics = batch(
        number("calls", [*rows[:2]], resources=[0, 0]),
        histogram("h", [({}, [1], 1.0)], [], resources=[0]),
        resources=[pod],
    )
    shown = lines(render(metrics, options=options))[1:]  # after target_info
    promoted = 'flags="[true,\\"x\\"]",job="cart",k8s_pod_name="p1",{}n="3",{}service_name="cart",'
    assert shown[:2] == [
        "calls_total{" + promoted.replace('n="3"', 'le="?",n="3"').format("", "") + 'region="own"} 1',
        "calls_total{" + promoted.replace('n="3"', 'le="?",n="3"').format("", "") + 'region="eu"} 2',
    ]
    assert 'exported_le="?"' in shown[2]
    assert shown[2].endswith('le="+Inf"} 1')


def test_service_attributes_can_be_excluded_from_promotion() -> None:
    options = LabelOptions(promote_resource=True, exclude_service_attributes=True, with_scope=False)
    pod = resource(service__name="cart", service__instance__id="i", region="eu")
    metrics = batch(number("calls", [({}, 1)], resources=[0]), resources=[pod])
    assert lines(render(metrics, options=options))[1:] == ['calls_total{instance="i",job="cart",region="eu"} 1']


def test_target_info_holds_the_remaining_attributes_once_per_job_and_instance() -> None:
    resources = [
        resource(1, service__name="cart", service__instance__id="i", host__name="h1", host_name="h0"),
        resource(2, service__name="cart", service__instance__id="i", host__name="h2"),
        resource(3, service__name="bare"),
        resource(4, host__name="no identity"),
    ]
    page = render(batch(gauge("g", [({}, 1)]), resources=resources), namespace="ns")
    assert page.decode().startswith(
        "# HELP ns_target_info Target metadata\n"
        "# TYPE ns_target_info gauge\n"
        'ns_target_info{host_name="h1;h0",instance="i",job="cart"} 1\n'
        "# TYPE ns_g gauge\n"
    )


# -- families
# ------------------------------------------------------------------------------------------------------------


def test_metrics_of_one_name_are_one_family() -> None:
    first = batch(number("calls", [({"a": "1"}, 1)], description="First"), gauge("g", [({}, 5)]))
    second = batch(number("calls", [({"b": "1"}, 2)], description="Second"))
    page = render(first, second).decode()
    assert page == (
        '# HELP calls_total First\n# TYPE calls_total counter\ncalls_total{a="1"} 1\ncalls_total{b="1"} 2\n'
        "# TYPE g gauge\ng 5\n"
    )


@pytest.mark.parametrize("form", [TEXT, OPENMETRICS])
def test_a_type_conflict_costs_the_later_metric_only(form: object) -> None:
    reported: Reported = []
    metrics = batch(gauge("x", [({}, 1)]), histogram("x", [({}, [1, 0, 0], 1.0)]), gauge("y", [({}, 2)]))
    page = render(metrics, form=form, reported=reported)  # type: ignore[arg-type]
    assert lines(page) == ["x 1", "y 2"]
    assert reported == [("type_conflict", "x", 1)]


def test_samples_of_two_families_never_have_one_name() -> None:
    reported: Reported = []
    metrics = batch(histogram("x", [({}, [1, 0, 0], 1.0)]), gauge("x_count", [({}, 7)]), gauge("x_sum_", [({}, 8)]))
    page = render(metrics, reported=reported)
    assert "x_count 7" not in lines(page)
    assert {reason for reason, _, _ in reported} == {"name_conflict"}


def test_series_of_pods_that_differ_in_no_label_are_added_up() -> None:
    """The common Kubernetes deployment: three replicas, no ``service.instance.id``."""
    pods = [resource(i, service__name="cart", k8s__pod__name=f"pod-{i}") for i in range(3)]
    calls = number(
        "calls",
        [({"op": "get"}, 1), ({"op": "get"}, 2), ({"op": "put"}, 5), ({"op": "get"}, 4)],
        resources=[0, 1, 1, 2],
        samples=exemplars((1, -1, 1.0, NOW, TRACE, SPAN), (2, -1, 2.0, NOW, TRACE, SPAN)),
    )
    duration = histogram(
        "duration", [({"op": "get"}, [1, 0, 0], 0.25), ({"op": "get"}, [0, 2, 3], 40.5)], resources=[0, 2]
    )
    reported: Reported = []
    page = render(batch(calls, duration, resources=pods), form=OPENMETRICS, reported=reported)
    read = {
        (name, dict(labels).get("op"), dict(labels).get("le")): value
        for name, labels, value in samples(page, OPENMETRICS)
    }
    assert read["calls_total", "get", None] == 7
    assert read["calls_total", "put", None] == 5
    assert [read["duration_bucket", "get", le] for le in ("0.5", "10.0", "+Inf")] == [1, 3, 6]
    assert read["duration_sum", "get", None] == 40.75
    assert reported == [("merged", "calls_total", 2), ("merged", "duration", 1)]
    assert page.decode().count("# {trace_id") == 2


def test_absent_and_empty_labels_are_one_series() -> None:
    assert lines(render(batch(number("c", [({"a": None}, 1), ({"a": ""}, 2)])))) == ["c_total 3"]


def test_gauges_that_differ_in_no_label_are_not_added_up() -> None:
    reported: Reported = []
    metrics = batch(gauge("g", [({"a": None}, 1), ({"a": ""}, 2)]))
    assert lines(render(metrics, reported=reported)) == ["g 1"]
    assert reported == [("duplicate", "g", 1)]


def test_up_down_counters_are_added_up() -> None:
    metric = number("c", [({"a": None}, 1), ({"a": ""}, -3)], kind=MetricKind.SUM, monotonic=False)
    assert lines(render(batch(metric))) == ["c -2"]


def test_a_series_of_two_metrics_is_shown_once() -> None:
    reported: Reported = []
    first = batch(number("c", [({"a": "1"}, 1), ({"a": "2"}, 2)]))
    second = batch(number("c", [({"a": "2"}, 9), ({"a": "3"}, 3)]))
    assert lines(render(first, second, reported=reported)) == [
        'c_total{a="1"} 1',
        'c_total{a="2"} 2',
        'c_total{a="3"} 3',
    ]
    assert reported == [("duplicate", "c_total", 1)]


def test_delta_and_exponential_metrics_have_no_text_form() -> None:
    reported: Reported = []
    metrics = batch(
        number("d", [({}, 1)], temporality=Temporality.DELTA),
        exponential("e", [({}, 0, 1.0, 0, [1.0], 3.0)]),
        gauge("g", [({}, 1)]),
    )
    assert lines(render(metrics, reported=reported)) == ["g 1"]
    assert reported == [("delta", "d", 1), ("native_histogram", "e", 1)]


# -- leading zeros and size
# ----------------------------------------------------------------------------------------------


def test_series_that_began_later_are_shown_at_zero_without_exemplars() -> None:
    samples_of = exemplars((0, -1, 1.0, NOW, TRACE, SPAN), (1, -1, 1.0, NOW, TRACE, SPAN))
    metrics = batch(
        number("c", [({"a": "old"}, 5), ({"a": "new"}, 7)], start=[100, 101], samples=samples_of),
        histogram("h", [({"a": "old"}, [1, 1, 1], 12.5), ({"a": "new"}, [1, 1, 1], 12.5)], start=[100, 101]),
        gauge("g", [({"a": "new"}, 9)], start=[101]),
    )
    page = render(metrics, form=OPENMETRICS, zero_after=100)
    read = {
        (name, dict(labels)["a"], dict(labels).get("le")): value for name, labels, value in samples(page, OPENMETRICS)
    }
    assert (read["c_total", "old", None], read["c_total", "new", None]) == (5, 0)
    assert (read["h_bucket", "old", "+Inf"], read["h_count", "old", None], read["h_sum", "old", None]) == (3, 3, 12.5)
    assert {
        value for (name, a, _), value in read.items() if name.startswith("h_") and a == "new" and "created" not in name
    } == {0}
    assert read["g", "new", None] == 9
    assert page.decode().count("# {trace_id") == 1


def test_pages_larger_than_the_buffer_are_complete() -> None:
    count = 3000
    rows = [({"a": f"series {i} " + "x" * 200, "b": str(i)}, float(i)) for i in range(count)]
    many = [({"a": f"series {i} " + "y" * 200}, [1.0] * 18, 1.5) for i in range(600)]
    metrics = batch(number("c", rows), histogram("h", many, [float(i) for i in range(17)]))
    read = samples(render(metrics))
    assert len(read) == count + 600 * 20
    assert [value for name, _, value in read if name == "c_total"] == [float(i) for i in range(count)]


def test_one_huge_label_set_gets_a_buffer_of_its_size() -> None:
    huge = {f"l{i}": '"' * 32_000 for i in range(20)}
    ((_, labels, _),) = samples(render(batch(gauge("g", [(huge, 1)]))))
    assert dict(labels) == huge


def test_rows_of_a_histogram_are_cut_at_the_block_of_cumulated_counts() -> None:
    count = 4096 + 10
    rows = [({"i": str(i)}, [float(i), 1.0], 2.0) for i in range(count)]
    read = samples(render(batch(histogram("h", rows, [1.0]))))
    buckets = [value for name, labels, value in read if name == "h_bucket" and dict(labels)["le"] == "+Inf"]
    assert buckets == [float(i + 1) for i in range(count)]


def test_an_empty_page_is_valid() -> None:
    assert render() == b""
    assert render(form=OPENMETRICS) == b"# EOF\n"
    assert render(batch(gauge("g", []))) == b""


def test_read_only_arrays_are_fine() -> None:
    metric = gauge("g", [({"a": "1"}, 1.5)])
    for array in (metric.series.offsets, metric.series.lengths, metric.values.values):  # type: ignore[union-attr]
        array.flags.writeable = False
    assert lines(render(batch(metric))) == ['g{a="1"} 1.5']
    assert np.frombuffer(b"x", dtype=np.uint8).flags.writeable is False


def test_many_resources_with_labels_of_the_points_names_need_no_huge_buffer() -> None:
    """The room of a row must follow from its own resource, not from all of them."""
    options = LabelOptions(promote_resource=True, with_scope=False)
    resources = [resource(i, service__name="cart", region=f"r{i}" + "x" * 500) for i in range(300)]
    rows = [({"region": None, "i": str(i)}, i) for i in range(300)]
    metrics = batch(number("c", rows, resources=list(range(300))), resources=resources)
    series, _ = LabelWriter(Namer(), options, TEXT, Escaping.ALLOW_UTF8).series(
        metrics.metrics[0].series, metrics.resources, metrics.scope
    )
    assert series.room() < 3_000
    read = samples(render(metrics, options=options))
    assert {dict(labels)["region"] for name, labels, _ in read if name == "c_total"} == {
        one.attributes["region"] for one in resources
    }
