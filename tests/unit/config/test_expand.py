"""Variables in configuration values."""

from typing import Any

import pytest

from pipeline.config.expand import Expander
from pipeline.config.yaml_reader import read_yaml
from pipeline.errors import ConfigError

ENVIRON = {
    "HOST": "example.com",
    "PORT": "4317",
    "PIN": "0123",
    "MAP": "{a: 1, b: [x]}",
    "EMPTY": "",
    "NAME": "HOST",
    "OUTER": "${env:HOST}:${env:PORT}",
    "LOOP": "x ${env:LOOP}",
    "DOLLAR": "a$$b",
    "TEXT": "plain words",
}


def read(path: str) -> str:
    if path == "big":
        raise ConfigError(["big: larger than 1 MiB"])
    if path != "token":
        raise FileNotFoundError(2, "No such file or directory")
    return "s3cret\n"


def expand(value: str) -> Any:
    expander = Expander(ENVIRON, read)
    node = expander.expand(read_yaml(f"key: {value}", "x.yaml"))
    assert expander.problems == []
    return node.plain()["key"]


def problem_of(value: str) -> str:
    expander = Expander(ENVIRON, read)
    expander.expand(read_yaml(f"key: {value}", "x.yaml"))
    [problem] = expander.problems
    return problem


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("${env:HOST}", "example.com"),
        ("${HOST}", "example.com"),
        ("${env:PORT}", 4317),
        ("${env:HOST}:${env:PORT}", "example.com:4317"),
        ("port ${env:PORT}", "port 4317"),
        ("${env:MAP}", {"a": 1, "b": ["x"]}),
        ("${env:NOPE:-5s}", "5s"),
        ("${env:NOPE:-7}", 7),
        ("${env:NOPE:-}", None),
        ("${env:NOPE:-a:b:-c}", "a:b:-c"),
        ("${env:EMPTY:-default}", None),
        ("${env:${env:NAME}}", "example.com"),
        ("${env:NOPE:-${env:HOST}}", "example.com"),
        ("${env:OUTER}", "example.com:4317"),
        ("at ${env:OUTER}", "at example.com:4317"),
        ("${file:token}", "s3cret"),
        ("Bearer ${file:token}", "Bearer s3cret"),
        ("'${yaml:[1, 2]}'", [1, 2]),
        ("$$", "$"),
        ("$${env:HOST}", "${env:HOST}"),
        ("a$$b$c", "a$b$c"),
        ("$HOST", "$HOST"),
        ("'${unclosed'", "${unclosed"),
        ("${env:TEXT}", "plain words"),
    ],
)
def test_variables_are_replaced(text: str, value: object) -> None:
    assert expand(text) == value


def test_an_unset_variable_is_empty_and_warned_about() -> None:
    expander = Expander({}, read)
    assert expander.expand(read_yaml("a: ${env:NOPE}\nb: x${NOPE}y", "x.yaml")).plain() == {"a": None, "b": "xy"}
    assert expander.warnings[0] == "environment variable NOPE is not set (x.yaml:1); using an empty value"


def test_the_text_of_a_number_is_kept_for_fields_that_want_text() -> None:
    node = Expander(ENVIRON, read).expand(read_yaml("key: ${env:PIN}", "x.yaml"))
    assert (node.nearest(("key",)).value, node.nearest(("key",)).text) == (123, "0123")


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("${env:LOOP}", "a variable holds itself"),
        ("${file:missing}", "cannot read missing: No such file or directory"),
        ("${file:big}", "big: larger than 1 MiB"),
        ("${https://example.com/x}", "${https:…} is not supported; use env, file or yaml"),
        ("${1abc}", "'1abc' is not the name of an environment variable; write $$ for a literal $"),
        ("${env:a b}", "'a b' is not the name of an environment variable; write $$ for a literal $"),
    ],
)
def test_what_cannot_be_replaced_is_told_with_its_place(text: str, what: str) -> None:
    assert problem_of(text) == f"key (x.yaml:1): {what}"


def test_variables_that_multiply_end_at_the_bound() -> None:
    environ = {f"V{i}": f"${{V{i + 1}}}" * 10 for i in range(12)} | {"V12": "x"}
    expander = Expander(environ, read)
    expander.expand(read_yaml("key: a ${V0}", "x.yaml"))
    assert expander.problems == ["key (x.yaml:1): more than 10000 variables"]
