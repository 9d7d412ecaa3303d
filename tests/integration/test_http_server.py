"""The HTTP server on real sockets: deadlines that trickling does not move, bounded memory, clean stops.

Must never regress: a peer that sends slowly, reads slowly or not at all costs others nothing and is gone in time; a
stop answers what has begun; nobody shares our port by accident.
"""

from __future__ import annotations

import contextlib
import select
import socket
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from pipeline.errors import ConfigError
from pipeline.http_server import HttpServer, Request, Response
from tests.integration.raw_http import WAIT_S, Client, post


def echo(request: Request) -> Response:
    return Response(200, request.body, "application/octet-stream")


@contextlib.contextmanager
def serving(handle: Callable[[Request], Response] = echo, **options: Any) -> Iterator[HttpServer]:
    server = HttpServer("127.0.0.1:0", handle, **options)
    server.start()
    try:
        yield server
    finally:
        server.stop(0.0)


@pytest.mark.parametrize("threads", [0, 2])
def test_requests_of_many_connections_are_answered_in_order(threads: int) -> None:
    with serving(threads=threads) as server, contextlib.ExitStack() as stack:
        clients = [stack.enter_context(Client(server.address)) for _ in range(6)]
        for number, client in enumerate(clients):
            client.send(post(b"%d" % number) + post(b"a" * 200_000) + post(b"last"))
        for number, client in enumerate(clients):
            assert [client.answer().body for _ in range(3)] == [b"%d" % number, b"a" * 200_000, b"last"]


SLOW = {
    "silent": (b"", None, "header_timeout_s"),
    "head": (b"POST / HTTP/1.1\r\nX-A", 408, "header_timeout_s"),
    "body": (post(b"abc")[:-1], 408, "body_timeout_s"),
    "large body": (post(b"a" * 100_000)[:-1], 408, "body_timeout_s"),
    "idle": (post(b"abc"), 200, "idle_timeout_s"),
}


@pytest.mark.parametrize("name", SLOW)
def test_each_wait_has_a_deadline_of_its_own(name: str) -> None:
    sent, status, timeout = SLOW[name]
    timeouts: dict[str, Any] = {timeout: 0.2}
    with serving(**timeouts) as server, Client(server.address) as client:
        client.send(sent)
        if status is not None:
            assert client.answer().status == status
        assert client.is_closed()


def test_trickling_bytes_does_not_move_a_deadline() -> None:
    with serving(header_timeout_s=0.3) as server, Client(server.address) as client:
        client.send(b"POST / HTTP/1.1\r\n")
        while not select.select([client.socket], [], [], 0.02)[0]:
            client.send(b"x")
        assert client.answer().status == 408


def test_a_peer_that_does_not_read_is_given_up() -> None:
    asked: list[str] = []

    def page(request: Request) -> Response:
        asked.append(request.path)
        return Response(200, b"x" * (8 << 20))

    with serving(page, send_timeout_s=0.2) as server, Client(server.address) as client:
        client.send(b"GET /1 HTTP/1.1\r\n\r\nGET /2 HTTP/1.1\r\n\r\n")
        wait_for(lambda: bool(asked))
        wait_for(lambda: server.connections() == 0)
        assert asked == ["/1"], "the second page is made only when the first one has been taken"


@pytest.mark.parametrize("threads", [0, 2])
def test_long_answers_arrive_whole_and_in_order(threads: int) -> None:
    def page(request: Request) -> Response:
        return Response(200, request.path.encode() * 500_000)

    with serving(page, threads=threads) as server, Client(server.address) as client:
        client.send(b"GET /1 HTTP/1.1\r\n\r\nGET /22 HTTP/1.1\r\n\r\nGET /333 HTTP/1.1\r\nconnection: close\r\n\r\n")
        for path in (b"/1", b"/22", b"/333"):
            assert client.answer().body == path * 500_000
        assert client.is_closed()


def test_answers_in_parts_arrive_whole_and_no_connection_ends_with_an_error(caplog: pytest.LogCaptureFixture) -> None:
    parts = (b"a" * 3, memoryview(b"b" * 700_000), b"", memoryview(b"c" * (20 << 20)), b"d")
    with serving(lambda _: Response(200, parts=parts), threads=1) as server:
        for head in (b"GET / HTTP/1.1\r\n\r\n", b"GET / HTTP/1.1\r\nconnection: close\r\n\r\n"):
            with Client(server.address) as client:
                client.send(head)
                assert client.answer().body == b"".join(parts)
        with Client(server.address) as client:
            client.send(b"HEAD / HTTP/1.1\r\nconnection: close\r\n\r\n")
            assert client.answer(to_head=True).headers["content-length"] == str(sum(map(len, parts)))
            assert client.is_closed()
    assert not caplog.records


def test_a_peer_that_reads_a_long_answer_too_slowly_is_given_up() -> None:
    page = Response(200, b"x" * (64 << 20))
    with serving(lambda _: page, send_timeout_s=0.3) as server, Client(server.address) as client:
        client.send(b"GET / HTTP/1.1\r\n\r\n")
        wait_for(lambda: server.connections() == 1)
        never = threading.Event()
        while server.connections() == 1:
            never.wait(0.02)
            with contextlib.suppress(ConnectionResetError):
                client.socket.recv(64 << 10)


def test_an_unread_body_does_not_destroy_the_answer() -> None:
    with serving(max_body_bytes=1000) as server, Client(server.address) as client:
        client.send(post(b"a" * 5_000_000)[: 4 << 20])
        assert client.answer().status == 413
        assert client.is_closed()


def test_a_refused_small_body_keeps_the_connection() -> None:
    with serving(admit=lambda request: Response(404)) as server, Client(server.address) as client:
        for _ in range(3):
            client.send(post(b"abc"))
            assert client.answer().status == 404


