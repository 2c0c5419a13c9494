"""Frames arrive in any pieces; what is no message is refused."""

import struct
from itertools import pairwise

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from xapp.domain.messages import (
    MAX_FRAME_BYTES,
    Cancel,
    Extend,
    FinishReason,
    FrameBuffer,
    FromWorker,
    LoadFailed,
    ModelInfo,
    Priority,
    Progress,
    Ready,
    SamplingParams,
    SequenceFinished,
    SequenceStarted,
    Shutdown,
    Stats,
    StepEvents,
    Submit,
    ToWorker,
    decode_from_worker,
    decode_to_worker,
    encode,
)

INFO = ModelInfo("tiny", 10**10, 4096, 8, 8192, 10**9, "q8_0", True, 4, -1, 0.1, 260, False)
TO_WORKER: list[ToWorker] = [
    Submit(1, [1, 2, 3], 7),
    Submit(2**40, [0], 1, SamplingParams(0.7, 40, 0.9, 0.05, 1.1, 2**32 - 1), True, Priority.BATCH, 1.5, 2.5),
    Cancel(3),
    Extend(3, 4.5),
    Shutdown(),
]
FROM_WORKER: list[FromWorker] = [
    Progress(0.25),
    Ready(INFO),
    LoadFailed("model.gguf: é", "BAD"),
    StepEvents(),
    StepEvents(
        [1, 2, 1, 3],
        [SequenceStarted(1, 0.5, 9)],
        [
            SequenceFinished(1, 1.5, FinishReason.STOP, 9, 2, 0.5, 0.75),
            SequenceFinished(2, 1.5, FinishReason.EXPIRED, 0, 0),
        ],
        Stats(1, 2, 3, 4, 5, 6, 7, 8, 0.5),
    ),
]


def only_body(frame: bytes) -> bytes:
    (body,) = FrameBuffer().feed(frame)
    return body


@pytest.mark.parametrize("message", TO_WORKER, ids=repr)
def test_what_the_server_says_comes_through(message: ToWorker) -> None:
    assert decode_to_worker(only_body(encode(message))) == message


@pytest.mark.parametrize("message", FROM_WORKER, ids=lambda message: type(message).__name__)
def test_what_the_worker_says_comes_through(message: FromWorker) -> None:
    assert decode_from_worker(only_body(encode(message))) == message


@given(st.lists(st.binary(max_size=50), max_size=20), st.lists(st.integers(0, 200), max_size=40))
def test_frames_survive_any_splits(bodies: list[bytes], cuts: list[int]) -> None:
    stream = b"".join(struct.pack("!I", len(body)) + body for body in bodies)
    places = sorted({0, len(stream), *(min(cut, len(stream)) for cut in cuts)})
    buffer = FrameBuffer()
    got: list[bytes] = []
    for start, end in pairwise(places):
        got += buffer.feed(stream[start:end])
    assert got == bodies


def test_a_frame_too_large_is_refused_before_it_is_kept() -> None:
    with pytest.raises(ValueError, match=str(MAX_FRAME_BYTES)):
        FrameBuffer().feed(struct.pack("!I", MAX_FRAME_BYTES + 1))


def test_a_frame_of_the_largest_size_is_not() -> None:
    buffer = FrameBuffer()
    assert buffer.feed(struct.pack("!I", MAX_FRAME_BYTES)) == []
    assert [len(body) for body in buffer.feed(bytes(MAX_FRAME_BYTES))] == [MAX_FRAME_BYTES]


@pytest.mark.parametrize("decode", [decode_to_worker, decode_from_worker])
@given(st.binary(max_size=60))
def test_garbage_is_a_decode_error_or_a_message(decode: object, body: bytes) -> None:
    try:
        decode(body)  # type: ignore[operator]
    except (msgspec.DecodeError, ValueError):
        return


@pytest.mark.parametrize(
    "value",
    [
        {},
        {"type": "nothing"},
        {"type": "cancel"},
        {"type": "cancel", "request_id": "one"},
        {"type": "submit", "request_id": 1, "prompt": [1.5], "max_tokens": 1},
        {"type": "submit", "request_id": 1, "prompt": [1], "max_tokens": 1, "priority": 9},
        {"type": "ready", "info": {}},
        [],
        7,
    ],
    ids=repr,
)
def test_the_wrong_shape_is_a_validation_error(value: object) -> None:
    with pytest.raises(msgspec.ValidationError):
        decode_to_worker(msgspec.msgpack.encode(value))


def test_events_do_not_share_their_lists() -> None:
    one, two = StepEvents(), StepEvents()
    one.tokens.append(1)
    assert two.tokens == []
