"""A compiled condition: expressions that give vectors, and tests that give truth, each for one table."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from pipeline.model.records import Level
from pipeline.ottl.functions import add
from pipeline.ottl.readers import Reader
from pipeline.ottl.tables import Tables
from pipeline.ottl.values import Duration, Failed, Time, ValueFault
from pipeline.ottl.vectors import (
    MAX_REMEMBERED,
    Encoded,
    Numbers,
    Truth,
    Vector,
    combinations,
    compare_vectors,
    truth_of,
)


class Expression(ABC):
    """Something that has a value in every row.

    Attributes:
        level: The table whose rows they are.
        kind: Type of the values, nil aside; None: only the data tells.
    """

    level: Level
    kind: type | None

    @abstractmethod
    def evaluate(self, tables: Tables) -> Vector:
        """The values."""

    def at(self, tables: Tables, level: Level) -> Vector:
        """The values for the rows of a table below."""
        vector = self.evaluate(tables)
        return vector if level == self.level else vector.take(tables.index(self.level, level))


class Constant:
    """A value that is the same in every row, and known beforehand."""

    def __init__(self, value: Any) -> None:
        self.value = value
        self.kind: type | None = None if value is None else type(value)


class Column(Expression):
    """A path."""

    def __init__(self, level: Level, column: str, reader: Reader) -> None:
        self.level = level
        self.kind = reader.kind
        self.name = column
        self.reader = reader

    def evaluate(self, tables: Tables) -> Vector:
        """Read it."""
        return self.reader.read(tables, tables.field(self.name))


class Computed(Expression):
    """A vector that is made of the tables by a function."""

    def __init__(self, level: Level, kind: type, compute: Callable[[Tables], Vector]) -> None:
        self.level = level
        self.kind = kind
        self._compute = compute

    def evaluate(self, tables: Tables) -> Vector:
        """Compute it."""
        return self._compute(tables)


class Mapped(Expression):
    """A function of values, called once per distinct combination of its arguments."""

    def __init__(self, function: Callable[..., Any], arguments: Sequence[Expression], kind: type | None) -> None:
        self.level = max(one.level for one in arguments)
        self.kind = kind
        self._function = function
        self._arguments = arguments
        self._memory: dict[bytes, Any] = {}

    def evaluate(self, tables: Tables) -> Vector:
        """Cost: a dictionary of each argument, and a call per distinct combination. Of one argument, results for texts
        are remembered from batch to batch.
        """
        if len(self._arguments) == 1:
            if len(self._memory) >= MAX_REMEMBERED:
                self._memory.clear()
            return self._arguments[0].evaluate(tables).mapped(self._result, self._memory)
        vectors = [one.at(tables, self.level) for one in self._arguments]
        codes, rows = combinations(vectors)
        return Encoded(codes, [called(self._function, row) for row in rows])

    def _result(self, value: Any) -> Any:
        return called(self._function, (value,))


def called(function: Callable[..., Any], row: tuple[Any, ...]) -> Any:
    """A function of values, or the failure of one of them, or its own."""
    for value in row:
        if type(value) is Failed:
            return value
    try:
        return function(*row)
    except ValueFault as fault:
        return Failed(str(fault))


class Calculated(Expression):
    """``left operator right`` of numbers, times or durations; one of them may be a constant."""

    def __init__(self, operator: str, left: Expression | Constant, right: Expression | Constant) -> None:
        self.level = max(one.level for one in (left, right) if isinstance(one, Expression))
        self.kind = None
        self.operator = operator
        self.left = left
        self.right = right

    def evaluate(self, tables: Tables) -> Vector:
        """Vectorised where both sides are numbers in every row, else once per distinct combination."""
        left, right = (
            one if isinstance(one, Constant) else one.at(tables, self.level) for one in (self.left, self.right)
        )
        vector = _vectorised(self.operator, left, right)
        if vector is not None:
            return vector
        vectors = [one for one in (left, right) if not isinstance(one, Constant)]
        codes, rows = combinations(vectors)
        results = []
        for row in rows:
            values = iter(row)
            sides = [one.value if isinstance(one, Constant) else next(values) for one in (left, right)]
            results.append(called(lambda a, b: add(self.operator, a, b), (sides[0], sides[1])))
        return Encoded(codes, results)


_SAMPLES: dict[type, Any] = {int: 1, float: 1.0, Time: Time(1), Duration: Duration(1)}


def _vectorised(operator: str, left: Vector | Constant, right: Vector | Constant) -> Vector | None:
    """The result as an array, or None where some row may have none."""
    for one in (left, right):
        if not isinstance(one, (Constant, Numbers)) or one.kind not in _SAMPLES:
            return None
        if isinstance(one, Numbers) and one.nil is not None:
            return None
    kinds: list[type] = [one.kind for one in (left, right)]  # type: ignore[union-attr, misc]
    try:
        kind = type(add(operator, *(_SAMPLES[one] for one in kinds)))
    except ValueFault:
        return None
    x, y = (_array(one, np.float64 if kind is float else np.int64) for one in (left, right))
    if operator == "/" and not np.all(y):
        return None
    if kinds == [Time, Time] and np.count_nonzero((x | y) < 0):
        return None  # before 1970, or after 2262: the difference may be one that no duration holds
    if operator in "+-" and kind is not float:  # integers wrap around without a word
        return Numbers(x + y if operator == "+" else x - y, kind)
    with np.errstate(all="ignore"):
        if operator == "/":
            return Numbers(x / y if kind is float else _quotient(x, y), kind)
        return Numbers(x + y if operator == "+" else x - y if operator == "-" else x * y, kind)


def _array(one: Any, dtype: Any) -> Any:
    if isinstance(one, Numbers):
        return one.values.astype(dtype, copy=False)
    value = one.value[0] if isinstance(one.value, tuple) else one.value
    return np.array([value], dtype)


def _quotient(x: Any, y: Any) -> Any:
    """Towards zero, as in Go."""
    floor = x // y
    return floor + ((floor * y != x) & ((x < 0) != (y < 0)))


class Test(ABC):
    """Something that is true, false or a failure in every row.

    Attributes:
        level: The table whose rows they are.
    """

    __test__ = False  # not for pytest
    level: Level

    @abstractmethod
    def evaluate(self, tables: Tables) -> Truth:
        """The verdicts."""

    def at(self, tables: Tables, level: Level) -> Truth:
        """The verdicts for the rows of a table below."""
        truth = self.evaluate(tables)
        return truth if level == self.level else truth.spread(tables, self.level, level)


class Always(Test):
    """The same in every row."""

    level = Level.RESOURCE

    def __init__(self, value: bool) -> None:
        self.value = value

    def evaluate(self, tables: Tables) -> Truth:
        """One verdict for all."""
        return Truth(np.full(tables.size(self.level), self.value))


class AgainstConstant(Test):
    """An expression compared with a constant."""

    def __init__(self, operator: str, left: Expression, constant: Any) -> None:
        self.level = left.level
        self.operator = operator
        self.left = left
        self.constant = constant

    def evaluate(self, tables: Tables) -> Truth:
        """Compare."""
        return self.left.evaluate(tables).compare(self.operator, self.constant)


class AgainstEachOther(Test):
    """Two expressions compared."""

    def __init__(self, operator: str, left: Expression, right: Expression) -> None:
        self.level = max(left.level, right.level)
        self._operator = operator
        self._left = left
        self._right = right

    def evaluate(self, tables: Tables) -> Truth:
        """Compare."""
        left, right = (one.at(tables, self.level) for one in (self._left, self._right))
        return compare_vectors(self._operator, left, right)


class Holds(Test):
    """An expression that is itself a boolean."""

    def __init__(self, expression: Expression) -> None:
        self.level = expression.level
        self.expression = expression

    def evaluate(self, tables: Tables) -> Truth:
        """What is no boolean is a failure."""
        vector = self.expression.evaluate(tables)
        if isinstance(vector, Numbers) and vector.kind is bool and vector.nil is None:
            return Truth(vector.values)
        codes, values = vector.distinct()
        wrong = Failed("a condition must be a bool")
        return truth_of(codes, [one if isinstance(one, (bool, Failed)) else wrong for one in values])


class Negated(Test):
    """``not``"""

    def __init__(self, operand: Test) -> None:
        self.level = operand.level
        self.operand = operand

    def evaluate(self, tables: Tables) -> Truth:
        """A failure stays one."""
        hits, failed, reason = self.operand.evaluate(tables)
        return Truth(~hits) if failed is None else Truth(~(hits | failed), failed, reason)


class Joined(Test):
    """``and`` or ``or``: from left to right. What is decided is not looked at again, so that a failure further right
    does not count there.
    """

    def __init__(self, operands: Sequence[Test], *, decides: bool) -> None:
        """``decides`` is the verdict that settles a row: False for ``and``."""
        self.level = max(one.level for one in operands)
        self.operands = operands
        self.decides = decides

    def evaluate(self, tables: Tables) -> Truth:
        """Operands that can no longer change a row are left out."""
        result = self.operands[0].at(tables, self.level)
        for operand in self.operands[1:]:
            settled = len(result.hits) if self.decides else 0
            if result.failed is None and np.count_nonzero(result.hits) == settled:
                break
            result = self._joined(result, operand.at(tables, self.level))
        return result

    def _joined(self, left: Truth, right: Truth) -> Truth:
        if left.failed is None and right.failed is None:
            return Truth(left.hits | right.hits if self.decides else left.hits & right.hits)
        open_rows = left.hits != self.decides
        if left.failed is not None:
            open_rows &= ~left.failed
        hits = np.where(open_rows, right.hits, left.hits)
        if right.failed is None:
            return Truth(hits, left.failed, left.reason)
        late = open_rows & right.failed
        if left.failed is None:
            return Truth(hits, late, right.reason) if late.any() else Truth(hits)
        return Truth(hits, left.failed | late, left.reason)
