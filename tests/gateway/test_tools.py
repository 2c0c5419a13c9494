"""Tools in the dialect: what the service is asked, what comes back, and what is refused."""

from collections.abc import AsyncGenerator
from dataclasses import replace
from typing import Any

import pytest

from tests.gateway.gateways import Gateway, running
from tests.server.fake_service import FINISHED, FakeService, started
from xapp.domain.answers import Chunk, Event, ToolCallDelta
from xapp.domain.chat import TOOLS_ROLE, ChatMessage, Tool, ToolCall
from xapp.domain.finish_reason import FinishReason
from xapp.domain.format_kinds import ToolCalls
from xapp.domain.requests import Request

SCHEMA = {"type": "object", "properties": {"cell": {"type": "string"}}}
POWER = {"type": "function", "function": {"name": "power", "description": "Reads it.", "parameters": SCHEMA}}
CLOCK = {"type": "function", "function": {"name": "clock"}}
TOOLS = [POWER, CLOCK]
CALL = {"id": "call_1", "type": "function", "function": {"name": "power", "arguments": '{"cell":"n"}'}}
QUESTION = {"role": "user", "content": "hi"}
CALLED = {"role": "assistant", "content": None, "tool_calls": [CALL]}
RESULT = {"role": "tool", "content": "40", "tool_call_id": "call_1"}


async def calls(request: Request) -> AsyncGenerator[Event, None]:
    yield started(request)
    yield Chunk("", 3, tool_calls=(ToolCallDelta(0, "call_7", "power"),))
    yield Chunk("", 2, tool_calls=(ToolCallDelta(0, arguments='{"cell":'),))
    yield Chunk("", 2, tool_calls=(ToolCallDelta(0, arguments='"n"}'), ToolCallDelta(1, "call_8", "clock")))
    yield Chunk("", 2, tool_calls=(ToolCallDelta(1, arguments="{}"),))
    yield replace(FINISHED, reason=FinishReason.TOOL_CALLS)


async def test_what_the_service_is_asked(gateway: Gateway) -> None:
    await gateway.chat(messages=[QUESTION, CALLED, RESULT], tools=TOOLS)
    (request,) = gateway.service.requests
    assert isinstance(request.format, ToolCalls)
    assert [tool.name for tool in request.format.tools] == ["power", "clock"]
    assert (request.format.required, request.format.parallel) == (False, True)
    assert isinstance(request.prompt, tuple)
    declared, *messages = request.prompt
    assert declared.role == TOOLS_ROLE
    assert '"Reads it."' in declared.content
    assert messages == [
        ChatMessage("user", "hi"),
        ChatMessage("assistant", "", (ToolCall("call_1", "power", '{"cell":"n"}'),)),
        ChatMessage("tool", "40", (), "call_1"),
    ]


NAMED = {"type": "function", "function": {"name": "clock"}}
CHOICES: list[tuple[dict[str, Any], ToolCalls | None]] = [
    ({"tool_choice": "none"}, None),
    ({"tool_choice": "auto", "parallel_tool_calls": False}, ToolCalls((Tool("clock"),), parallel=False)),
    ({"tool_choice": "required"}, ToolCalls((Tool("clock"),), required=True)),
    ({"tool_choice": NAMED}, ToolCalls((Tool("clock"),), required=True)),
]


@pytest.mark.parametrize(("fields", "expected"), CHOICES)
async def test_the_choice(gateway: Gateway, fields: dict[str, Any], expected: ToolCalls | None) -> None:
    await gateway.chat(tools=[CLOCK], **fields)
    (request,) = gateway.service.requests
    assert request.format == expected
    assert isinstance(request.prompt, tuple)
    assert (request.prompt[0].role == TOOLS_ROLE) is (expected is not None)


async def test_calls_that_a_client_made_of_a_stream_are_taken(gateway: Gateway) -> None:
    """With their index, and with empty arguments where the function takes none."""
    call = {"index": 0, "id": "call_1", "type": "function", "function": {"name": "clock", "arguments": ""}}
    answered = {"role": "assistant", "content": None, "name": None, "refusal": None, "tool_calls": [call]}
    answer = await gateway.chat(messages=[QUESTION, answered, RESULT], tools=[CLOCK])
    assert answer.status == 200, answer.body
    (request,) = gateway.service.requests
    messages = [message for message in request.prompt if not isinstance(message, str)]
    assert [each.arguments for message in messages for each in message.tool_calls] == ["{}"]


