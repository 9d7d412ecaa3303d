"""Bytes become requests: whole, byte by byte, with more behind them; limits hold before memory is spent."""

from __future__ import annotations

from collections.abc import Iterable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.http_message import Request, Response
from pipeline.http_reader import Buffers, Exchange, ReaderRules, RequestReader, Stage

MAX_BODY, MAX_HEADER = 100_000, 4_096


class Ledger:
    """A budget that remembers."""

    def __init__(self, limit: int) -> None:
        self.limit, self.held = limit, 0

    def reserve(self, n: int) -> bool:
        if self.held + n > self.limit:
            return False
        self.held += n
        return True

    def release(self, n: int) -> None:
        self.held -= n


class Desk:
    """A reader with rules that write down what they were asked."""

    def __init__(self, budget: Ledger | None = None, answer: Response | None = None) -> None:
        self.refused: list[tuple[int, str]] = []
        self.stages: list[Stage] = []
        self.answer = answer
        self.asked: list[Request] = []
        rules = ReaderRules(MAX_BODY, MAX_HEADER, self._gate, self._refuse, budget)
        self.reader = RequestReader(rules, Buffers(), "peer", self.stages.append)

    def feed(self, data: bytes, step: int = 1 << 16) -> list[Exchange]:
        while data and not self.reader.broken:
            buffer = self.reader.get_buffer()
            n = min(len(buffer), len(data), step)
            buffer[:n] = data[:n]
            self.reader.received(n)
            data = data[n:]
        ready = list(self.reader.ready)
        self.reader.ready.clear()
        for exchange in ready:
            self.reader.release(exchange)
        return ready

    def _gate(self, request: Request) -> Response | None:
        self.asked.append(request)
        return self.answer

    def _refuse(self, request: Request, status: int, message: str) -> Response:
        self.refused.append((status, message))
        return Response(status)


def request(body: bytes = b"", headers: Iterable[str] = (), line: str = "POST /v1/traces?a=b HTTP/1.1") -> bytes:
    length = [f"Content-Length: {len(body)}"] if body else []
    return "\r\n".join([line, "Host: x", *length, *headers, "", ""]).encode("latin-1") + body


def chunked(*chunks: bytes) -> bytes:
    return b"".join(b"%x\r\n%s\r\n" % (len(chunk), chunk) for chunk in (*chunks, b""))


CHUNKED = ("Transfer-Encoding: chunked",)
BODIES = {
    "empty": (request(), b""),
    "small": (request(b"abc"), b"abc"),
    "large": (request(b"x" * 90_000), b"x" * 90_000),
    "chunked": (request(headers=CHUNKED) + chunked(b"ab", b"c"), b"abc"),
    "chunked with a trailer": (
        request(headers=CHUNKED) + chunked(b"abc")[:-2] + b"content-type: x\r\n\r\n",
        b"abc",
    ),
    "offering an upgrade": (request(b"abc", ("Connection: Upgrade", "Upgrade: h2c")), b"abc"),
    "offering an upgrade, chunked": (
        request(headers=(*CHUNKED, "Connection: Upgrade", "Upgrade: h2c")) + chunked(b"abc"),
        b"abc",
    ),
}


@pytest.mark.parametrize("step", [1, 7, 1 << 16])
@pytest.mark.parametrize("name", BODIES)
def test_a_request_is_the_same_however_its_bytes_arrive(name: str, step: int) -> None:
    data, body = BODIES[name]
    step = step if len(data) < 1000 else max(step, 997)
    desk = Desk()
    for _ in range(2):  # the connection goes on
        (exchange,) = desk.feed(data, step)
        assert exchange.request.body == body
        assert type(exchange.request.body) is bytes
        assert (exchange.request.method, exchange.request.path, exchange.request.query) == ("POST", "/v1/traces", "a=b")
        assert "content-type" not in exchange.request.headers
        assert exchange.answer is None
        assert exchange.keep_alive
    assert desk.stages[-1] is Stage.IDLE


def test_requests_sent_ahead_are_all_there_in_order() -> None:
    data = b"".join(request(b"%d" % n) for n in range(5)) + request(b"y" * 70_000) + request(b"end")
    bodies = [exchange.request.body for exchange in Desk().feed(data)]
    assert bodies == [b"0", b"1", b"2", b"3", b"4", b"y" * 70_000, b"end"]


