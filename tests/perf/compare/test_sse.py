import pytest

from perf.compare.sse import Body, ProtocolError, Read, RefusedError, completion, spread
from perf.streams import Arrival

HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n"
CHUNKED = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n"
DONE = b"data: [DONE]\n\n"


def event(text: str = "x") -> bytes:
    return b'data: {"id":"1","choices":[{"text":"%s","index":0,"finish_reason":null}]}\n\n' % text.encode()


def usage(tokens: int) -> bytes:
    return b'data: {"choices":[],"usage":{"prompt_tokens":3,"completion_tokens":%d}}\n\n' % tokens


def chunk(data: bytes) -> bytes:
    return b"%x\r\n%s\r\n" % (len(data), data)


def test_an_event_with_text_is_a_token_at_the_read_that_completed_it() -> None:
    whole = event()
    reads = [
        Read(1.0, HEAD),
        Read(2.0, whole[:9]),
        Read(3.0, whole[9:] + event()),
        Read(4.0, event("") + DONE),
    ]
    assert completion(reads, whole=True) == [Arrival(3.0, 2)]


@pytest.mark.parametrize("size", [1, 7, 64, 10_000])
def test_a_chunked_body_may_be_cut_anywhere(size: int) -> None:
    data = CHUNKED + chunk(event()[:20]) + chunk(event()[20:] + event()) + chunk(DONE) + b"0\r\n\r\n"
    reads = [Read(float(at), data[at : at + size]) for at in range(0, len(data), size)]
    assert sum(arrival.num_tokens for arrival in completion(reads, whole=True)) == 2


def test_tokens_without_text_of_their_own_are_dealt_out() -> None:
    reads = [Read(0.0, HEAD), Read(1.0, event()), Read(2.0, event()), Read(3.0, usage(3) + DONE)]
    assert completion(reads, whole=True) == [Arrival(1.0, 1), Arrival(2.0, 2)]
    assert list(spread([1.0, 1.0, 2.0], 3)) == [Arrival(1.0, 2), Arrival(2.0, 1)]
    assert list(spread([], 3)) == []


def test_a_stream_that_was_cut_is_an_error_unless_it_was_cancelled() -> None:
    reads = [Read(0.0, HEAD + event())]
    with pytest.raises(ProtocolError, match="DONE"):
        completion(reads, whole=True)
    assert completion(reads, whole=False) == [Arrival(0.0, 1)]


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"SSH-2.0-OpenSSH_9.2\r\n\r\n", "not an answer of HTTP"),
        (HEAD + b"data: <html>\n\n", "not an event"),
        (CHUNKED + b"hello\r\n", "no size"),
        (HEAD + b'data: {"choices": 3}\n\n', "not an event"),
    ],
)
def test_what_speaks_something_else(data: bytes, message: str) -> None:
    with pytest.raises(ProtocolError, match=message):
        completion([Read(0.0, data)], whole=True)


@pytest.mark.parametrize(
    "data",
    [
        b'HTTP/1.1 503 Service Unavailable\r\n\r\n{"error":"loading"}',
        HEAD + b'data: {"error":{"message":"loading"}}\n\n',
        HEAD + b'error: {"error":{"message":"loading"}}\n\n',
    ],
)
def test_a_refusal_says_what_the_server_said(data: bytes) -> None:
    with pytest.raises(RefusedError, match="loading"):
        completion([Read(0.0, data)], whole=True)


def test_a_body_without_chunks_is_taken_as_it_is() -> None:
    body = Body()
    assert body.feed(HEAD[:10]) == b""
    assert body.feed(HEAD[10:] + b"ab") == b"ab"
    assert body.feed(b"c") == b"c"
