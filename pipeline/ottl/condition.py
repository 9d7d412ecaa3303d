"""Conditions ready to run, and how the context of a condition is inferred from its paths."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, fields

from pipeline.model.batch import Batch
from pipeline.model.column import Bools
from pipeline.model.records import Level
from pipeline.ottl import tree
from pipeline.ottl.compiler import Compiler
from pipeline.ottl.contexts import CONTEXTS, SIGNAL_CONTEXTS
from pipeline.ottl.decision import natively
from pipeline.ottl.errors import OttlError
from pipeline.ottl.item_functions import ITEM_FUNCTIONS
from pipeline.ottl.parser import parse
from pipeline.ottl.plan import Test
from pipeline.ottl.tables import Tables
from pipeline.ottl.vectors import Truth


@dataclass(frozen=True)
class Condition:
    """A compiled condition.

    Attributes:
        text: As written.
        context: Name of what it is about.
        reads: Columns that it needs.
        warnings: What is odd about it and allowed, for the log of whoever uses it.
    """

    text: str
    context: str
    reads: tuple[str, ...]
    warnings: tuple[str, ...]
    _level: Level
    _test: Test

    def evaluate(self, tables: Tables) -> Truth:
        """Truth for each row of the context's table: for ``spanevent`` each event, for ``resource`` each resource."""
        return self._test.at(tables, self._level)

    def of_items(self, tables: Tables) -> Truth:
        """Truth for each item of the batch: for each span, log record or data point."""
        return self._test.at(tables, tables.batch.item_level)

    def mask(self, batch: Batch, now_unix_nano: int = 0) -> Bools:
        """bool[n]: the items for which it is true; where it failed it is not."""
        return self.of_items(Tables(batch, now_unix_nano)).hits


def compile_condition(text: str, context: str, *, prefixed: bool = False) -> Condition:
    """Compile a condition.

    Args:
        context: ``span``, ``spanevent``, ``metric``, ``datapoint``, ``log``, ``scope`` or ``resource``.
        prefixed: Every path must say its context, as where contexts are inferred.
    Raises:
        OttlError: It cannot be used; the message shows where and why.
    """
    known = CONTEXTS[context]
    node = parse(text)
    compiler = Compiler(text, known, prefixed=prefixed)
    test = natively(compiler.test(node))
    reads = dict(compiler.reads)
    if known.level == Level.EVENT and context == "spanevent":
        reads["event.span"] = None
    return Condition(text, context, tuple(reads), tuple(compiler.warnings), known.level, test)


def infer_context(texts: Sequence[str], signal: str, parse_one: Callable[[str], tree.Node] = parse) -> str:
    """The context of conditions, or of statements, that belong together: that of the lowest path in them, or of one
    below it where they use a function or an enum that it does not have.

    >>> infer_context(['resource.attributes["a"] == "b"', 'span.kind == SPAN_KIND_SERVER'], "traces")
    'span'

    Raises:
        OttlError: No path says a context, or no context has everything.
    """
    order = SIGNAL_CONTEXTS[signal]
    trees = [parse_one(text) for text in texts]
    nodes = [node for one in trees for node in _walk(one)]
    found = {node.segments[0].name for node in nodes if isinstance(node, tree.Path) and len(node.segments) > 1}
    found = {"scope" if name == "instrumentation_scope" else name for name in found}
    named = [name for name in order if name in found]
    if not named:
        what = f"no path says what this is about; begin paths with one of {', '.join(order)}, as in {order[0]}.…"
        raise OttlError(what, texts[0], trees[0].start, trees[0].end)
    position = order.index(named[0])
    for name in (named[0], *order[:position]):
        if all(_has(name, node) for node in nodes):
            return name
    return named[0]


def _has(context: str, node: tree.Node) -> bool:
    """Whether a context knows the function or the enum of a node."""
    if isinstance(node, tree.Enum):
        return node.name in CONTEXTS[context].enums
    if isinstance(node, tree.Call) and (function := ITEM_FUNCTIONS.get(node.name)):
        return not function.contexts or context in function.contexts
    return True


def _walk(node: tree.Node) -> Iterator[tree.Node]:
    yield node
    for one in fields(node):
        yield from _walk_value(getattr(node, one.name))


def _walk_value(value: object) -> Iterator[tree.Node]:
    if isinstance(value, tree.Node):
        yield from _walk(value)
    elif isinstance(value, tuple):
        for inner in value:
            yield from _walk_value(inner)
