"""Fields are counted as the parser finds them, and what is malformed is left to it."""

from collections.abc import Callable

import pytest
from google.protobuf.message import DecodeError, Message
from hypothesis import given
from hypothesis import strategies as st

from xapp.inference.v1 import inference_pb2 as pb
from xapp.server.wire import MAX_FIELDS, has_too_many_fields

_PAD = b"\x12" + b"\xff\xff\x03" + b"p" * 0xFFFF
"""A prompt, one field, that is long enough for the fields to be counted."""


def _chat(num_messages: int) -> pb.GenerateRequest:
    return pb.GenerateRequest(chat=pb.Chat(messages=[pb.Message()] * num_messages))


def _padded(message: Message) -> bytes:
    return bytes(message.SerializeToString()) + _PAD


def _choices(count: int) -> pb.GenerateRequest:
    return pb.GenerateRequest(format=pb.OutputFormat(choices=pb.Choices(choices=["a"] * count)))


def _inputs(count: int) -> pb.GenerateRequest:
    request = pb.GenerateRequest()
    request.inputs.get_or_create_list("a").extend([1.0] * count)
    return request


# With the field that holds them and the pad these have as many fields as may be.
_MOST = {
    "chat": (_chat, MAX_FIELDS - 2),
    "choices": (_choices, MAX_FIELDS - 3),
    "stop": (lambda count: pb.GenerateRequest(stop=["a"] * count), MAX_FIELDS - 1),
}


@pytest.mark.parametrize("kind", _MOST)
def test_one_more_than_the_most_is_too_many(kind: str) -> None:
    make, most = _MOST[kind]
    assert not has_too_many_fields(_padded(make(most)), pb.GenerateRequest.DESCRIPTOR)
    assert has_too_many_fields(_padded(make(most + 1)), pb.GenerateRequest.DESCRIPTOR)


@pytest.mark.parametrize("make", [_chat, _choices, _inputs])
def test_any_that_is_repeated_is_counted(make: Callable[[int], pb.GenerateRequest]) -> None:
    assert has_too_many_fields(make(100_000).SerializeToString(), pb.GenerateRequest.DESCRIPTOR)


def test_the_longest_chat_passes() -> None:
    turns = [pb.Message(role="user", content="x" * 100)] * 1000
    request = pb.GenerateRequest(chat=pb.Chat(messages=turns))
    assert not has_too_many_fields(request.SerializeToString(), request.DESCRIPTOR)


@given(st.binary(max_size=64))
def test_any_bytes_are_read_to_their_end(tail: bytes) -> None:
    body = _PAD + tail
    assert not has_too_many_fields(body, pb.GenerateRequest.DESCRIPTOR)


@pytest.mark.parametrize("tail", [b"\x0a\xff", b"\x80" * 1_000_000, b"\x0a" + b"\xff" * 9 + b"\x01"])
def test_what_is_malformed_is_left_to_the_parser(tail: bytes) -> None:
    assert not has_too_many_fields(_PAD + tail, pb.GenerateRequest.DESCRIPTOR)
    with pytest.raises(DecodeError):
        pb.GenerateRequest.FromString(_PAD + tail)
