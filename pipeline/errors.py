"""Errors that cross component borders. Each says whose fault it is and so what the receiver answers."""


class WeirError(Exception):
    """Base of all errors that Weir raises on purpose."""


class ConfigError(WeirError):
    """The configuration cannot be used. Carries every problem found, one line each."""

    def __init__(self, problems: list[str]) -> None:
        super().__init__("\n".join(problems))
        self.problems = problems


class MalformedPayload(WeirError):  # noqa: N818 - part of the public interface
    """The bytes are not what they claim to be. The sender must not retry: 400 / INVALID_ARGUMENT."""

    def __init__(self, message: str, offset: int = -1) -> None:
        super().__init__(f"{message} at byte {offset}" if offset >= 0 else message)
        self.offset = offset


class PayloadTooLarge(WeirError):  # noqa: N818 - part of the public interface
    """A limit on bytes or items is exceeded. The sender must not retry: 413 / RESOURCE_EXHAUSTED without RetryInfo."""


class PermanentError(WeirError):
    """This batch can never be accepted: 400 / INVALID_ARGUMENT."""


class RetryableError(WeirError):
    """Not now: 503 with Retry-After / UNAVAILABLE with RetryInfo."""

    def __init__(self, message: str, retry_after_s: float = 1.0) -> None:
        super().__init__(message)
        self.retry_after_s = retry_after_s
