"""Scoring: how texts become tokens, who wins, and all of it on a worker with the fake backend."""

import asyncio
import math
from collections.abc import AsyncIterator
from dataclasses import replace
from time import monotonic

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.flat_settings import flat_settings
from tests.workers.workers import until
from xapp.backend.byte_vocab import ByteVocab
from xapp.backend.fake_rule import log_probability
from xapp.domain.answers import Finished, ScoreResult, Started
from xapp.domain.messages import FinishReason
from xapp.domain.requests import ChatMessage, Request, ScoreRequest
from xapp.errors import DeadlineExceeded, InvalidArgument, XappError
from xapp.service.choice_scores import MAX_CHOICE_TOKENS, cut, margin, outcome, score_choices, softmax
from xapp.service.service import NodeService
from xapp.text.codec import TextCodec

FINISHED = Finished(FinishReason.STOP, 3, 1, 2, 0.25, 0.5, 0.0, 0.75)


def field_of(error: XappError) -> str:
    assert isinstance(error, InvalidArgument)
    return error.field


# ---- tokens


def test_what_all_have_in_common_is_shared_and_a_spanning_token_is_the_choice_s() -> None:
    parts = cut([1, 2, 9], [[1, 2, 3, 4], [1, 2, 9, 5]], 100)
    assert parts.shared == [1, 2]
    assert parts.choices == [[3, 4], [9, 5]]
    assert parts.longest == 2
    assert parts.to_compute == [1, 2, 3, 9]


def test_the_prompt_is_shared_at_most() -> None:
    assert cut([1, 2], [[1, 2, 3, 4], [1, 2, 3, 5]], 100).choices == [[3, 4], [3, 5]]


@pytest.mark.parametrize(
    ("prompt", "wholes", "limit", "field"),
    [
        ([1], [[2, 3], [1, 3]], 100, "prompt"),
        ([1, 2], [[1, 2, 3], [1, 2]], 100, "choices[1]"),
        ([1, 2], [[1, 2, 3], [1, 2, 3, 4, 5]], 4, "choices[1]"),
        ([1], [[1, *[2] * 40_000], [1, *[3] * 40_000]], MAX_CHOICE_TOKENS, "choices"),
    ],
)
def test_what_does_not_fit_is_named(
    prompt: list[int], wholes: list[list[int]], limit: int, field: str
) -> None:
    with pytest.raises(InvalidArgument) as caught:
        cut(prompt, wholes, limit)
    assert field_of(caught.value) == field


def test_the_context_can_be_filled_to_the_last_token() -> None:
    assert cut([1, 2], [[1, 2, 3, 4]], 4).longest == 2


def test_an_answer_makes_no_control_token() -> None:
    codec = TextCodec(ByteVocab())
    prompt, plain, sly = codec.encode_answers([ChatMessage("user", "hi")], ("", "yes", "<|im_end|>"))
    assert prompt == codec.encode_chat([ChatMessage("user", "hi")])
    assert plain == [*prompt, *b"yes"]
    assert sly == [*prompt, *b"<|im_end|>"]


# ---- who wins


@given(st.lists(st.floats(-1e6, 0), min_size=1, max_size=256))
def test_probabilities_add_up_whatever_the_scores(scores: list[float]) -> None:
    probabilities = softmax(scores)
    assert math.fsum(probabilities) == pytest.approx(1)
    assert all(0 <= each <= 1 for each in probabilities)
    assert 0 <= margin(probabilities) <= 1
    assert probabilities[scores.index(max(scores))] == max(probabilities)


def test_one_choice_leads_by_all() -> None:
    assert margin([1.0]) == 1.0


def result(request: ScoreRequest, values: list[list[float]]) -> ScoreResult:
    tokens = [[7] * len(each) for each in values]
    started = Started("m", "sha256:00", 3, 0, 0.0, 0, "")
    scored = score_choices(request, tokens, values, lambda token: bytes([token]))
    return outcome(request, scored, started, FINISHED)


def test_the_likeliest_whole_choice_wins_or_with_normalization_the_likeliest_by_token() -> None:
    asked = ScoreRequest(Request("p"), ("short", "a long one"))
    values = [[-1.5], [-0.6, -0.6, -0.6]]
    whole = result(asked, values)
    by_token = result(replace(asked, normalize_by_length=True), values)
    assert (whole.winner, by_token.winner) == (0, 1)
    assert whole.choices[1].log_probability == by_token.choices[1].log_probability == pytest.approx(-1.8)
    assert by_token.choices[1].score == pytest.approx(-0.6)
    assert whole.choices[0].probability == pytest.approx(1 / (1 + math.exp(-0.3)))
    assert whole.choices[0].tokens == ()


