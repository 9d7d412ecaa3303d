"""Who may send, and how one says who one is: what receivers and exporters ask an extension for.

receivers: {otlp: {protocols: {grpc: {auth: {authenticator: bearertokenauth}}}}}
exporters: {otlp: {endpoint: tempo:4317, auth: {authenticator: bearertokenauth/tempo}}}
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol, TypeVar, runtime_checkable

from pipeline.api import ComponentConfig, Settings
from pipeline.errors import ConfigError


class AuthConfig(ComponentConfig):
    """``auth``."""

    authenticator: str
    """Id of an extension."""


@runtime_checkable
class ServerAuthenticator(Protocol):
    """Judges requests."""

    challenge: str
    """For ``www-authenticate``."""

    def refusal(self, headers: Mapping[str, str]) -> str | None:
        """Why a request with these headers (names in lower case) is not accepted; None where it is. From any thread."""


@runtime_checkable
class ClientAuthenticator(Protocol):
    """Proves who sends."""

    def credentials(self) -> Mapping[str, str]:
        """Headers (names in lower case) for a request that is sent now. From any thread."""


A = TypeVar("A")


def server_authenticator(config: AuthConfig | None, settings: Settings, place: str) -> ServerAuthenticator | None:
    """The authenticator that ``auth`` at a place names.

    Raises:
        ConfigError: There is none of that id, or it cannot judge requests.
    """
    return _found(config, settings, place, ServerAuthenticator, "judge requests")  # type: ignore[type-abstract]


def client_authenticator(config: AuthConfig | None, settings: Settings) -> ClientAuthenticator | None:
    """The same for an exporter."""
    return _found(config, settings, "auth", ClientAuthenticator, "prove who sends")  # type: ignore[type-abstract]


def _found(config: AuthConfig | None, settings: Settings, place: str, kind: type[A], what: str) -> A | None:
    if config is None:
        return None
    try:
        extension = settings.extension(config.authenticator)
    except ConfigError as error:
        raise ConfigError([f"{place}.authenticator: {problem}" for problem in error.problems]) from error
    if not isinstance(extension, kind):
        raise ConfigError([f'{place}.authenticator: "{config.authenticator}" cannot {what}'])
    return extension
