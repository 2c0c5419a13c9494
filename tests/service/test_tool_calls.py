"""Calls of tools through a whole node: the worker's grammar, and the calls that the service tells."""

import json
from collections.abc import AsyncIterator
from typing import Any

import pytest

from tests.flat_settings import flat_settings
from tests.service.nodes import collect
from xapp.domain.answers import Chunk, Event, Finished
from xapp.domain.chat import Tool
from xapp.domain.finish_reason import FinishReason
from xapp.domain.format_kinds import ToolCalls
from xapp.domain.requests import Request
from xapp.errors import InvalidArgument
from xapp.service.service import NodeService

SCHEMA = {
    "type": "object",
    "properties": {"cell": {"enum": ["n", "s"]}, "on": {"type": "boolean"}},
    "required": ["cell", "on"],
}
TOOLS = (Tool("switch", "", json.dumps(SCHEMA)), Tool("clock"))


@pytest.fixture
async def service() -> AsyncIterator[NodeService]:
    values: dict[str, Any] = {"backend": "fake", "model": "tiny", "pin_tasks": False}
    async with NodeService(flat_settings(**values)) as service:
        await service.wait_ready()
        yield service


def calls_of(events: list[Event]) -> list[tuple[str, Any]]:
    calls: dict[int, list[str]] = {}
    for event in events:
        for delta in event.tool_calls if isinstance(event, Chunk) else ():
            call = calls.setdefault(delta.index, [delta.name, ""])
            call[1] += delta.arguments
    return [(name, json.loads(arguments)) for name, arguments in calls.values()]


@pytest.mark.parametrize("parallel", [False, True])
async def test_required_calls_conform(service: NodeService, parallel: bool) -> None:
    wanted = ToolCalls(TOOLS, required=True, parallel=parallel)
    events = await collect(service, Request("go", format=wanted, max_tokens=2000))
    finished = events[-1]
    assert isinstance(finished, Finished)
    assert finished.reason is FinishReason.TOOL_CALLS
    assert finished.format_complete is None
    calls = calls_of(events)
    assert len(calls) == 1 or parallel
    for name, arguments in calls:
        if name == "switch":
            assert arguments["cell"] in SCHEMA["properties"]["cell"]["enum"]  # type: ignore[index]
            assert isinstance(arguments["on"], bool)
        else:
            assert (name, arguments) == ("clock", {})


async def test_a_cut_answer_calls_nothing(service: NodeService) -> None:
    events = await collect(service, Request("go", format=ToolCalls(TOOLS, required=True), max_tokens=30))
    assert isinstance(events[-1], Finished)
    assert events[-1].reason is FinishReason.LENGTH


async def test_a_schema_that_cannot_be_held_is_refused(service: NodeService) -> None:
    bad = ToolCalls((Tool("bad", "", '{"type": "string"}'),))
    with pytest.raises(InvalidArgument, match="tools: /0/parameters: must be the schema of an object"):
        await collect(service, Request("go", format=bad))
