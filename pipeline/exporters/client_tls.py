"""``tls`` of a client: the Collector's keys, for gRPC and HTTP."""

from __future__ import annotations

import ssl
from collections.abc import Mapping
from pathlib import Path
from typing import ClassVar, Literal, Self

import grpc
from pydantic import BaseModel, ConfigDict, model_validator

from pipeline.errors import ConfigError

_VERSIONS = {"1.2": ssl.TLSVersion.TLSv1_2, "1.3": ssl.TLSVersion.TLSv1_3}


class ClientTls(BaseModel):
    """How to know the destination, and how to be known there."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    without_effect: ClassVar[Mapping[str, str]] = {
        "reload_interval": "files are read at the start, and at a reload (SIGHUP)",
        "max_version": "the newest version that both sides know is used",
    }

    insecure: bool = False
    """True: no TLS at all. Over HTTP the scheme of the endpoint decides instead."""
    insecure_skip_verify: bool = False
    """True: take any certificate. Only over HTTP; gRPC offers no such thing."""
    ca_file: Path | None = None
    """Authorities to trust instead of those of the system."""
    include_system_ca_certs_pool: bool = False
    """True: those of the system too."""
    cert_file: Path | None = None
    key_file: Path | None = None
    server_name_override: str = ""
    min_version: Literal["1.2", "1.3"] = "1.2"

    @model_validator(mode="after")
    def _pairs(self) -> Self:
        if (self.cert_file is None) != (self.key_file is None):
            raise ValueError("cert_file and key_file go together")
        return self

    def context(self) -> ssl.SSLContext:
        """For HTTPS.

        Raises:
            ConfigError: A file is missing or unusable.
        """
        try:
            context = ssl.create_default_context(cafile=self.ca_file)
            if self.include_system_ca_certs_pool:
                context.load_default_certs()
            context.minimum_version = _VERSIONS[self.min_version]
            if self.cert_file is not None:
                context.load_cert_chain(self.cert_file, self.key_file)
        except (OSError, ValueError) as error:
            raise ConfigError([f"tls: {_reason(error)}"]) from None
        if self.insecure_skip_verify:
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
        return context

    def _authorities(self) -> bytes | None:
        """Certificates in PEM; None: those of the library."""
        if self.ca_file is None:
            return None
        system = ssl.get_default_verify_paths().cafile if self.include_system_ca_certs_pool else None
        return self.ca_file.read_bytes() + (b"\n" + Path(system).read_bytes() if system else b"")

    def credentials(self) -> grpc.ChannelCredentials:
        """For gRPC.

        Raises:
            ConfigError: A file is missing.
        """
        try:
            return grpc.ssl_channel_credentials(
                self._authorities(),
                self.key_file.read_bytes() if self.key_file else None,
                self.cert_file.read_bytes() if self.cert_file else None,
            )
        except OSError as error:
            raise ConfigError([f"tls: {_reason(error)}"]) from None


def _reason(error: Exception) -> str:
    if isinstance(error, ssl.SSLError):
        return f"not a certificate, or not its key: {error.reason or 'not PEM'}"
    return f"{error.filename}: {error.strerror}" if isinstance(error, OSError) else str(error)
