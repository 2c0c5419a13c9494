import pytest

from perf.serving.http_stream import HttpError, Read, arrivals, check_status
from perf.streams import Arrival


def event(predicted: int) -> bytes:
    return b'data: {"content":"x","tokens":[1],"stop":false,"tokens_predicted":%d}\n\n' % predicted


def test_one_arrival_for_each_read_that_brings_a_token() -> None:
    reads = [Read(1.0, event(1)), Read(2.0, event(2) + event(3))]
    assert list(arrivals(reads)) == [Arrival(1.0, 1), Arrival(2.0, 2)]


def test_an_event_counts_for_the_read_that_completes_it() -> None:
    whole = event(1)
    assert list(arrivals([Read(1.0, whole[:20]), Read(2.0, whole[20:])])) == [Arrival(2.0, 1)]


def test_a_token_withheld_for_its_missing_bytes_counts_with_the_next() -> None:
    assert list(arrivals([Read(1.0, event(1)), Read(2.0, event(3))])) == [Arrival(1.0, 1), Arrival(2.0, 2)]


def test_head_chunk_sizes_and_the_last_event_bring_no_token() -> None:
    reads = [
        Read(0.5, b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"),
        Read(1.0, b"4e\r\n" + event(1) + b"\r\n"),
        Read(2.0, b'data: {"stop":true,"tokens_predicted":1}\n\n0\r\n\r\n'),
    ]
    assert list(arrivals(reads)) == [Arrival(1.0, 1)]


def test_status_200_passes() -> None:
    check_status(b"HTTP/1.1 200 OK\r\n\r\n")


@pytest.mark.parametrize("answer", [b"", b"HTTP/1.1 503 Service Unavailable\r\n\r\n"])
def test_another_status_is_an_error(answer: bytes) -> None:
    with pytest.raises(HttpError, match="llama-server answered"):
        check_status(answer)