async def test_calls_of_a_whole_answer() -> None:
    async with running(FakeService(calls)) as gateway:
        answer = await gateway.chat(tools=TOOLS)
    (choice,) = answer.body["choices"]
    assert choice["finish_reason"] == "tool_calls"
    assert choice["message"] == {
        "role": "assistant",
        "content": None,
        "refusal": None,
        "tool_calls": [
            {"id": "call_7", "type": "function", "function": {"name": "power", "arguments": '{"cell":"n"}'}},
            {"id": "call_8", "type": "function", "function": {"name": "clock", "arguments": "{}"}},
        ],
    }


async def test_calls_of_a_stream_are_deltas() -> None:
    async with running(FakeService(calls)) as gateway:
        answer = await gateway.chat(tools=TOOLS, stream=True)
    deltas = [event["choices"][0]["delta"] for event in answer.events]
    assert deltas[1] == {
        "tool_calls": [
            {"index": 0, "id": "call_7", "type": "function", "function": {"name": "power", "arguments": ""}}
        ]
    }
    assert deltas[2] == {"tool_calls": [{"index": 0, "function": {"arguments": '{"cell":'}}]}
    assert [call["index"] for call in deltas[3]["tool_calls"]] == [0, 1]
    assert answer.events[-1]["choices"][0]["finish_reason"] == "tool_calls"


def named(**function: Any) -> list[dict[str, Any]]:
    return [{"type": "function", "function": {"name": "a"} | function}]


def result(**fields: Any) -> list[dict[str, Any]]:
    return [QUESTION, CALLED, RESULT | fields]


def called(**function: Any) -> list[dict[str, Any]]:
    return [
        QUESTION,
        CALLED | {"tool_calls": [CALL | {"function": {"name": "a", "arguments": "{}"} | function}]},
    ]


DEEP = "[" * 100_000
JSON_OBJECT = {"type": "json_object"}
REFUSED: list[tuple[dict[str, Any], str, str]] = [
    ({"tools": [CLOCK] * 1000}, "invalid_argument", "tools"),
    ({"tools": [CLOCK] * 2}, "invalid_argument", "tools[1].function.name"),
    ({"tools": named(name="no spaces")}, "invalid_argument", "tools[0].function.name"),
    ({"tools": named(name="x" * 65)}, "invalid_argument", "tools[0].function.name"),
    ({"tools": named(description="x" * 5000)}, "invalid_argument", "tools[0].function.description"),
    ({"tools": named(arguments={})}, "unknown_field", "tools[0].function.arguments"),
    ({"tools": [CLOCK | {"name": "clock"}]}, "unknown_field", "tools[0].name"),
    ({"tools": [{"type": "web_search"}]}, "invalid_argument", "tools[0].function"),
    ({"tools": [{"type": "custom", "function": {"name": "a"}}]}, "unsupported_field", "tools[0].type"),
    ({"tools": "clock"}, "invalid_argument", "tools"),
    ({"tools": [CLOCK], "tool_choice": "always"}, "invalid_argument", "tool_choice"),
    ({"tools": [POWER], "tool_choice": NAMED}, "invalid_argument", "tool_choice"),
    ({"tool_choice": "required"}, "invalid_argument", "tool_choice"),
    ({"tools": [CLOCK], "response_format": JSON_OBJECT}, "invalid_argument", "response_format"),
    ({"messages": [], "task": "t", "tools": [CLOCK]}, "invalid_argument", "tools"),
    ({"messages": [QUESTION, RESULT]}, "invalid_argument", "messages[1].tool_call_id"),
    ({"messages": result(tool_call_id="call_2")}, "invalid_argument", "messages[2].tool_call_id"),
    ({"messages": result(tool_call_id=None)}, "invalid_argument", "messages[2].tool_call_id"),
    ({"messages": [QUESTION | {"tool_calls": [CALL]}]}, "invalid_argument", "messages[0].tool_calls"),
    (
        {"messages": called(arguments="[]")},
        "invalid_argument",
        "messages[1].tool_calls[0].function.arguments",
    ),
    (
        {"messages": called(arguments="[" * 100_000)},
        "invalid_argument",
        "messages[1].tool_calls[0].function.arguments",
    ),
    ({"messages": called(name="no spaces")}, "invalid_argument", "messages[1].tool_calls[0].function.name"),
    (
        {"messages": [QUESTION, CALLED | {"tool_calls": [CALL] * 17}]},
        "invalid_argument",
        "messages[1].tool_calls",
    ),
]


@pytest.mark.parametrize(("fields", "code", "param"), REFUSED, ids=lambda value: str(value)[:40])
async def test_refused_by_name(gateway: Gateway, fields: dict[str, Any], code: str, param: str) -> None:
    answer = await gateway.chat(**fields)
    assert answer.error == (400, code, param)
    assert gateway.service.requests == []