def test_repeated_fields_are_joined_and_names_are_lower_case() -> None:
    (exchange,) = Desk().feed(request(headers=("X-A: 1 ", "x-a:\t2")))
    assert exchange.request.headers["x-a"] == "1, 2"


@pytest.mark.parametrize(
    ("target", "path", "query"),
    [
        ("/v1/%74races", "/v1/%74races", ""),
        ("//v1/traces", "//v1/traces", ""),
        ("/a/../v1/traces?x=1?y", "/a/../v1/traces", "x=1?y"),
        ("http://host:1/v1/traces?q", "/v1/traces", "q"),
        ("http://host", "/", ""),
        ("*", "*", ""),
    ],
)
def test_a_path_stays_as_it_was_sent(target: str, path: str, query: str) -> None:
    method = "OPTIONS" if target == "*" else "POST"
    (exchange,) = Desk().feed(request(line=f"{method} {target} HTTP/1.1"))
    assert (exchange.request.path, exchange.request.query) == (path, query)


MALFORMED = {
    "both lengths": request(headers=("Content-Length: 3", *CHUNKED)) + b"abc",
    "two lengths": request(headers=("Content-Length: 3", "Content-Length: 4")) + b"abcd",
    "negative length": request(headers=("Content-Length: -1",)),
    "length beyond 64 bits": request(headers=("Content-Length: 100000000000000000000",)),
    "length in words": request(headers=("Content-Length: 0x10",)),
    "bad chunk": request(headers=CHUNKED) + b"xyz\r\n",
    "no such method": request(line="HELLO / HTTP/1.1"),
    "space in a field name": request(headers=("X A: 1",)),
    "NUL in a field": request(headers=("X-A: a\0b",)),
    "bare carriage return": request(headers=("X-A: a\rX-B: 2",)),
    "HTTP/2 preface": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "TLS hello": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
    "noise": bytes(range(128, 256)),
}


@pytest.mark.parametrize("name", MALFORMED)
def test_malformed_http_is_refused_once_and_ends_the_connection(name: str) -> None:
    desk = Desk()
    (exchange,) = desk.feed(MALFORMED[name])
    assert exchange.answer == Response(400)
    assert not exchange.keep_alive
    assert desk.reader.broken
    assert desk.refused == [(400, "malformed HTTP")]
    assert desk.feed(request(b"abc")) == []


REFUSED = {
    "body announced too large": (request(headers=(f"Content-Length: {MAX_BODY + 1}",)), 413),
    "body too large in chunks": (request(headers=CHUNKED) + chunked(*[b"x" * 10_000] * 11), 413),
    "field too large": (request(headers=("X-A: " + "a" * MAX_HEADER,)), 431),
    "fields too many": (request(headers=(f"X-{n}: 1" for n in range(101))), 431),
    "fields never end": (b"POST / HTTP/1.1\r\n" + b"x: y\r\n" * 5_000, 431),
    "one field never ends": (b"POST / HTTP/1.1\r\nx: " + b"a" * 200_000, 431),
    "target too long": (request(line=f"POST /{'a' * MAX_HEADER} HTTP/1.1"), 414),
    "old protocol": (request(line="POST / HTTP/0.9"), 505),
    "unknown transfer coding": (request(headers=("Transfer-Encoding: gzip, chunked",)), 501),
    "proxy": (request(line="CONNECT host:1 HTTP/1.1"), 405),
}


@pytest.mark.parametrize("name", REFUSED)
def test_limits_answer_with_their_status(name: str) -> None:
    data, status = REFUSED[name]
    desk = Desk()
    (exchange,) = desk.feed(data)
    assert exchange.answer is not None
    assert (exchange.answer.status, exchange.keep_alive) == (status, False)
    assert [status for status, _ in desk.refused] == [status]


def test_a_body_of_exactly_the_limit_passes() -> None:
    desk = Desk()
    assert len(desk.feed(request(b"x" * MAX_BODY))[0].request.body) == MAX_BODY
    assert len(desk.feed(request(headers=CHUNKED) + chunked(b"x" * MAX_BODY))[0].request.body) == MAX_BODY


