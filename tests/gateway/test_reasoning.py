"""Reasoning apart from the answer."""

from collections.abc import AsyncGenerator
from dataclasses import replace

import pytest

from tests.gateway.gateways import running
from tests.server.fake_service import FINISHED, FakeService, started
from xapp.domain.answers import Chunk, Event
from xapp.domain.requests import Request
from xapp.gateway.reasoning import ReasoningReader

TEXTS = [
    ("<think>\nHm </thi nk>.\n</think>\n\nYes <think>.", False, "Hm </thi nk>.", "Yes <think>."),
    ("  <think>Hm</think>Yes", False, "Hm", "Yes"),
    ("Hm\n\nso\n</think>\nYes", True, "Hm\n\nso", "Yes"),
    ("Yes <think>no</think>", False, "", "Yes <think>no</think>"),
    ("<thin", False, "", "<thin"),
    (" <", False, "", " <"),
    ("Hm </thin", True, "Hm </thin", ""),
    ("<think></think>", False, "", ""),
    ("", False, "", ""),
]


@pytest.mark.parametrize(("text", "inside", "reasoning", "answer"), TEXTS)
@pytest.mark.parametrize("size", [1, 2, 3, 100])
def test_however_the_text_is_cut(text: str, inside: bool, reasoning: str, answer: str, size: int) -> None:
    reader = ReasoningReader(inside=inside)
    said = [reader.feed(text[at : at + size]) for at in range(0, len(text), size)] + [reader.flush()]
    assert "".join(each.reasoning for each in said) == reasoning
    assert "".join(each.answer for each in said) == answer


async def thinks(request: Request) -> AsyncGenerator[Event, None]:
    yield replace(started(request), in_reasoning=True)
    for piece in ("Let me", " see", ".</think>", "\n\n", "Yes."):
        yield Chunk(piece, 1)
    yield FINISHED


async def test_a_whole_answer() -> None:
    async with running(FakeService(thinks)) as gateway:
        answer = await gateway.chat()
    message = answer.body["choices"][0]["message"]
    assert (message["reasoning_content"], message["content"]) == ("Let me see.", "Yes.")
    details = answer.body["usage"]["completion_tokens_details"]
    assert details == {"reasoning_tokens": 3}


async def test_a_stream() -> None:
    async with running(FakeService(thinks)) as gateway:
        answer = await gateway.chat(stream=True, stream_options={"include_usage": True})
    *chunks, usage = answer.events
    deltas = [chunk["choices"][0]["delta"] for chunk in chunks]
    assert "".join(delta.get("reasoning_content", "") for delta in deltas) == "Let me see."
    assert "".join(delta.get("content", "") for delta in deltas) == "Yes."
    assert usage["usage"]["completion_tokens_details"] == {"reasoning_tokens": 3}


async def test_an_answer_with_a_format_is_no_reasoning() -> None:
    async with running(FakeService(thinks)) as gateway:
        answer = await gateway.chat(response_format={"type": "json_object"})
    message = answer.body["choices"][0]["message"]
    assert "reasoning_content" not in message
    assert message["content"].startswith("Let me see.")


async def test_a_plain_completion_is_text() -> None:
    async with running(FakeService(thinks)) as gateway:
        answer = await gateway.post("/v1/completions", {"prompt": "a"})
    assert answer.body["choices"][0]["text"] == "Let me see.</think>\n\nYes."


async def test_reasoning_that_is_sent_back_is_not_part_of_the_prompt() -> None:
    async with running() as gateway:
        said = {"role": "assistant", "content": "Yes.", "reasoning_content": "Hm."}
        turns = [{"role": "user", "content": "hi"}, said, {"role": "user", "content": "so?"}]
        assert (await gateway.chat(messages=turns)).status == 200
        assert "Hm." not in str(gateway.service.requests[0].prompt)
