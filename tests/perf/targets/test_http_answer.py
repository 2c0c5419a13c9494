"""Answers of HTTP/1.1, however the network cut them."""

import pytest

from perf.targets.http_answer import Read, ResponseEnd, body, parse_head
from perf.targets.target import TargetError

PLAIN = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"
CHUNKED = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n3\r\nhel\r\n2;x=1\r\nlo\r\n0\r\n\r\n"
UNTIL_CLOSED = b"HTTP/1.0 200 OK\r\n\r\nhello"
SIZES = (1, 2, 7, 64, 10_000)


def cut(data: bytes, size: int) -> list[Read]:
    return [Read(float(at), data[at : at + size]) for at in range(0, len(data), size)]


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("data", [PLAIN, CHUNKED, UNTIL_CLOSED])
def test_the_body_is_the_same_wherever_it_is_cut(data: bytes, size: int) -> None:
    head = parse_head(data)
    assert head is not None
    assert b"".join(read.data for read in body(cut(data, size), head)) == b"hello"


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("data", [PLAIN, CHUNKED])
def test_the_end_is_seen_at_the_last_read_and_not_before(data: bytes, size: int) -> None:
    end = ResponseEnd()
    *before, last = [end.reached(read.data) for read in cut(data, size)]
    assert last
    assert not any(before)
    assert end.head is not None
    assert end.head.keeps_connection


def test_only_the_connections_end_tells_without_a_length() -> None:
    end = ResponseEnd()
    assert not end.reached(UNTIL_CLOSED)
    assert end.head is not None
    assert not end.head.keeps_connection


def test_a_server_that_closes_keeps_no_connection() -> None:
    head = parse_head(b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 0\r\n\r\n")
    assert head is not None
    assert not head.keeps_connection


@pytest.mark.parametrize("data", [b"SSH-2.0-OpenSSH_9.2\r\n\r\n", b"\x00\x00\x12\x04", b"HTTP/1.1 x\r\n\r\n"])
def test_what_speaks_something_else(data: bytes) -> None:
    with pytest.raises(TargetError, match="not an answer of HTTP") as caught:
        parse_head(data)
    assert caught.value.code == "protocol"


def test_a_wrong_size_of_a_chunk() -> None:
    data = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nhello\r\n"
    head = parse_head(data)
    assert head is not None
    with pytest.raises(TargetError, match="no size"):
        list(body([Read(0.0, data)], head))
