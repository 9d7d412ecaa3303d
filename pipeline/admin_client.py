"""How commands ask the admin extension of a running Weir."""

from __future__ import annotations

import http.client
import json
import urllib.parse
from collections.abc import Mapping
from typing import Annotated, Any, NoReturn

import typer

TIMEOUT_S = 10.0
MAX_ANSWER_BYTES = 16 << 20
DEFAULT = "http://127.0.0.1:8890"

Endpoint = Annotated[
    str,
    typer.Option(
        "--endpoint", metavar="URL", envvar="WEIR_ADMIN_ENDPOINT", help="The admin extension of a running Weir."
    ),
]
Json = Annotated[bool, typer.Option("--json", help="As JSON.")]


def say(line: str) -> None:
    """Print a line. Names come from telemetry: no control character of theirs reaches the terminal."""
    typer.echo("".join(character if character.isprintable() else "\N{REPLACEMENT CHARACTER}" for character in line))


def ask_admin(endpoint: str, method: str, path: str, body: Mapping[str, Any] | None = None, token: str = "") -> Any:
    """The JSON of an answer; ends with status 1 where there is none or it is a refusal."""
    parts = urllib.parse.urlsplit(endpoint if "://" in endpoint else f"http://{endpoint}")
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        fail(f'"{endpoint}" is not the address of an admin extension; write http://host:port')
    kind = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
    connection = kind(parts.hostname, parts.port, timeout=TIMEOUT_S)
    headers = {"content-type": "application/json"} if body is not None else {}
    if token:
        headers["authorization"] = f"Bearer {token}"
    content = None if body is None else json.dumps(body)
    try:
        connection.request(method, f"{parts.path.rstrip('/')}/api/v1/{path}", content, headers)
        response = connection.getresponse()
        text = response.read(MAX_ANSWER_BYTES)
    except (OSError, http.client.HTTPException) as error:
        fail(f"{endpoint} does not answer ({error}); is the extension `admin` configured?")
    finally:
        connection.close()
    try:
        answer = json.loads(text)
    except ValueError:
        fail(f"{endpoint} is no admin extension: HTTP {response.status} without JSON")
    if response.status != http.HTTPStatus.OK:
        fail(f"{endpoint}: {answer.get('error', f'HTTP {response.status}')}")
    return answer


def fail(text: str) -> NoReturn:
    typer.echo(f"weir: {text}", err=True)
    raise typer.Exit(1)
