"""Who logs never waits for who reads; what is lost is counted and said."""

import io
import json
import logging
import os
import threading
from collections.abc import Iterator

import pytest

from xapp import logs
from xapp.log_writer import LogWriter, writing_to

PATIENCE_S = 20.0


class Reader:
    """What is written to; it blocks while the test wants it to."""

    def __init__(self) -> None:
        self.text = ""
        self.entered = threading.Event()
        self.reads = threading.Event()

    def write(self, text: str) -> None:
        self.entered.set()
        assert self.reads.wait(PATIENCE_S)
        self.text += text


def _describe(number: int) -> str:
    return f"dropped {number}"


def test_lines_come_in_order() -> None:
    reader = Reader()
    reader.reads.set()
    writer = LogWriter(reader.write, _describe)
    for number in range(1000):
        writer.put(str(number))
    assert writer.flush(PATIENCE_S)
    assert reader.text.split() == [str(number) for number in range(1000)]
    assert writer.num_dropped == 0


def test_a_reader_that_stalls_holds_up_nobody_and_what_is_dropped_is_said() -> None:
    reader = Reader()
    writer = LogWriter(reader.write, _describe, max_waiting_bytes=100)
    writer.put("first")
    assert reader.entered.wait(PATIENCE_S)
    for _ in range(1000):
        writer.put("0123456789")
    assert not writer.flush(0)
    assert writer.num_dropped == 990
    reader.reads.set()
    assert writer.flush(PATIENCE_S)
    assert reader.text.split("\n") == ["first", *["0123456789"] * 10, "dropped 990", ""]


def test_a_reader_that_is_gone_ends_nothing() -> None:
    source, sink = os.pipe()
    os.close(source)
    with os.fdopen(sink, "w") as stream:
        writer = LogWriter(writing_to(stream), _describe)
        writer.put("one")
        writer.put("two")
        assert writer.flush(PATIENCE_S)
        assert writer.num_dropped == 2


def test_a_file_gets_every_byte() -> None:
    source, sink = os.pipe()
    line = "ä" * 100_000
    with os.fdopen(sink, "w") as stream, os.fdopen(source, encoding="utf-8") as read:
        writer = LogWriter(writing_to(stream), _describe)
        writer.put(line)
        assert read.readline() == line + "\n"
        assert writer.flush(PATIENCE_S)


def test_close_writes_what_waits() -> None:
    stream = io.StringIO()
    writer = LogWriter(writing_to(stream), _describe)
    writer.put("last")
    writer.close()
    assert writer.flush(PATIENCE_S)
    assert stream.getvalue() == "last\n"


@pytest.fixture
def unread() -> Iterator[int]:
    """The log goes to a pipe; its reading end, from which nobody reads."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    source, sink = os.pipe()
    with os.fdopen(source, "rb"), os.fdopen(sink, "w") as stream:
        logs.setup("info", stream)
        yield source
        root.handlers[:], added = handlers, root.handlers[:]
        for handler in added:
            handler.close()
        root.setLevel(level)
        logging.captureWarnings(False)


def test_logging_to_a_full_pipe_returns_and_tells_afterwards(unread: int) -> None:
    text = "x" * 10_000
    for _ in range(1000):
        logging.getLogger("x").info(text)
    dropped = logs.num_dropped()
    assert dropped > 0
    read = b""
    while b"log_lines_dropped" not in read:
        read += os.read(unread, 1 << 20)
    told = json.loads(read.strip().rpartition(b"\n")[2])
    assert (told["event"], told["count"]) == ("log_lines_dropped", dropped)
