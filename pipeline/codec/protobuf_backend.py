"""Which implementation of protobuf runs."""

from google.protobuf.internal import api_implementation

from pipeline.errors import ConfigError


def check_protobuf_backend() -> None:
    """Refuse to run on protobuf's pure Python backend: it is slow, and does not bound nesting (CVE-2025-4565).

    Raises:
        ConfigError: With what to do about it.
    """
    backend = api_implementation.Type()
    if backend != "upb":
        problem = f"protobuf runs on its {backend} backend, which does not bound the nesting of messages"
        remedy = "unset PROTOCOL_BUFFERS_PYTHON_IMPLEMENTATION, or install protobuf from a wheel for this system"
        raise ConfigError([f"{problem}; {remedy}"])
