"""What W3C tracestate says about sampling: ``ot=th:<threshold>;rv:<randomness>`` (OTEP 235).

``th`` is the rejection threshold T of 56 bits as hexadecimal digits without trailing zeros: the span was kept because
its randomness was not below T. ``rv`` is that randomness where the trace id is not to be used, always 14 digits.

Source: W3C Trace Context, "tracestate Header"; OpenTelemetry, "TraceState: Probability Sampling".
"""

from __future__ import annotations

import re
from typing import NamedTuple

ONE = 1 << 56
"""Thresholds and randomness are fractions of this."""
DIGITS = 14
MAX_MEMBERS = 32
MAX_LENGTH = 1_024
"""Of a tracestate, double what everybody must be able to pass on."""
MAX_OT_LENGTH = 256

_THRESHOLD = re.compile(r"[0-9a-f]{1,14}")
_RANDOMNESS = re.compile(r"[0-9a-f]{14}")
_OT_VALUE = re.compile(r"[a-z][a-z0-9]*:[a-zA-Z0-9._-]*(?:;[a-z][a-z0-9]*:[a-zA-Z0-9._-]*)*")
_VENDOR_KEY = re.compile(
    r"[a-z][a-z0-9_\-*/]{0,255}|[a-z0-9][a-z0-9_\-*/]{0,240}@[a-z][a-z0-9_\-*/]{0,13}"
)  # fmt: skip
_VENDOR_VALUE = re.compile(r"[\x20-\x2b\x2d-\x3c\x3e-\x7e]{0,255}[\x21-\x2b\x2d-\x3c\x3e-\x7e]")


class TraceState(NamedTuple):
    """A parsed tracestate.

    Attributes:
        threshold, randomness: Of 56 bits; None where absent or malformed. Of several the last, as in the Collector.
        is_valid: All of it is well formed.
        extras: Other pairs of the member ``ot``.
        others: Other members.
    """

    threshold: int | None = None
    randomness: int | None = None
    is_valid: bool = True
    extras: tuple[str, ...] = ()
    others: tuple[str, ...] = ()

    def text(self) -> str:
        """As a tracestate. ``ot`` comes first, as W3C asks of a member that was changed; where there is one member too
        many, the last one goes.
        """
        pairs = list(self.extras)
        if self.threshold is not None:
            pairs.insert(0, f"th:{threshold_text(self.threshold)}")
        if self.randomness is not None:
            pairs.insert(0, f"rv:{randomness_text(self.randomness)}")
        members = [f"ot={';'.join(pairs)}"] if pairs else []
        return ",".join([*members, *self.others][:MAX_MEMBERS])


def parse(text: str) -> TraceState:
    """Parse a tracestate.

    >>> parse("vendor=x, ot=th:8")
    TraceState(threshold=36028797018963968, randomness=None, is_valid=True, extras=(), others=('vendor=x',))
    """
    members = [stripped for member in text.split(",") if (stripped := member.strip(" \t"))]
    is_valid = len(text) <= MAX_LENGTH and len(members) <= MAX_MEMBERS
    threshold = randomness = None
    extras: list[str] = []
    others: list[str] = []
    for member in members:
        key, equals, value = member.partition("=")
        if key != "ot":
            others.append(member)
            is_valid &= bool(equals and _VENDOR_KEY.fullmatch(key) and _VENDOR_VALUE.fullmatch(value))
            continue
        is_valid &= _OT_VALUE.fullmatch(value) is not None and len(value) <= MAX_OT_LENGTH
        for pair in value.split(";"):
            name, _, digits = pair.partition(":")
            if name == "th":
                threshold = parse_threshold(digits)
                is_valid &= threshold is not None
            elif name == "rv":
                randomness = parse_randomness(digits)
                is_valid &= randomness is not None
            else:
                extras.append(pair)
    return TraceState(threshold, randomness, is_valid, tuple(extras), tuple(others))


def threshold_text(threshold: int) -> str:
    """The digits of a threshold below ``ONE``.

    >>> threshold_text(0), threshold_text(3 << 54)
    ('0', 'c')
    """
    return f"{threshold:0{DIGITS}x}".rstrip("0") or "0"


def randomness_text(randomness: int) -> str:
    """All digits of randomness."""
    return f"{randomness:0{DIGITS}x}"


def parse_threshold(digits: str) -> int | None:
    """A threshold; None where it is malformed."""
    return int(digits.ljust(DIGITS, "0"), 16) if _THRESHOLD.fullmatch(digits) else None


def parse_randomness(digits: str) -> int | None:
    """Randomness; None where it is malformed."""
    return int(digits, 16) if _RANDOMNESS.fullmatch(digits) else None
