"""Typed answers of the real model, and formats that mean harm, over gRPC."""

import asyncio
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import grpc
import pytest
from jsonschema import Draft202012Validator

from tests.e2e.caller import Caller, calling, text_of, worker_pid
from tests.live import LiveServer, serving
from xapp.client import Client, choices, grammar, json_schema
from xapp.client import user as turn
from xapp.inference.v1 import inference_pb2 as pb

pytestmark = pytest.mark.slow
QUESTION = "Cell C12 reports high load and dropped calls, its neighbours C13 and C14 do not. Triage."
TRIAGE = {
    "type": "object",
    "properties": {
        "cause": {"enum": ["interference", "congestion", "hardware"]},
        "severity": {"type": "integer", "minimum": 1, "maximum": 5},
        "explanation": {"type": "string", "maxLength": 40},
    },
    "required": ["cause", "severity", "explanation"],
}
CELLS = {
    "type": "array",
    "items": {
        "type": "object",
        "properties": {
            "cell": {"type": "string", "pattern": "^[A-Z][0-9]{2}$"},
            "load": {"type": "number", "minimum": 0, "maximum": 1},
            "note": {"type": ["string", "null"], "maxLength": 10},
        },
        "required": ["cell", "load"],
    },
    "minItems": 2,
    "maxItems": 3,
}
NESTED = {
    "type": "object",
    "properties": {"a": {"$ref": "#/$defs/inner"}, "b": {"anyOf": [{"$ref": "#/$defs/inner"}, {"const": 0}]}},
    "required": ["a", "b"],
    "$defs": {
        "inner": {"type": "object", "properties": {"on": {"type": "boolean"}}, "required": ["on"]},
    },
}
SCHEMAS: list[Any] = [
    TRIAGE,
    CELLS,
    NESTED,
    {"type": "integer", "minimum": -20, "maximum": -3},
    {"enum": ["日本語", "up", None, 17]},
    {"type": "number", "exclusiveMinimum": 0.25, "maximum": 0.5},
]
EXPLOSIVE = 'root ::= ("0"{9,1000} | "00"{9,900} | "000"{9,800}){9,16} "x"'


async def conforms(client: Client, schema: Any, temperature: float) -> None:
    sampling = pb.SamplingParams(temperature=temperature, seed=3)
    asked = client.generate(
        [turn(QUESTION)],
        format=json_schema(schema),
        max_tokens=200,
        sampling=sampling,
        deadline_policy=pb.DEADLINE_POLICY_BEST_EFFORT,
    )
    events = [event async for event in asked]
    Draft202012Validator(schema).validate(json.loads(text_of(events)))
    finished = events[-1].finished
    assert finished.format_complete
    assert finished.finish_reason == pb.FINISH_REASON_STOP


async def test_answers_conform(live_model_server: LiveServer) -> None:
    async with Client(live_model_server.target) as client, asyncio.TaskGroup() as group:
        for schema in SCHEMAS:
            for temperature in (0.0, 1.0):
                group.create_task(conforms(client, schema, temperature))


async def test_no_room_to_finish(live_model_server: LiveServer) -> None:
    async with calling(live_model_server) as caller:
        request = pb.GenerateRequest(prompt=QUESTION, format=json_schema(TRIAGE), max_tokens=5)
        finished = (await caller.generate(request))[-1].finished
        assert finished.finish_reason == pb.FINISH_REASON_LENGTH
        assert finished.HasField("format_complete")
        assert not finished.format_complete


async def test_grammar_and_choices(live_model_server: LiveServer) -> None:
    async with calling(live_model_server) as caller:
        answer = pb.GenerateRequest(prompt="1, 2, 3,", format=grammar('root ::= " 4" ", " [0-9]+ "."'))
        assert (await caller.text(answer)).startswith(" 4, ")
        choice = pb.GenerateRequest(prompt="Is water wet?", format=choices("yes", "no", "nobody knows"))
        assert await caller.text(choice) in {"yes", "no", "nobody knows"}


@pytest.fixture
def own_server(default_model_path: Path) -> Iterator[LiveServer]:
    """A node that learns from hostile requests how slow its steps can be."""
    with serving({"XAPP_MODEL": str(default_model_path)}) as server:
        yield server


HOSTILE_ENDINGS = {
    grpc.StatusCode.INVALID_ARGUMENT,
    # Its steps are so slow that admission foresees a late end for the next request.
    grpc.StatusCode.RESOURCE_EXHAUSTED,
    # The model took a way on which little is open. Which way it takes depends on the rounding of the CPU.
    grpc.StatusCode.OK,
}


async def ending(caller: Caller, request: pb.GenerateRequest) -> grpc.StatusCode:
    """The status that the request ends with."""
    try:
        await caller.generate(request)
    except grpc.aio.AioRpcError as error:
        return error.code()
    return grpc.StatusCode.OK


async def test_a_hostile_grammar_neither_kills_the_worker_nor_stalls_others(own_server: LiveServer) -> None:
    pid = worker_pid(own_server)
    async with calling(own_server) as caller:
        hostile = pb.GenerateRequest(prompt="00", format=grammar(EXPLOSIVE), max_tokens=300)
        other = pb.GenerateRequest(prompt="Once upon a time", max_tokens=40, ignore_eos=True)
        undisturbed = await caller.text(other)
        async with asyncio.TaskGroup() as group:
            beside = group.create_task(caller.text(other))
            ended = [group.create_task(ending(caller, hostile)) for _ in range(4)]
        assert beside.result()[:20] == undisturbed[:20]
        assert {task.result() for task in ended} <= HOSTILE_ENDINGS
    assert worker_pid(own_server) == pid


def bad(**fields: Any) -> pb.OutputFormat:
    return pb.OutputFormat(**fields)


@pytest.mark.parametrize(
    ("wanted", "field"),
    [
        (bad(), "format"),
        (bad(json_schema=" "), "format.json_schema"),
        (bad(json_schema=json.dumps({"title": "x" * 1_000_000})), "format.json_schema"),
        (bad(json_schema='{"$ref": "https://example.org/x"}'), "format.json_schema"),
        (bad(json_schema='{"type": "integer", "minimum": 2, "maximum": 1}'), "format.json_schema"),
        (bad(json_schema='{"type": "string", "pattern": "(a)\\\\1"}'), "format.json_schema"),
        (bad(json_schema='{"$ref": "#"}'), "format.json_schema"),
        (bad(grammar="root ::= " + "(" * 30_000), "format.grammar"),
        (bad(grammar='root ::= root "a" | "b"'), "format.grammar"),
        (bad(grammar='root ::= ("a"?){0,100000}'), "format.grammar"),
        (bad(grammar="root ::= undefined"), "format.grammar"),
        (bad(choices=pb.Choices()), "format.choices"),
        (bad(choices=pb.Choices(choices=["a", "a"])), "format.choices"),
        (bad(choices=pb.Choices(choices=map(str, range(257)))), "format.choices"),
    ],
)
async def test_bad_formats_are_refused(live_server: LiveServer, wanted: pb.OutputFormat, field: str) -> None:
    async with calling(live_server) as caller:
        await _refused(caller, wanted, field)


async def _refused(caller: Caller, wanted: pb.OutputFormat, field: str) -> None:
    error = await caller.refused(pb.GenerateRequest(prompt="go", format=wanted))
    assert error.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert (error.details() or "").startswith(f"{field}: ")
