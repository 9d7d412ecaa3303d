"""Bearer tokens (RFC 6750), under the name and keys of the Collector's ``bearertokenauth``.

A file is read again when it changes, so a token can be renewed without a restart: list the old and the new one for a
while, one per line.
"""

from __future__ import annotations

import hmac
import threading
from collections.abc import Mapping
from pathlib import Path

from pydantic import model_validator

from pipeline.api import ComponentConfig, Extension, Host, Settings
from pipeline.config.secrets import Secret
from pipeline.errors import ConfigError

MAX_FILE_BYTES = 64 << 10


class BearerTokenAuthConfig(ComponentConfig):
    """Keys of the Collector's ``bearertokenauthextension``."""

    scheme: str = "Bearer"
    header: str = "Authorization"
    token: Secret = Secret("")
    tokens: tuple[Secret, ...] = ()
    """Any of them is accepted; the first is sent."""
    filename: Path | None = None
    """A token per line, in place of those above."""

    @model_validator(mode="after")
    def _has_one_source(self) -> BearerTokenAuthConfig:
        if sum((bool(self.token), bool(self.tokens), self.filename is not None)) != 1:
            raise ValueError("give one of token, tokens and filename")
        if any(not token for token in self.tokens):
            raise ValueError("an empty token would let everybody in")
        return self


class BearerTokenAuth(Extension):
    """Judges requests by a token, and sends one."""

    Config = BearerTokenAuthConfig

    def __init__(self, config: BearerTokenAuthConfig, settings: Settings) -> None:
        self._config = config
        self._logger = settings.telemetry.logger
        self._header = config.header.lower()
        self._prefix = f"{config.scheme} " if config.scheme else ""
        self.challenge = config.scheme or "Bearer"
        self._lock = threading.Lock()
        self._stamp: tuple[int, int] | None = None
        given = config.tokens or ((config.token,) if config.token else ())
        self._tokens = tuple(token.reveal().strip() for token in given)

    def start(self, host: Host) -> None:  # noqa: ARG002 - signature of an extension
        """Read the file.

        Raises:
            ConfigError: It cannot be read, or has no token.
        """
        if self._config.filename is not None:
            try:
                self._stamp = _stamp(self._config.filename)
                self._tokens = _read(self._config.filename)
            except OSError as error:
                raise ConfigError([f"filename: {self._config.filename}: {error.strerror}"]) from error
            except ValueError as error:
                raise ConfigError([f"filename: {self._config.filename}: {error}"]) from error

    def refusal(self, headers: Mapping[str, str]) -> str | None:
        """See ``ServerAuthenticator``. All tokens are compared, in constant time."""
        given = headers.get(self._header)
        if given is None:
            return f"the header {self._config.header.lower()} is missing"
        right = [hmac.compare_digest(given.encode(), f"{self._prefix}{token}".encode()) for token in self._known()]
        return None if any(right) else "the token is not accepted"

    def credentials(self) -> Mapping[str, str]:
        """See ``ClientAuthenticator``."""
        return {self._header: f"{self._prefix}{self._known()[0]}"}

    def _known(self) -> tuple[str, ...]:
        """The tokens, as the file has them now; the old ones while it cannot be used."""
        path = self._config.filename
        if path is None:
            return self._tokens
        with self._lock:
            try:
                stamp = _stamp(path)
                if stamp != self._stamp:
                    self._tokens, self._stamp = _read(path), stamp
            except (OSError, ValueError) as error:
                self._logger.limited(
                    "token_file", "the file of tokens cannot be used; the old ones hold", error=str(error)
                )
            return self._tokens


def _stamp(path: Path) -> tuple[int, int]:
    status = path.stat()
    return status.st_mtime_ns, status.st_ino


def _read(path: Path) -> tuple[str, ...]:
    with path.open("rb") as file:
        text = file.read(MAX_FILE_BYTES + 1)
    if len(text) > MAX_FILE_BYTES:
        raise ValueError(f"larger than {MAX_FILE_BYTES >> 10} KiB")
    tokens = tuple(line.strip() for line in text.decode("utf-8-sig").splitlines() if line.strip())
    if not tokens:
        raise ValueError("there is no token in it")
    return tokens
