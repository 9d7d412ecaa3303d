"""How one attempt to send ended. Transports translate their status codes to this; the queue acts on it alone."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum


class Fate(Enum):
    """What the queue does next."""

    SENT = "sent"
    """The destination has it; ``rejected`` items of it were refused for ever and are never sent again."""
    RETRY = "retry"
    DROP = "drop"
    """The destination will never take it."""
    SPLIT = "split"
    """Too large for the destination: send the halves. What cannot be halved is dropped."""
    CONVERT = "convert"
    """The destination wants another encoding, which the exporter knows by now: encode again, send at once."""


@dataclass(frozen=True)
class Verdict:
    """The end of one attempt.

    Attributes:
        reason: A word out of a small set, for counters and logs; "" for plain success.
        message: What the destination said, for the log. Bounded.
        retry_after_s: When the destination wants to be asked again; None if it did not say.
        rejected: Items of a sent request that were refused for ever.
    """

    fate: Fate
    reason: str = ""
    message: str = ""
    retry_after_s: float | None = None
    rejected: int = 0


SENT = Verdict(Fate.SENT)
MAX_MESSAGE_CHARACTERS = 300


def retry(reason: str, message: str = "", retry_after_s: float | None = None) -> Verdict:
    """Not now."""
    return Verdict(Fate.RETRY, reason, message[:MAX_MESSAGE_CHARACTERS], retry_after_s)


def drop(reason: str, message: str = "") -> Verdict:
    """Never."""
    return Verdict(Fate.DROP, reason, message[:MAX_MESSAGE_CHARACTERS])


def partly(rejected: int, message: str) -> Verdict:
    """Sent, but for some items."""
    return Verdict(Fate.SENT, "partial_success", message[:MAX_MESSAGE_CHARACTERS], rejected=max(rejected, 0))