def test_the_gate_sees_the_head_before_the_body_and_can_spare_it() -> None:
    desk = Desk(answer=Response(404))
    assert desk.feed(request(b"abc")[:-3]) == []
    assert desk.asked[0].path == "/v1/traces"
    (exchange,) = desk.feed(b"abc")
    assert (exchange.answer, exchange.request.body, exchange.keep_alive) == (Response(404), b"", True)
    assert desk.refused == [], "the gate has counted its refusal itself"


@pytest.mark.parametrize(
    "headers", [CHUNKED, ("Content-Length: 2000000",), ("Expect: 100-continue", "Content-Length: 3")]
)
def test_a_refused_body_that_may_not_come_or_is_too_large_to_discard_ends_the_connection(
    headers: tuple[str, ...],
) -> None:
    desk = Desk(answer=Response(404))
    (exchange,) = desk.feed(request(headers=headers))
    assert exchange.answer is not None
    assert exchange.answer.status in {404, 413}
    assert not exchange.keep_alive


def test_continue_is_asked_for_only_by_those_who_wait_for_it() -> None:
    desk = Desk()
    desk.feed(request(headers=("Expect: 100-continue", "Content-Length: 3")))
    assert desk.reader.expects_continue
    desk = Desk()
    desk.feed(request(b"abc")[:-1])
    assert not desk.reader.expects_continue


@pytest.mark.parametrize("body", [b"x" * 90_000, b"x" * 3_000])
def test_the_budget_knows_what_is_held_and_gets_it_back(body: bytes) -> None:
    ledger = Ledger(1 << 20)
    desk = Desk(ledger)
    desk.feed(request(body)[:-10], step=1_000)
    assert len(body) - 1_000 < ledger.held <= len(body)
    desk.feed(request(body)[-10:])
    assert ledger.held == 0
    desk.feed(request(body)[:-10], step=1_000)
    desk.reader.close()
    assert ledger.held == 0


def test_beyond_the_budget_a_body_is_refused_for_now() -> None:
    desk = Desk(Ledger(20_000))
    (exchange,) = desk.feed(request(b"x" * 90_000), step=1_000)
    assert exchange.answer == Response(503)
    assert desk.refused == [(503, "too many bytes are being received")]


def test_a_body_cut_off_by_the_end_of_the_connection_is_refused_and_counted_once() -> None:
    desk = Desk()
    desk.feed(request(b"x" * 50_000)[:-1])
    desk.reader.close()
    desk.reader.close()
    assert desk.refused == [(499, "the connection was closed inside the body")]


def test_a_connection_closed_between_requests_is_nobodys_fault() -> None:
    desk = Desk()
    desk.feed(request(b"abc") + b"POST /half")
    desk.reader.close()
    assert desk.refused == []


def test_buffers_are_used_again_and_not_hoarded() -> None:
    buffers = Buffers()
    first = buffers.take(70_000)
    memory = first.obj
    buffers.give(first)
    again = buffers.take(100_000)
    assert again.obj is memory
    buffers.give(again)
    large = [buffers.take(1 << 20) for _ in range(10)]
    for view in large:
        buffers.give(view)
    assert sum(len(kept) for pool in buffers._free.values() for kept in pool) <= 4 << 20


@given(st.data())
def test_damaged_requests_are_answered_or_refused_but_nothing_is_raised(data: st.DataObject) -> None:
    whole = bytearray(b"".join(sent for sent, _ in (BODIES["small"], BODIES["chunked"], BODIES["offering an upgrade"])))
    for _ in range(data.draw(st.integers(0, 4))):
        whole[data.draw(st.integers(0, len(whole) - 1))] = data.draw(st.integers(0, 255))
    desk = Desk(Ledger(1 << 20))
    while whole:
        n = data.draw(st.integers(1, len(whole)))
        desk.feed(bytes(whole[:n]))
        del whole[:n]
    desk.reader.close()
    assert all(status in {400, 408, 413, 414, 431, 499, 501, 505, 405} for status, _ in desk.refused)
    assert len(desk.refused) <= 1