def test_who_waits_for_continue_gets_it_or_the_refusal() -> None:
    def admit(request: Request) -> Response | None:
        return None if request.headers["content-length"] == "3" else Response(404)

    with serving(admit=admit) as server:
        with Client(server.address) as client:
            client.send(post(b"abc", "Expect: 100-continue")[:-3])
            assert client.answer().status == 100
            client.send(b"abc")
            assert client.answer().body == b"abc"
        with Client(server.address) as client:
            client.send(post(b"abcd", "Expect: 100-continue")[:-4])
            assert client.answer().status == 404
            assert client.is_closed()


def test_an_exception_is_answered_with_a_fixed_text(caplog: pytest.LogCaptureFixture) -> None:
    def fail(request: Request) -> Response:
        raise ValueError("secret=hunter2")

    with serving(fail) as server, Client(server.address) as client:
        for _ in range(3):
            client.send(post())
            answer = client.answer()
            assert (answer.status, answer.body) == (500, b"internal error\n")
    (record,) = caplog.records
    assert "ValueError in test_http_server.py:" in record.getMessage()
    assert "hunter2" not in caplog.text


def test_http_1_0_is_answered_and_closed_unless_it_asks_to_stay() -> None:
    with serving() as server:
        with Client(server.address) as client:
            client.send(b"POST / HTTP/1.0\r\nContent-Length: 1\r\n\r\na")
            assert client.answer().headers["connection"] == "close"
            assert client.is_closed()
        with Client(server.address) as client:
            for _ in range(2):
                client.send(b"POST / HTTP/1.0\r\nConnection: keep-alive\r\nContent-Length: 1\r\n\r\na")
                assert client.answer().headers["connection"] == "keep-alive"


def test_head_has_the_length_and_no_body() -> None:
    with serving(lambda request: Response(200, b"abc")) as server, Client(server.address) as client:
        client.send(b"HEAD / HTTP/1.1\r\nConnection: close\r\n\r\n")
        assert client.answer(to_head=True).headers["content-length"] == "3"
        assert client.is_closed()


def test_beyond_the_limit_of_connections_the_one_that_waits_longest_makes_room() -> None:
    with serving(max_connections=3) as server, contextlib.ExitStack() as stack:
        for _ in range(3):
            stack.enter_context(Client(server.address)).send(b"POST /half")
        for _ in range(3):
            client = stack.enter_context(Client(server.address))
            client.send(post(b"abc"))
            assert client.answer().body == b"abc"
        assert server.connections() <= 3


def test_too_many_waiting_for_a_worker_are_refused_for_now() -> None:
    release = threading.Event()

    def wait(request: Request) -> Response:
        release.wait(WAIT_S)
        return Response(200)

    with serving(wait, threads=1, max_pending=2) as server, contextlib.ExitStack() as stack:
        clients = {each.socket: each for each in (stack.enter_context(Client(server.address)) for _ in range(3))}
        for client in clients.values():
            client.send(post())
        (ready,), _, _ = select.select(list(clients), [], [], WAIT_S)
        assert clients.pop(ready).answer().status == 503
        release.set()
        assert [client.answer().status for client in clients.values()] == [200, 200]


def test_stop_answers_what_has_begun_and_refuses_what_is_new() -> None:
    entered, release = threading.Event(), threading.Event()

    def wait(request: Request) -> Response:
        entered.set()
        release.wait(WAIT_S)
        return Response(200, b"done")

    with serving(wait, threads=1) as server, Client(server.address) as idle, Client(server.address) as busy:
        address = server.address
        busy.send(post(b"abc"))
        assert entered.wait(WAIT_S)
        stopping = threading.Thread(target=server.stop, args=(WAIT_S,))
        stopping.start()
        assert idle.is_closed()
        wait_for(lambda: refuses(address))
        release.set()
        answer = busy.answer()
        assert (answer.body, answer.headers["connection"]) == (b"done", "close")
        stopping.join(WAIT_S)
        assert not stopping.is_alive()


def test_stop_does_not_wait_for_a_peer_that_never_finishes() -> None:
    with serving() as server, Client(server.address) as client:
        client.send(post(b"abc")[:-1])
        wait_for(lambda: server.connections() == 1)
        server.stop(0.05)
        assert client.is_closed()


def test_a_server_starts_again_on_its_port() -> None:
    with serving() as server:
        server.endpoint = "{}:{}".format(*server.address)
        for _ in range(3):
            with Client(server.address) as client:
                client.send(post(b"abc"))
                assert client.answer().body == b"abc"
            server.stop(1.0)
            server.stop(1.0)
            server.start()


def test_a_port_in_use_is_an_error_that_says_what_to_do() -> None:
    with serving() as server:
        endpoint = "{}:{}".format(*server.address)
        with pytest.raises(ConfigError, match=rf"{endpoint}: the port is in use; .* choose another endpoint"):
            HttpServer(endpoint, echo).start()


def test_no_thread_is_left_behind() -> None:
    before = threading.active_count()
    for _ in range(3):
        with serving(threads=2) as server, Client(server.address) as client:
            client.send(post(b"abc"))
            assert client.answer().body == b"abc"
    wait_for(lambda: threading.active_count() <= before)


def refuses(address: tuple[str, int]) -> bool:
    try:
        with socket.create_connection(address, timeout=WAIT_S) as probe:
            probe.recv(1)
    except OSError:
        return True
    return False


def wait_for(claim: Callable[[], bool]) -> None:
    """Wait until something has become true; pytest's time limit ends it otherwise."""
    pause = threading.Event()
    while not claim():
        pause.wait(0.005)
