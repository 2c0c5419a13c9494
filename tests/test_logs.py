import io
import json
import logging
from collections.abc import Iterator

import pytest

from xapp import logs

PATIENCE_S = 20.0


@pytest.fixture
def stream() -> Iterator[io.StringIO]:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    stream = io.StringIO()
    logs.setup("info", stream)
    try:
        yield stream
    finally:
        root.handlers[:] = handlers
        root.setLevel(level)
        logging.captureWarnings(False)


def lines(stream: io.StringIO) -> list[dict[str, object]]:
    logs.flush(PATIENCE_S)
    return [json.loads(line) for line in stream.getvalue().splitlines()]


def test_one_json_object_a_line(stream: io.StringIO) -> None:
    logs.event(logging.getLogger("a.b"), "two\nlines", {"tokens": 3, "path": io})
    (line,) = lines(stream)
    assert (line["level"], line["logger"], line["msg"], line["tokens"]) == ("info", "a.b", "two\nlines", 3)
    assert str(line["ts"]).endswith("+00:00")
    assert "correlation_id" not in line


def test_correlation_id_of_the_context(stream: io.StringIO) -> None:
    token = logs.correlation_id.set("abc")
    logging.getLogger("x").warning("100%% %s", "sure")
    logs.correlation_id.reset(token)
    (line,) = lines(stream)
    assert (line["correlation_id"], line["msg"]) == ("abc", "100% sure")


def test_percent_signs_in_an_event_are_text(stream: io.StringIO) -> None:
    logs.event(logging.getLogger("x"), "50% done %s", {})
    assert lines(stream)[0]["msg"] == "50% done %s"


def test_errors_carry_a_traceback(stream: io.StringIO) -> None:
    logs.event(logging.getLogger("x"), "bad", {}, level=logging.ERROR, error=ValueError("why"))
    assert "ValueError: why" in str(lines(stream)[0]["traceback"])


def test_level(stream: io.StringIO) -> None:
    logging.getLogger("x").debug("hidden")
    assert lines(stream) == []


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture
def terminal(stream: io.StringIO) -> Terminal:
    """Where logs go, once `stream` has seen to it that all is put back afterwards."""
    terminal = Terminal()
    logs.setup("info", terminal)
    return terminal


def test_on_a_terminal_a_line_is_for_people(terminal: Terminal) -> None:
    token = logs.correlation_id.set("abc")
    logs.event(logging.getLogger("a.b"), "listening", {"event": "listening", "port": 3, "host": "::1"})
    logs.correlation_id.reset(token)
    logging.getLogger("x").warning("look \x1b[2J")
    logs.flush(PATIENCE_S)
    first, second = (line[len("12:34:56 ") :] for line in terminal.getvalue().splitlines())
    assert first == "listening  port=3  host=::1  correlation_id=abc"
    assert second == r"WARNING: look \x1b[2J"


def test_a_traceback_follows_its_line(terminal: Terminal) -> None:
    logs.event(logging.getLogger("x"), "bad", {}, level=logging.ERROR, error=ValueError("why"))
    logs.flush(PATIENCE_S)
    first, *_, last = terminal.getvalue().splitlines()
    assert first[len("12:34:56 ") :] == "ERROR: bad"
    assert last == "ValueError: why"


def test_a_hint_is_for_people_only(terminal: Terminal) -> None:
    logs.hint("try this")
    logs.flush(PATIENCE_S)
    assert terminal.getvalue() == "try this\n"


def test_a_hint_is_no_line_for_programs(stream: io.StringIO) -> None:
    logs.hint("try this")
    assert lines(stream) == []


@pytest.mark.parametrize(("form", "is_json"), [("json", True), ("plain", False)])
def test_a_setting_says_which(terminal: Terminal, form: str, is_json: bool) -> None:
    logs.setup("info", terminal, form)
    logging.getLogger("x").info("text")
    logs.flush(PATIENCE_S)
    assert terminal.getvalue().startswith("{") is is_json
