"""Tools in the gRPC contract."""

import json
from collections.abc import AsyncGenerator
from dataclasses import replace
from typing import Any

import pytest

from tests.server.conftest import running, settings
from tests.server.fake_service import FINISHED, FakeService, started
from xapp.domain.answers import Chunk, DrawnToken, Event, TokenScore, ToolCallDelta
from xapp.domain.chat import TOOLS_ROLE, ChatMessage, Tool, ToolCall
from xapp.domain.finish_reason import FinishReason
from xapp.domain.format_kinds import ToolCalls
from xapp.domain.requests import Request
from xapp.errors import InvalidArgument
from xapp.inference.v1 import inference_pb2 as pb
from xapp.security.principal import ANONYMOUS
from xapp.server.convert.requests import to_estimated, to_request

QUESTION = pb.Message(role="user", content="hi")
CALL = pb.ToolCall(id="c1", name="clock", arguments="{}")
CALLED = pb.Message(role="assistant", tool_calls=[CALL])
RESULT = pb.Message(role="tool", content="12", tool_call_id="c1")
CLOCK = pb.Tool(name="clock")


def request_of(*messages: pb.Message, **fields: Any) -> Request:
    chat = pb.Chat(messages=messages or [QUESTION])
    return to_request(pb.GenerateRequest(**{"chat": chat} | fields), "id", None)


def test_tools_and_their_messages() -> None:
    request = request_of(QUESTION, CALLED, RESULT, tools=[CLOCK])
    assert request.format == ToolCalls((Tool("clock"),))
    assert isinstance(request.prompt, tuple)
    declared, *messages = request.prompt
    assert declared.role == TOOLS_ROLE
    assert json.loads(declared.content)[0]["function"]["name"] == "clock"
    assert messages == [
        ChatMessage("user", "hi"),
        ChatMessage("assistant", "", (ToolCall("c1", "clock", "{}"),)),
        ChatMessage("tool", "12", (), "c1"),
    ]


def test_the_choice() -> None:
    none = pb.ToolChoice(mode=pb.TOOL_MODE_NONE)
    required = pb.ToolChoice(mode=pb.TOOL_MODE_REQUIRED)
    assert request_of(tools=[CLOCK], tool_choice=none).format is None
    assert request_of(tools=[CLOCK], tool_choice=none).prompt == (ChatMessage("user", "hi"),)
    assert request_of(tools=[CLOCK], tool_choice=required, parallel_tool_calls=False).format == ToolCalls(
        (Tool("clock"),), required=True, parallel=False
    )
    named = pb.ToolChoice(name="clock")
    assert request_of(tools=[CLOCK, pb.Tool(name="b")], tool_choice=named).format == ToolCalls(
        (Tool("clock"),), required=True
    )


def test_an_estimate_counts_the_tools() -> None:
    wire = pb.EstimateRequest(chat=pb.Chat(messages=[QUESTION]), tools=[CLOCK])
    prompt = to_estimated(wire, None, ANONYMOUS).prompt
    assert isinstance(prompt, tuple)
    assert prompt[0].role == TOOLS_ROLE


REFUSED: list[tuple[dict[str, Any], str]] = [
    ({"tools": [CLOCK] * 1000}, "tools"),
    ({"tools": [CLOCK, CLOCK]}, "tools[1].name"),
    ({"tools": [pb.Tool(name="a b")]}, "tools[0].name"),
    ({"tools": [CLOCK], "format": pb.OutputFormat(json_schema="{}")}, "tools"),
    ({"tools": [CLOCK], "tool_choice": pb.ToolChoice(name="other")}, "tool_choice.name"),
    ({"tools": [CLOCK], "tool_choice": pb.ToolChoice(mode=17)}, "tool_choice.mode"),  # type: ignore[arg-type]
    ({"tool_choice": pb.ToolChoice(name="clock")}, "tool_choice"),
    ({"chat": None, "prompt": "hi", "tools": [CLOCK]}, "tools"),
    ({"chat": pb.Chat(messages=[QUESTION, RESULT])}, "chat.messages[1].tool_call_id"),
]


@pytest.mark.parametrize(("fields", "field"), REFUSED, ids=lambda value: str(value)[:40])
def test_refused(fields: dict[str, Any], field: str) -> None:
    with pytest.raises(InvalidArgument) as refused:
        request_of(**fields)
    assert refused.value.field == field


async def calls(request: Request) -> AsyncGenerator[Event, None]:
    yield started(request)
    score = TokenScore(7, b"x", -0.5)
    yield Chunk("", 2, (DrawnToken(score, (score,)),), (ToolCallDelta(0, "c1", "clock"),))
    yield Chunk("", 1, tool_calls=(ToolCallDelta(0, arguments="{}"),))
    yield replace(FINISHED, reason=FinishReason.TOOL_CALLS)


async def test_calls_and_log_probabilities_on_the_wire() -> None:
    async with running(FakeService(calls), settings()) as node:
        request = pb.GenerateRequest(chat=pb.Chat(messages=[QUESTION]), tools=[CLOCK])
        events = [event async for event in node.inference.Generate(request)]
    first, second = events[1].chunk, events[2].chunk
    assert first.tool_calls == [pb.ToolCallDelta(index=0, id="c1", name="clock")]
    assert second.tool_calls == [pb.ToolCallDelta(index=0, arguments="{}")]
    assert first.drawn_tokens[0].top[0].log_probability == -0.5
    assert events[-1].finished.finish_reason == pb.FINISH_REASON_TOOL_CALLS
