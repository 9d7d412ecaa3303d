"""OTLP over HTTP: protobuf and JSON on one port, one path per signal.

    head ─▶ path, method, type, encoding, size, admission ─▶ body ─▶ decompress ─▶ (JSON ─▶ protobuf) ─▶ pipelines

The head is judged before the body is read. Every answer, also a refusal, is a message in the content type of the
request, or JSON where that is unknown, because senders parse it (opentelemetry-proto ``docs/specification.md``).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from functools import lru_cache

from pipeline.api import Outcome
from pipeline.authentication import ServerAuthenticator
from pipeline.codec.compression import decompress
from pipeline.codec.otlp_json import translate
from pipeline.errors import PayloadTooLarge
from pipeline.http_server import HttpServer, Request, Response
from pipeline.receivers.answers import JSON, PROTOBUF, Answer, encode, http_response
from pipeline.receivers.cors import Cors
from pipeline.receivers.delivery import NO_SIGNAL, Delivery
from pipeline.receivers.otlp_config import HttpConfig
from pipeline.receivers.signals import SIGNALS, Signal
from pipeline.tls import ServerTls

TRANSPORT = "http"
WORKERS = 2
# Bodies below these sizes are handled in the event loop, within some milliseconds, which saves the cost of a thread
# switch.
INLINE_BYTES = 4 << 20
INLINE_COMPRESSED_BYTES = 256 << 10

_SUCCESS = {PROTOBUF: Response(200, b"", PROTOBUF), JSON: Response(200, b"{}", JSON)}


class OtlpHttp:
    """The HTTP side of a receiver.

    Args:
        config: Address, paths and limits.
        delivery: Where requests go.
        tls: Certificates, loaded; None for plain text.
        authenticator: Judges requests; None: all may send.
    """

    def __init__(
        self,
        config: HttpConfig,
        delivery: Delivery,
        tls: ServerTls | None = None,
        authenticator: ServerAuthenticator | None = None,
    ) -> None:
        self._config = config
        self._authenticator = authenticator
        self._delivery = delivery
        self._routes = {config.path_of(signal.name): signal for signal in SIGNALS.values()}
        self._limits = {PROTOBUF: config.max_body_bytes, JSON: config.max_json_bytes}
        self._encodings = frozenset(config.compression_algorithms) - {""} | {"identity"}
        # RFC 9110 sections 15.5.2, 15.5.6 and 15.5.16
        self._more_headers = {405: {"allow": "POST"}, 415: {"accept-encoding": ", ".join(sorted(self._encodings))}}
        if authenticator is not None:
            self._more_headers[401] = {"www-authenticate": authenticator.challenge}
        self._cors = Cors(config.cors) if config.cors is not None else None
        decorates = self._cors is not None or bool(config.response_headers)
        self._server = HttpServer(
            config.endpoint,
            self._decorated(self.handle) if decorates else self.handle,
            max_body_bytes=config.max_body_bytes,
            header_timeout_s=config.read_header_timeout or math.inf,
            body_timeout_s=config.read_timeout or math.inf,
            send_timeout_s=config.write_timeout or math.inf,
            idle_timeout_s=config.idle_timeout or math.inf,
            keep_alive=config.keep_alives_enabled,
            threads=WORKERS,
            tls=tls.context if tls is not None else None,
            admit=self._admit_decorated if decorates else self.admit,
            refuse=self.refuse,
            inline=is_quick,
            budget=delivery.admission.receiving,
            name="otlp",
        )
        self.address: tuple[str, int] = ("", 0)

    def start(self) -> None:
        """Bind and serve.

        Raises:
            ConfigError: The endpoint cannot be used, with the address and what to do about it.
        """
        self._server.start()
        self.address = self._server.address

    def drain(self, timeout_s: float) -> None:
        """Accept nothing new, wait for the requests under way, give up after ``timeout_s``."""
        self._server.stop(timeout_s)

    def admit(self, request: Request) -> Response | None:
        """Judge a request by its head."""
        signal = self._routes.get(request.path)
        if signal is None or signal.name not in self._delivery.intakes:
            return self.refuse(request, 404, "nothing is received here")
        if request.method != "POST":
            return self.refuse(request, 405, "send telemetry with POST")
        headers = request.headers
        if self._authenticator is not None and (reason := self._authenticator.refusal(headers)):
            return self.refuse(request, 401, reason)
        content_type = _media_type(headers.get("content-type", ""))
        if content_type not in _SUCCESS:
            return self.refuse(request, 415, f"the content type must be {PROTOBUF} or {JSON}")
        if _content_encoding(request) not in self._encodings:
            return self.refuse(
                request, 415, f"the content encoding must be one of {', '.join(sorted(self._encodings))}"
            )
        length = int(headers.get("content-length", "0"))
        if length > self._limits[content_type]:
            return self.refuse(request, 413, "the body is larger than the limit")
        try:
            self._delivery.admission.check(length)
        except Exception as error:
            return self._error(error, signal, content_type)
        return None

    def handle(self, request: Request) -> Response:
        """Answer a complete request that was admitted."""
        signal, content_type = self._routes[request.path], _media_type(request.headers["content-type"])
        try:
            outcome = self._accept(request, signal, content_type)
        except Exception as error:
            return self._error(error, signal, content_type)
        if not outcome.rejected and not outcome.message:
            return _SUCCESS[content_type]
        return Response(200, encode(signal.success(outcome.rejected, outcome.message), content_type), content_type)

    def refuse(self, request: Request, status: int, message: str) -> Response:
        """The answer when HTTP itself is the reason."""
        signal = self._routes.get(request.path)
        answer = self._delivery.refuse_status(status, message, signal.name if signal else NO_SIGNAL, TRANSPORT)
        response = http_response(answer, _answer_type(request))
        more = self._more_headers.get(status)
        return replace(response, headers={**response.headers, **more}) if more else response

    def _admit_decorated(self, request: Request) -> Response | None:
        """The same where answers have further headers, and browsers ask first."""
        if self._cors is not None and self._cors.is_preflight(request) and request.path in self._routes:
            return self._with_headers(request, self._cors.preflight(request))
        refusal = self.admit(request)
        return None if refusal is None else self._with_headers(request, refusal)

    def _decorated(self, handle: Callable[[Request], Response]) -> Callable[[Request], Response]:
        return lambda request: self._with_headers(request, handle(request))

    def _with_headers(self, request: Request, response: Response) -> Response:
        more = {} if self._cors is None or request.method == "OPTIONS" else self._cors.headers(request)
        return replace(response, headers={**self._config.response_headers, **response.headers, **more})

    def _accept(self, request: Request, signal: Signal, content_type: str) -> Outcome:
        payload, encoding, limit = request.body, _content_encoding(request), self._limits[content_type]
        if encoding != "identity":
            payload = decompress(payload, encoding, limit)
        elif len(payload) > limit:  # a chunked body does not announce its length
            raise PayloadTooLarge("the body is larger than the limit")
        if content_type == PROTOBUF:
            return self._delivery.deliver(signal.name, payload, TRANSPORT)
        translation = translate(payload, signal.request)
        outcome = self._delivery.deliver(signal.name, translation.payload, TRANSPORT)
        if not translation.original_names:
            return outcome
        ignored = f"ignored keys that are not lowerCamelCase: {', '.join(translation.original_names)}"
        self._delivery.warn("json_keys", ignored)
        return Outcome(
            outcome.accepted, outcome.rejected, f"{outcome.message}; {ignored}" if outcome.message else ignored
        )

    def _error(self, error: Exception, signal: Signal, content_type: str) -> Response:
        answer: Answer = self._delivery.refuse_error(error, signal.name, TRANSPORT)
        return http_response(answer, content_type)


@lru_cache(maxsize=64)
def _media_type(header: str) -> str:
    """Type and subtype of a ``Content-Type``, which may carry parameters and any case (RFC 9110 section 8.3.1)."""
    return header.partition(";")[0].strip().lower()


def _content_encoding(request: Request) -> str:
    return request.headers.get("content-encoding", "").strip().lower() or "identity"


def _answer_type(request: Request) -> str:
    content_type = _media_type(request.headers.get("content-type", ""))
    return content_type if content_type in _SUCCESS else JSON


def is_quick(request: Request) -> bool:
    """True if the event loop may handle the request itself."""
    if _media_type(request.headers.get("content-type", "")) == JSON:
        return False
    return len(request.body) <= (INLINE_BYTES if _content_encoding(request) == "identity" else INLINE_COMPRESSED_BYTES)
