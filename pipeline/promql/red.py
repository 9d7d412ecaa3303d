"""Rate, errors and duration of services and edges as PromQL.

Three rules hold everywhere: an error ratio is 0 when nothing fails and absent without traffic; rates are summed before
they are divided; a latency comes from summed buckets, never from averages of quantiles.
"""

from __future__ import annotations

from collections.abc import Sequence

from pipeline.promql.flavour import PER_SECOND, Flavour
from processors.service_graph.names import CLIENT, CONNECTION_TYPE, SERVER
from processors.span_metrics.names import STATUS_ERROR

ENTRANCES = ("SPAN_KIND_SERVER", "SPAN_KIND_CONSUMER")
"""Kinds of spans that are work a service was asked for. Its client spans would count a call twice."""


class Red:
    """Expressions over span_metrics for one flavour.

    Args:
        flavour: The spelling.
        window: Of rates, such as ``5m`` or ``$__rate_interval``.
        select: Matchers besides the kind of span.
        kinds: Kinds of spans.
    """

    def __init__(
        self, flavour: Flavour, window: str, select: Sequence[str] = (), kinds: Sequence[str] = ENTRANCES
    ) -> None:
        self.flavour = flavour
        self.window = window
        kind = f'{flavour.span_kind}=~"{"|".join(kinds)}"'
        self._select = (*select, *((kind,) if kinds else ()))

    def rate(self, by: Sequence[str] = (), *more: str) -> str:
        """Spans per second."""
        return f"sum{_by(by)}(rate({self._of(self.flavour.calls, *more)}[{self.window}]))"

    def errors(self, by: Sequence[str] = ()) -> str:
        """Failed spans per second; 0 where there are spans and none fails."""
        failed = self.rate(by, f'{self.flavour.status_code}="{STATUS_ERROR}"')
        return f"({failed} or 0 * {self.rate(by)})"

    def error_ratio(self, by: Sequence[str] = ()) -> str:
        """Failed spans per span."""
        return f"{self.errors(by)} / ({self.rate(by)} > 0)"

    def quantile(self, q: float, by: Sequence[str] = ()) -> str:
        """A quantile of the duration, in the flavour's unit."""
        return quantile(self.flavour, q, self.flavour.duration, self._select, self.window, by)

    def mean(self, by: Sequence[str] = ()) -> str:
        """Mean duration, each span counting the same."""
        if self.flavour.native:
            rate = f"sum{_by(by)}(rate({self._of(self.flavour.duration)}[{self.window}]))"
            return f"histogram_sum({rate}) / (histogram_count({rate}) > 0)"
        total = self._part("sum", by)
        return f"{total} / ({self._part('count', by)} > 0)"

    def within(self, seconds: float, by: Sequence[str] = ()) -> str:
        """Share of spans that took no longer; ``seconds`` must be a bound where buckets are classic."""
        if self.flavour.native:
            rate = f"sum{_by(by)}(rate({self._of(self.flavour.duration)}[{self.window}]))"
            return f"histogram_fraction(0, {_number(seconds * PER_SECOND[self.flavour.unit])}, {rate})"
        bucket = self._of(f"{self.flavour.duration}_bucket", f'le="{self.flavour.le(seconds)}"')
        return f"sum{_by(by)}(rate({bucket}[{self.window}])) / ({self._part('count', by)} > 0)"

    def apdex(self, seconds: float, by: Sequence[str] = ()) -> str:
        """Satisfied within ``seconds``, tolerating within four times that."""
        return f"({self.within(seconds, by)} + {self.within(4 * seconds, by)}) / 2"

    def time_share(self, by: Sequence[str] = ()) -> str:
        """Seconds of work per second: how many spans are under way on average."""
        if self.flavour.native:
            total = f"histogram_sum(sum{_by(by)}(rate({self._of(self.flavour.duration)}[{self.window}])))"
        else:
            total = self._part("sum", by)
        return total if self.flavour.unit == "s" else f"{total} / {PER_SECOND[self.flavour.unit]}"

    def heatmap(self) -> str:
        """Spans per second and bucket."""
        if self.flavour.native:
            return f"sum(rate({self._of(self.flavour.duration)}[{self.window}]))"
        return f"sum by (le) (rate({self._of(self.flavour.duration + '_bucket')}[{self.window}]))"

    def _part(self, part: str, by: Sequence[str]) -> str:
        return f"sum{_by(by)}(rate({self._of(f'{self.flavour.duration}_{part}')}[{self.window}]))"

    def _of(self, metric: str, *more: str) -> str:
        return f"{metric}{{{','.join((*self._select, *more))}}}"


class Edges:
    """Expressions over service_graph for one flavour."""

    KEYS = (CLIENT, SERVER, CONNECTION_TYPE)

    def __init__(self, flavour: Flavour, window: str, select: Sequence[str] = ()) -> None:
        self.flavour = flavour
        self.window = window
        self._select = tuple(select)

    def rate(self, by: Sequence[str]) -> str:
        """Calls per second."""
        return self._rate(self.flavour.edge_requests, by)

    def failures(self, by: Sequence[str]) -> str:
        """Failed calls per second; absent where none has failed yet."""
        return self._rate(self.flavour.edge_failures, by)

    def error_ratio(self, by: Sequence[str]) -> str:
        """Failed calls per call."""
        rate = self.rate(by)
        return f"({self.failures(by)} or 0 * {rate}) / ({rate} > 0)"

    def quantile(self, q: float, by: Sequence[str]) -> str:
        """A quantile of the duration in seconds, seen from the server."""
        return quantile(self.flavour, q, self.flavour.edge_duration, self._select, self.window, by)

    def _rate(self, metric: str, by: Sequence[str]) -> str:
        return f"sum{_by(by)}(rate({metric}{{{','.join(self._select)}}}[{self.window}]))"


def quantile(flavour: Flavour, q: float, metric: str, select: Sequence[str], window: str, by: Sequence[str]) -> str:
    """``histogram_quantile`` over buckets or a native histogram."""
    matchers = ",".join(select)
    if flavour.native:
        return f"histogram_quantile({q}, sum{_by(by)}(rate({metric}{{{matchers}}}[{window}])))"
    return f"histogram_quantile({q}, sum{_by(('le', *by))}(rate({metric}_bucket{{{matchers}}}[{window}])))"


def _by(labels: Sequence[str]) -> str:
    return f" by ({', '.join(labels)}) " if labels else ""


def _number(value: float) -> str:
    return repr(round(value, 9))