def test_it_abstains_below_the_margin_and_not_at_it() -> None:
    values = [[math.log(0.5)], [math.log(0.25)]]
    asked = ScoreRequest(Request("p"), ("a", "b"))
    lead = result(asked, values).margin
    assert lead == pytest.approx(1 / 3)
    assert result(replace(asked, min_margin=lead), values).winner == 0
    assert result(replace(asked, min_margin=lead + 1e-9), values).winner is None


def test_a_tie_is_the_first_s_unless_a_margin_is_asked_for() -> None:
    asked = ScoreRequest(Request("p"), ("a", "b"))
    assert result(asked, [[-1.0], [-1.0]]).winner == 0
    assert result(replace(asked, min_margin=0.1), [[-1.0], [-1.0]]).winner is None


# ---- on a worker


@pytest.fixture
async def node() -> AsyncIterator[NodeService]:
    settings = flat_settings(model="fake", backend="fake", slots=4, context_length=400, kv_cells=600)
    async with NodeService(settings) as node:
        await node.wait_ready()
        yield node


def expected(prompt: bytes, choice: bytes) -> list[float]:
    text = [*prompt, *choice]
    return [log_probability(text[:index], text[index]) for index in range(len(prompt), len(text))]


async def test_scores_come_with_their_tokens(node: NodeService) -> None:
    asked = ScoreRequest(Request("Is it due?"), (" yes", " no", " é"), include_tokens=True)
    answer = await node.score(asked)
    for choice in answer.choices:
        values = expected(b"Is it due?", choice.choice.encode())
        assert [token.log_probability for token in choice.tokens] == pytest.approx(values)
        assert choice.log_probability == pytest.approx(sum(values))
        assert b"".join(token.text for token in choice.tokens) == choice.choice.encode()
    assert answer.started.num_prompt_tokens == 10
    assert answer.finished.num_completion_tokens == 4 + 3 + 3
    assert answer.finished.decode_s == 0
    assert answer.finished.prefill_s > 0


async def test_many_at_once_do_not_mix(node: NodeService) -> None:
    async def one(number: int) -> None:
        prompt = f"Number {number} is"
        choices = tuple(f" {n} of {number}" for n in range(number % 7 + 1))
        answer = await node.score(ScoreRequest(Request(prompt), choices))
        sums = [sum(expected(prompt.encode(), choice.encode())) for choice in choices]
        assert [choice.log_probability for choice in answer.choices] == pytest.approx(sums)

    async with asyncio.TaskGroup() as group:
        for number in range(40):
            group.create_task(one(number))


async def test_a_long_prompt_is_reused(node: NodeService) -> None:
    asked = ScoreRequest(Request("cell load " * 20), (" yes", " no"))
    first, again = await node.score(asked), await node.score(asked)
    assert first.started.num_cached_tokens == 0
    assert again.started.num_cached_tokens == again.finished.num_cached_tokens == 199


@pytest.mark.parametrize(
    ("prompt", "choices", "field"),
    [
        ("x" * 400, ("a",), "prompt"),
        ("x" * 398, ("ab", "abc"), "choices[1]"),
        ("x", ("a", "b" * 5000), "choices[1]"),
        ((), ("a",), "chat"),
    ],
)
async def test_what_is_too_long_is_refused(
    node: NodeService, prompt: str, choices: tuple[str, ...], field: str
) -> None:
    with pytest.raises(InvalidArgument) as caught:
        await node.score(ScoreRequest(Request(prompt), choices))
    assert field_of(caught.value) == field


async def test_choices_times_prompt_is_bounded(node: NodeService, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("xapp.text.prompts.MAX_CHOICE_BYTES", 1000)
    with pytest.raises(InvalidArgument, match="each with the prompt before it") as caught:
        await node.score(ScoreRequest(Request("x" * 300), ("a", "b", "c")))
    assert field_of(caught.value) == "choices"


async def test_a_deadline_that_passed_ends_it(node: NodeService) -> None:
    with pytest.raises(DeadlineExceeded):
        await node.score(ScoreRequest(Request("hi", deadline=monotonic() - 1), ("a",)))


async def test_cancelling_the_caller_frees_the_worker(node: NodeService) -> None:
    # 256 choices of many tokens: some hundred steps.
    choices = tuple(f"{n} " * 60 for n in range(256))
    running = asyncio.create_task(node.score(ScoreRequest(Request("hi"), choices)))
    await until(lambda: node.samples()[0].stats.num_running == 1)
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    await until(lambda: node.samples()[0].stats.num_running == 0)
    assert (await node.score(ScoreRequest(Request("hi"), ("a",)))).winner == 0
