"""Columns of texts: comparisons, masks, and what is said where something else is given."""

from typing import Any

import numpy as np
import pytest

from pipeline.model.column import Column
from pipeline.testing import span_batch


def column(*cells: str | None) -> Column:
    values = [*dict.fromkeys(cell for cell in cells if cell is not None)]
    return Column(np.array([-1 if cell is None else values.index(cell) for cell in cells], np.int32), values)


@pytest.mark.parametrize("wanted", [(), ("a",), ("nope",), ("a", "b"), tuple("abcdefg"), ("a", "nope")])
def test_cells_are_found_however_many_are_wanted(wanted: tuple[str, ...]) -> None:
    cells = ("a", None, "b", "c", "a", "d", "e", None)
    expected = [cell is not None and cell in wanted for cell in cells]
    assert column(*cells).isin(wanted).tolist() == expected
    assert column(*cells).isin(frozenset(wanted)).tolist() == expected
    assert column(*cells).test(wanted.__contains__).tolist() == expected


def test_a_cell_is_equal_to_its_text_and_an_absent_one_to_nothing() -> None:
    cells = column("a", None, "b")
    assert (cells == "a").tolist() == [True, False, False]
    assert (cells == "nope").tolist() == [False, False, False]
    assert (cells != "a").tolist() == [False, True, True]


@pytest.mark.parametrize("other", [200, 1.5, None, True, column("a")])
def test_what_is_no_text_is_compared_with_nothing(other: Any) -> None:
    with pytest.raises(TypeError, match="compared with strings, not with"):
        _ = column("200") == other
    with pytest.raises(TypeError, match="compared with strings, not with"):
        column("200").isin([other])


def test_a_string_is_no_collection_of_strings() -> None:
    with pytest.raises(TypeError, match="not the string 'ab'"):
        column("a").isin("ab")


def test_each_distinct_value_is_mapped_once() -> None:
    seen = []

    def team(service: str) -> str | None:
        seen.append(service)
        return {"cart": "blue", "basket": "blue", "pay": "red"}.get(service)

    mapped = column("cart", "pay", None, "cart", "basket", "mail").map(team)
    assert mapped.tolist() == ["blue", "red", None, "blue", "blue", None]
    assert mapped.values == ["blue", "red"]
    assert seen == ["cart", "pay", "basket", "mail"]


def test_a_mapped_column_is_put_on_a_batch() -> None:
    spans = span_batch(spans=[{"service": name} for name in ("cart", "pay", "mail")], columns=("span.team",))
    teams = spans["resource.service.name"].map({"cart": "blue", "pay": "red"}.get)
    assert spans.with_column("span.team", teams)["span.team"].tolist() == ["blue", "red", None]


@pytest.mark.parametrize(
    ("mask", "said"),
    [
        (np.array([0, 1, 1]), r"bool\[3\], not int64\[3\]"),
        (np.array([[True, False, True]]), r"not bool\[1, 3\]"),
        ([True, False, True], "not a list"),
        (column("a", "b", "c"), "not a Column"),
        (True, "not a bool"),
    ],
)
def test_a_mask_is_an_array_of_bools(mask: Any, said: str) -> None:
    spans = span_batch(3, columns=("span.a",))
    with pytest.raises(TypeError, match=said):
        spans.where(mask)
    with pytest.raises(TypeError, match=said):
        spans.with_column("span.a", 1, where=mask)


def test_a_batch_is_read_by_the_names_of_columns() -> None:
    spans: Any = span_batch(2)
    with pytest.raises(TypeError, match=r"where\(mask\) chooses rows"):
        spans[0]
    with pytest.raises(TypeError, match="not iterable"):
        iter(spans)
    with pytest.raises(KeyError, match='did you mean "duration_nano"'):
        spans["durration_nano"]
    with pytest.raises(KeyError, match=r'"span\.http\.route" or "resource\.http\.route"'):
        spans["http.route"]
    with pytest.raises(KeyError, match="of another signal than traces"):
        spans["log.http.route"]
    for method in (spans.present, spans.distinct, spans.__getitem__):
        with pytest.raises(KeyError, match="declare it in `reads`"):
            method("span.undeclared")
    with pytest.raises(TypeError, match="end in _nano"):
        spans.seconds("name")


def test_what_cannot_be_set_says_why() -> None:
    spans = span_batch(2, columns=("span.a",))
    with pytest.raises(KeyError, match="declare it in `adds`"):
        spans.with_column("span.b", 1)
    with pytest.raises(KeyError, match=r'"span\.b\.c" or'):
        spans.with_column("b.c", 1)
    with pytest.raises(KeyError, match="cannot be changed"):
        spans.with_column("duration_nano", 1)
    with pytest.raises(TypeError, match="not set"):
        spans.with_column("span.a", {1, 2})
