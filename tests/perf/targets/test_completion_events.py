"""Events of a streamed completion, however the network cut them."""

from itertools import pairwise

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from perf.stream_figures import Arrival
from perf.targets.completion_events import answer_of, arrivals, events
from perf.targets.http_answer import Read
from perf.targets.target import Answer, TargetError

WHOLE = "".join(
    f"data: {msgspec.json.encode(event).decode()}\n\n"
    for event in (
        {"choices": [{"delta": {"role": "assistant", "content": None}}]},
        {"choices": [{"delta": {"content": "A cell"}}]},
        {"choices": [{"delta": {"content": ""}}]},
        {"choices": [{"delta": {"content": " is dön"}}]},
        {"choices": [{"delta": {}, "finish_reason": "stop"}]},
        {
            "choices": [],
            "usage": {
                "prompt_tokens": 7,
                "completion_tokens": 4,
                "prompt_tokens_details": {"cached_tokens": 2},
            },
            "timings": {
                "prompt_n": 5,
                "prompt_ms": 40.0,
                "predicted_n": 4,
                "predicted_ms": 90.0,
                "cache_n": 2,
            },
        },
    )
)
BYTES = WHOLE.encode() + b"data: [DONE]\n\n"


def parsed(*pieces: bytes) -> Answer:
    return answer_of(0.0, [Read(float(index), data) for index, data in enumerate(pieces)], 10)


def test_text_counts_and_times() -> None:
    answer = parsed(BYTES)
    assert answer.text == "A cell is dön"
    assert answer.finish_reason == "stop"
    assert (answer.num_prompt_tokens, answer.num_cached_tokens, answer.num_completion_tokens) == (7, 2, 4)
    assert (answer.prefill_s, answer.decode_s) == (0.04, 0.09)
    assert answer.bytes_received == len(BYTES)


def test_tokens_without_text_of_their_own_are_dealt_out_evenly() -> None:
    half = BYTES.index(b" is d")
    assert parsed(BYTES[:half], BYTES[half:]).arrivals == [Arrival(0.0, 2), Arrival(1.0, 2)]


def test_events_of_one_read_arrived_together() -> None:
    assert parsed(BYTES).arrivals == [Arrival(0.0, 4)]


def test_what_came_of_a_stream_that_was_cancelled() -> None:
    reads = [Read(0.0, BYTES[: BYTES.index(b" is d")])]
    assert arrivals(events(reads, whole=False)) == [Arrival(0.0, 1)]


@given(st.lists(st.integers(0, len(BYTES)), max_size=20))
def test_the_cuts_of_the_network_change_no_text_and_no_count(cuts: list[int]) -> None:
    edges = [0, *sorted(cuts), len(BYTES)]
    answer = parsed(*(BYTES[low:high] for low, high in pairwise(edges)))
    assert answer.text == "A cell is dön"
    assert sum(arrival.num_tokens for arrival in answer.arrivals) == 4


def test_an_event_counts_for_the_read_that_completed_it() -> None:
    half = BYTES.index(b"A cell")
    assert parsed(BYTES[:half], BYTES[half:]).arrivals[0].at == 1.0


def test_completions_have_their_text_elsewhere() -> None:
    body = b'data: {"choices": [{"text": " is", "finish_reason": "length"}]}\n\ndata: [DONE]\n\n'
    answer = parsed(body)
    assert (answer.text, answer.finish_reason, answer.num_completion_tokens) == (" is", "length", None)


def test_a_stream_without_its_end_is_lost() -> None:
    with pytest.raises(TargetError, match="DONE") as caught:
        parsed(BYTES[:-20])
    assert caught.value.code == "lost"


@pytest.mark.parametrize("field", [b"data", b"error"])
def test_an_error_in_the_middle_is_lost(field: bytes) -> None:
    with pytest.raises(TargetError, match="out of memory") as caught:
        parsed(field + b': {"error": {"message": "out of memory"}}\n\n')
    assert caught.value.code == "lost"


def test_what_is_no_chunk_is_another_protocol() -> None:
    with pytest.raises(TargetError) as caught:
        parsed(b"data: <html>\n\n")
    assert caught.value.code == "protocol"
