"""User names and passwords (RFC 7617), under the name and keys of the Collector's ``basicauth``.

basicauth/server: {htpasswd: {file: .htpasswd, inline: "shop:${env:PASSWORD}"}}
basicauth/client: {client_auth: {username: shop, password: "${env:PASSWORD}"}}
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
from collections.abc import Mapping
from pathlib import Path
from typing import ClassVar, Self

from pydantic import model_validator

from pipeline.api import ComponentConfig, Extension, Host, Settings
from pipeline.config.secrets import Secret
from pipeline.errors import ConfigError

_SHA = "{SHA}"
_HASHES = ("$apr1$", "$2a$", "$2b$", "$2x$", "$2y$", "$5$", "$6$", "{SSHA}", "{MD5}")
"""What an entry of htpasswd may begin with that cannot be compared here."""


class HtpasswdConfig(ComponentConfig):
    """``htpasswd``: who may send, ``user:password`` per line. Passwords are plain or ``{SHA}`` (``htpasswd -s``)."""

    file: Path | None = None
    inline: Secret = Secret("")
    """Counts before ``file``."""


class ClientAuthConfig(ComponentConfig):
    """``client_auth``: who we say we are."""

    username: str = ""
    password: Secret = Secret("")
    username_file: Path | None = None
    """Read at the start, in place of ``username``."""
    password_file: Path | None = None
    """Likewise."""


class BasicAuthConfig(ComponentConfig):
    """Keys of the Collector's ``basicauthextension``."""

    htpasswd: HtpasswdConfig | None = None
    client_auth: ClientAuthConfig | None = None

    @model_validator(mode="after")
    def _one_of_both(self) -> Self:
        if (self.htpasswd is None) == (self.client_auth is None):
            raise ValueError("give either htpasswd, for a receiver, or client_auth, for an exporter")
        return self


class BasicAuth(Extension):
    """Keeps what was read; see the classes below for what is done with it."""

    Config = BasicAuthConfig

    def __new__(cls, config: BasicAuthConfig, settings: Settings) -> BasicAuth:  # noqa: ARG004 - as __init__
        """A judge of requests or a prover of identity, as the configuration says."""
        return super().__new__(_Server if config.htpasswd is not None else _Client)

    def __init__(self, config: BasicAuthConfig, settings: Settings) -> None:  # noqa: ARG002 - as all components
        self._config = config


class _Server(BasicAuth):
    """``ServerAuthenticator``."""

    challenge: ClassVar[str] = "Basic"
    _passwords: Mapping[str, str] = {}

    def start(self, host: Host) -> None:  # noqa: ARG002 - signature of an extension
        """Read the entries.

        Raises:
            ConfigError: The file cannot be read, or an entry cannot be used.
        """
        config = self._config.htpasswd
        assert config is not None  # noqa: S101 - BasicAuth.__new__ has looked
        lines = _text(config.file, "htpasswd.file").splitlines() + config.inline.reveal().splitlines()
        self._passwords = dict(_entry(line.strip()) for line in lines if line.strip() and line.strip()[0] != "#")
        if not self._passwords:
            raise ConfigError(["htpasswd: there is no entry user:password in it, so nobody could send"])

    def refusal(self, headers: Mapping[str, str]) -> str | None:
        """See ``ServerAuthenticator``. Compared in constant time, also where there is no such user."""
        scheme, _, token = headers.get("authorization", "").partition(" ")
        if scheme.lower() != "basic" or not token:
            return "the header authorization does not say Basic"
        try:
            user, _, password = base64.b64decode(token.strip(), validate=True).decode().partition(":")
        except (binascii.Error, UnicodeDecodeError):
            return "the header authorization is not base64 of user:password"
        known = self._passwords.get(user)
        is_right = _equal(password, known if known is not None else password + "\0")
        return None if is_right else "the user name or the password is not accepted"


class _Client(BasicAuth):
    """``ClientAuthenticator``."""

    _header: str = ""

    def start(self, host: Host) -> None:  # noqa: ARG002 - signature of an extension
        """Read the files.

        Raises:
            ConfigError: One cannot be read, or there is no user name.
        """
        config = self._config.client_auth
        assert config is not None  # noqa: S101 - BasicAuth.__new__ has looked
        user = _text(config.username_file, "client_auth.username_file").strip() or config.username
        password = _text(config.password_file, "client_auth.password_file").strip() or config.password.reveal()
        if not user or ":" in user:
            raise ConfigError(["client_auth: give a username, which has no colon in it"])
        self._header = f"Basic {base64.b64encode(f'{user}:{password}'.encode()).decode()}"

    def credentials(self) -> Mapping[str, str]:
        """See ``ClientAuthenticator``."""
        return {"authorization": self._header}


def _text(path: Path | None, key: str) -> str:
    try:
        return "" if path is None else path.read_text()
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "not UTF-8"
        raise ConfigError([f"{key}: {path}: {reason}"]) from None


def _entry(line: str) -> tuple[str, str]:
    user, colon, password = line.partition(":")
    if not colon or not user:
        raise ConfigError(["htpasswd: an entry is not user:password"])
    if password.startswith(_HASHES):
        what = f'htpasswd: the password of "{user}" is hashed in a way that is not supported; make it with htpasswd -s'
        raise ConfigError([f"{what} (a random password of 20 characters or more), or use bearertokenauth"])
    return user, password


def _equal(password: str, known: str) -> bool:
    if known.startswith(_SHA):
        digest = base64.b64encode(hashlib.sha1(password.encode(), usedforsecurity=False).digest()).decode()
        return hmac.compare_digest(digest, known.removeprefix(_SHA))
    return hmac.compare_digest(password.encode(), known.encode())
