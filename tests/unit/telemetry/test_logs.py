"""Structured logs."""

import io
import json
import logging
import runpy
from collections.abc import Iterator
from pathlib import Path

import pytest

from pipeline.telemetry.logs import ComponentLogger, configure_logging, place_of
from pipeline.testing import FakeClock


@pytest.fixture(autouse=True)
def _restore() -> Iterator[None]:
    """Logging is global; put it back."""
    loggers = [logging.getLogger(), logging.getLogger("weir")]
    before = [(logger.handlers[:], logger.level, logger.propagate) for logger in loggers]
    raises = logging.raiseExceptions
    yield
    logging.raiseExceptions = raises
    for logger, (handlers, level, propagate) in zip(loggers, before, strict=True):
        logger.handlers[:], logger.propagate = handlers, propagate
        logger.setLevel(level)


def lines(encoding: str = "console", level: str = "info") -> io.StringIO:
    stream = io.StringIO()
    configure_logging(level, encoding, stream)
    return stream


def test_console_lines_have_time_level_component_sentence_and_fields() -> None:
    stream = lines()
    ComponentLogger("receiver/otlp", FakeClock()).info("listening", endpoint="127.0.0.1:4317")
    parts = stream.getvalue().rstrip("\n").split("\t")
    assert parts[0].endswith("Z")
    assert parts[1:] == ["info", "receiver/otlp", "listening", '{"endpoint": "127.0.0.1:4317"}']


def test_json_lines_have_the_keys_of_the_collector() -> None:
    stream = lines("json")
    ComponentLogger("receiver/otlp", FakeClock()).warning("odd", n=1)
    line = json.loads(stream.getvalue())
    assert {key: line[key] for key in ("level", "logger", "msg", "n")} == {
        "level": "warn",
        "logger": "receiver/otlp",
        "msg": "odd",
        "n": 1,
    }


@pytest.mark.parametrize("encoding", ["console", "json"])
def test_data_cannot_forge_a_line(encoding: str) -> None:
    stream = lines(encoding)
    ComponentLogger("x", FakeClock()).warning("a\nb", text="c\nd\x1b[31m\u2028")
    assert len(stream.getvalue().splitlines()) == 1
    assert "\x1b" not in stream.getvalue()


def test_one_line_per_reason_per_ten_seconds() -> None:
    stream, clock = lines(), FakeClock()
    logger = ComponentLogger("receiver/otlp", clock)
    for _ in range(5):
        logger.limited("malformed", "request refused")
    logger.limited("too_large", "request refused")
    assert len(stream.getvalue().splitlines()) == 2
    clock.advance(10.0)
    logger.limited("malformed", "request refused", bytes=3)
    assert '{"reason": "malformed", "bytes": 3, "suppressed": 4}' in stream.getvalue().splitlines()[-1]


def test_reasons_are_bounded() -> None:
    stream, logger = lines(), ComponentLogger("x", FakeClock())
    for number in range(1000):
        logger.limited(f"reason-{number}", "odd")
    assert len(stream.getvalue().splitlines()) == 257


def test_an_exception_is_one_line_with_its_place() -> None:
    stream = lines()
    try:
        raise ValueError("wrong\nthing")
    except ValueError as error:
        ComponentLogger("x", FakeClock()).error("failed", exc_info=error)
    [line] = stream.getvalue().splitlines()
    assert '"error": "ValueError: wrong\\nthing"' in line
    assert "test_logs.py:" in line


def test_the_level_is_respected() -> None:
    stream = lines(level="warn")
    logger = ComponentLogger("x", FakeClock())
    logger.info("no")
    logger.warning("yes")
    assert len(stream.getvalue().splitlines()) == 1


def test_a_fault_is_found_by_the_line_of_the_component_and_the_innermost_one(tmp_path: Path) -> None:
    """Where a component calls a library, the library's line alone would not say who called it how."""
    module = tmp_path / "mine" / "reader.py"
    module.parent.mkdir()
    module.write_text("import json\n\ndef read():\n    return json.loads('{')\n\ndef divide():\n    return 1 / 0\n")
    code = runpy.run_path(str(module))
    with pytest.raises(ValueError, match="Expecting") as caught:
        code["read"]()
    where = place_of(caught.value.with_traceback(caught.tb.tb_next))  # without the frame of this test
    assert where.startswith(f"{'/'.join(json.decoder.__file__.split('/')[-3:])}:")
    assert where.endswith("mine/reader.py:4 in read")
    with pytest.raises(ZeroDivisionError) as divided:
        code["divide"]()
    where = place_of(divided.value.with_traceback(divided.tb.tb_next))
    assert where.endswith("/mine/reader.py:7 in divide")
    assert ", from " not in where
    assert place_of(ValueError("never raised")) == "?"
