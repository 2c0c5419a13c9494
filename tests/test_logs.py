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
