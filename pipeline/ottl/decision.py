"""Conditions that only compare cells with constants: from a plan to a graph of questions for ``ottl/decide.py``.

    a == 1 and (b == 2 or not c == 3)         a ─no─▶ reject
                                              └yes▶ b ─yes─▶ accept
                                                    └no─▶ c ─yes─▶ reject
                                                          └no─▶ accept

They cannot fail, which makes them simple: no row needs a third verdict.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from pipeline.model.records import Field
from pipeline.ottl import readers
from pipeline.ottl.decide import KINDS, RELATIONS, VERDICTS, decide
from pipeline.ottl.plan import AgainstConstant, Calculated, Column, Holds, Joined, Negated, Test
from pipeline.ottl.tables import Tables
from pipeline.ottl.values import Duration, Time
from pipeline.ottl.vectors import Truth

_INT64 = 1 << 63


class Question(NamedTuple):
    """A comparison that the kernel knows.

    Attributes:
        column, other: What it looks at; ``other`` is subtracted.
    """

    kind: str
    column: Column
    relation: str
    integer: int = 0
    real: float = 0.0
    text: bytes = b""
    other: Column | None = None


def question(test: Test) -> Question | None:
    """What a test asks, if it is a question."""
    if isinstance(test, Holds):
        column = test.expression
        if isinstance(column, Column) and column.reader is readers.IS_ZERO:
            return Question("word64", column, "==")
        return None
    if not isinstance(test, AgainstConstant):
        return None
    left, relation, constant = test.left, test.operator, test.constant
    if isinstance(left, Calculated):
        return _of_difference(left, relation, constant)
    if not isinstance(left, Column):
        return None
    is_equality = relation in ("==", "!=")
    if left.reader is readers.TEXT and isinstance(constant, str) and is_equality:
        return Question("text", left, relation, text=constant.encode("utf-8", "surrogateescape"))
    if left.reader is readers.CELL:
        return _of_cell(left, relation, constant) if is_equality or type(constant) in (int, float) else None
    if left.reader is readers.ENUM and type(constant) is int:
        return Question("word32", left, relation, constant)
    if left.reader is readers.INTEGER and type(constant) is int:
        return Question("word64", left, relation, constant)
    if left.reader is readers.TIME and isinstance(constant, Time) and -_INT64 <= constant.unix_nano < _INT64:
        return Question("word64", left, relation, constant.unix_nano)
    return None


def _of_cell(column: Column, relation: str, constant: Any) -> Question | None:
    if constant is None:
        return Question("nil", column, relation)
    match constant:
        case bool():
            return Question("boolean", column, relation, int(constant))
        case str():
            return Question("typed text", column, relation, text=constant.encode("utf-8", "surrogateescape"))
        case int():
            return Question("integer", column, relation, constant, float(constant))
        case float():
            return Question("real", column, relation, 0, constant)
    return None


def _of_difference(left: Calculated, relation: str, constant: Any) -> Question | None:
    """``end_time - start_time`` against a duration."""
    end, start = left.left, left.right
    if left.operator != "-" or not isinstance(end, Column) or not isinstance(start, Column):
        return None
    if end.level != start.level or not isinstance(constant, Duration):
        return None
    if end.reader is not readers.TIME or start.reader is not readers.TIME:
        return None
    return Question("difference", end, relation, constant.nanoseconds, other=start)


class Decision(Test):
    """A condition of questions alone.

    Args:
        test: Of ``Negated`` and ``Joined`` down to questions.
    """

    def __init__(self, test: Test) -> None:
        self.level = test.level
        self.test = test
        self._questions: list[tuple[Question, int, int]] = []
        self._start = self._add(test, VERDICTS[True], VERDICTS[False])
        self._texts = b"".join(asked.text for asked, _, _ in self._questions) + b"\0"
        self._constants = np.array([asked.real for asked, _, _ in self._questions])
        self._nodes = np.empty(0, np.int64)
        self._made_for: Any = None

    def _add(self, test: Test, yes: int, no: int) -> int:
        """Put the questions of a test before those that follow it; returns the first of them."""
        if isinstance(test, Negated):
            return self._add(test.operand, no, yes)
        if isinstance(test, Joined):
            following = yes if not test.decides else no
            for operand in reversed(test.operands):
                following = self._add(operand, yes if test.decides else following, following if test.decides else no)
            return following
        asked = question(test)
        assert asked is not None  # noqa: S101 - ``natively`` has asked
        self._questions.append((asked, yes, no))
        return len(self._questions) - 1

    def evaluate(self, tables: Tables) -> Truth:
        """Cost: one native pass."""
        size = tables.size(self.level)
        hits = np.empty(size, bool)
        if not size:
            return Truth(hits)
        batch, records = tables.batch, tables.records
        if batch.projection is not self._made_for:
            self._nodes = self._written(tables)
            self._made_for = batch.projection
        first, width = records.first, records.width
        places = np.array([part for level in range(self.level, -1, -1) for part in (first[level], width[level])])
        decide(
            records.payload,
            records.words,
            places,
            tables.rows(self.level),
            size,
            self._nodes,
            self._constants,
            self._start,
            self._texts,
            hits.view(np.uint8),
        )
        return Truth(hits)

    def _written(self, tables: Tables) -> Any:
        """The questions as numbers: where columns stand is up to the projection."""
        numbers: list[int] = []
        begin = 0
        for asked, yes, no in self._questions:
            field: Field = tables.field(asked.column.name)
            other = tables.field(asked.other.name).word if asked.other is not None else 0
            up = self.level - asked.column.level
            numbers += [KINDS[asked.kind], up, field.word, other, RELATIONS[asked.relation], asked.integer]
            numbers += [begin, len(asked.text), yes, no]
            begin += len(asked.text)
        return np.array(numbers, np.int64)


def natively(test: Test) -> Test:
    """The same test, decided natively as far as it consists of questions."""
    if question(test) is not None:
        return Decision(test)
    if isinstance(test, Negated):
        inner = natively(test.operand)
        return Decision(Negated(inner.test)) if isinstance(inner, Decision) else Negated(inner)
    if not isinstance(test, Joined):
        return test
    groups: list[list[Test]] = []
    for operand in map(natively, test.operands):
        if groups and isinstance(operand, Decision) and isinstance(groups[-1][0], Decision):
            groups[-1].append(operand)
        else:
            groups.append([operand])
    merged = [_together(group, decides=test.decides) for group in groups]
    return merged[0] if len(merged) == 1 else Joined(merged, decides=test.decides)


def _together(group: list[Test], *, decides: bool) -> Test:
    if len(group) == 1:
        return group[0]
    return Decision(Joined([one.test for one in group if isinstance(one, Decision)], decides=decides))
