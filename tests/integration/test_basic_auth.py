"""User names and passwords between Weir and another Weir behind it, over HTTP and gRPC.

Must never regress: without a right password nothing is accepted, and no password is in an answer.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import grpc
import pytest

from pipeline.errors import ConfigError
from tests.integration.test_bearer_tokens import BACK, FRONT, addresses, by_grpc, by_http, weir
from tests.waiting import eventually

SHA = "{SHA}" + base64.b64encode(hashlib.sha1(b"two", usedforsecurity=False).digest()).decode()
SERVER = BACK.replace("bearertokenauth", "basicauth").replace(
    '{filename: "${env:TOKENS}"}', '{htpasswd: {file: "${env:TOKENS}", inline: "three:c:d"}}'
)
CLIENT = FRONT.replace("bearertokenauth", "basicauth").replace(
    "{tokens: [new-secret, old-secret]}", '{client_auth: {username: one, password: "ä:secret"}}'
)


def basic(text: str) -> tuple[str, str]:
    return "authorization", f"Basic {base64.b64encode(text.encode()).decode()}"


@pytest.fixture
def back(tmp_path: Path) -> Iterator[Any]:
    """A Weir that knows three users."""
    (tmp_path / "users").write_text(f"# shop\none:ä:secret\n\ntwo:{SHA}\n")
    with weir(SERVER, TOKENS=str(tmp_path / "users")) as engine:
        yield engine


@pytest.mark.parametrize(
    "metadata",
    [
        [],
        [basic("one:")],
        [basic("one:secret")],
        [basic("one:ä:secret ")],
        [basic("two:one")],
        [basic(f"two:{SHA}")],
        [basic("nobody:ä:secret")],
        [basic("one")],
        [("authorization", "Basic ä".encode("latin-1").decode("ascii", "replace").replace("\ufffd", "!"))],
        [("authorization", "Bearer b25lOsOkOnNlY3JldA==")],
    ],
)
def test_without_a_right_password_nothing_is_accepted(back: Any, metadata: list[tuple[str, str]]) -> None:
    at = addresses(back)
    status, body = by_http(at["http"], *metadata)
    assert status == 401
    assert body.startswith(b"Basic")
    assert b"secret" not in body
    assert by_grpc(at["grpc"], *metadata) is grpc.StatusCode.UNAUTHENTICATED
    assert not len(back.graph.exporters["spans"])


@pytest.mark.parametrize("text", ["one:ä:secret", "two:two", "three:c:d"])
def test_each_user_is_accepted(back: Any, text: str) -> None:
    at = addresses(back)
    assert by_http(at["http"], basic(text))[0] == 200
    assert by_grpc(at["grpc"], basic(text)) is grpc.StatusCode.OK
    assert len(back.graph.exporters["spans"]) == 2


def test_exporters_say_who_they_are(back: Any) -> None:
    at = addresses(back)
    with weir(CLIENT, GRPC=at["grpc"], HTTP=at["http"]) as front:
        assert by_http(addresses(front)["http"])[0] == 200
        eventually(lambda: len(back.graph.exporters["spans"]) == 2)


@pytest.mark.parametrize(
    ("text", "what"),
    [
        (
            SERVER.replace("${env:TOKENS}", "/dev/null").replace("three:c:d", "three:$2y$05$abc"),
            "make it with htpasswd -s",
        ),
        (SERVER.replace("${env:TOKENS}", "/dev/null").replace("three:c:d", "three"), "an entry is not user:password"),
        (SERVER, "htpasswd.file: /nowhere: No such file or directory"),
        (CLIENT.replace("username: one", "username: ''"), "give a username"),
        (
            CLIENT.replace("client_auth: {username: one", "htpasswd: {inline: 'a:b'}, client_auth: {username: one"),
            "either",
        ),
    ],
)
def test_what_cannot_be_used_stops_the_start_and_says_why(text: str, what: str) -> None:
    with pytest.raises(ConfigError) as caught, weir(text, TOKENS="/nowhere", GRPC="a:1", HTTP="b:1"):
        pass
    (problem,) = caught.value.problems
    assert what in problem
    assert "secret" not in problem
