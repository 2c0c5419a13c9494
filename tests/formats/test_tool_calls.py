"""Answers that call tools: the grammar that holds them, and the calls that are read out of them."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from xapp.domain.answers import Chunk, Finished, ToolCallDelta
from xapp.domain.chat import Tool
from xapp.domain.format_kinds import FormatError, ToolCalls
from xapp.domain.messages import FinishReason
from xapp.errors import InvalidArgument
from xapp.formats.prepare import prepare
from xapp.formats.tool_calls import MAX_CALLS, tool_program
from xapp.formats.tool_guard import ToolGuard
from xapp.formats.tool_reader import ToolReader
from xapp.grammar.machine import MAX_WORK, Machine
from xapp.grammar.progress import matches

CELL = Tool("set_power", "Sets a cell's power.", json.dumps({
    "type": "object",
    "properties": {"cell": {"type": "string"}, "dbm": {"type": "integer", "minimum": 0, "maximum": 46}},
    "required": ["cell", "dbm"],
}))  # fmt: skip
CLOCK = Tool("clock")


def call(name: str, arguments: str) -> str:
    return f'<tool_call>\n{{"name": "{name}", "arguments": {arguments}}}\n</tool_call>'


POWER = call("set_power", '{"cell":"north","dbm":40}')
TIME = call("clock", "{}")


def allows(wanted: ToolCalls, text: str) -> bool:
    machine = Machine(tool_program(wanted))
    machine.left = 100 * MAX_WORK
    return matches(machine, text)


BOTH = (CELL, CLOCK)
ALLOWED = [
    (ToolCalls(BOTH), ""),
    (ToolCalls(BOTH), "It is < 5 and <tool> is no tag, <tool_cal neither, <<tool_cal<tool."),
    (ToolCalls(BOTH), POWER),
    (ToolCalls(BOTH), "Let me see.\n" + TIME),
    (ToolCalls(BOTH), "<<tool_call" + TIME),
    (ToolCalls(BOTH), TIME + "\n" + POWER),
    (ToolCalls(BOTH, required=True), POWER),
    (ToolCalls(BOTH, required=True), "\n".join([TIME] * MAX_CALLS)),
    (ToolCalls((CLOCK,), required=True), TIME),
    (ToolCalls(BOTH, required=True, parallel=False), POWER),
]
REFUSED = [
    (ToolCalls(BOTH), "<tool_call>"),
    (ToolCalls(BOTH), "<tool_call>hi</tool_call>"),
    (ToolCalls(BOTH), POWER + " and more"),
    (ToolCalls(BOTH), call("other", "{}")),
    (ToolCalls(BOTH), call("set_power", '{"cell":"north"}')),
    (ToolCalls(BOTH), call("set_power", '{"cell":"north","dbm":47}')),
    (ToolCalls(BOTH), call("set_power", '{"cell":"north","dbm":"4"}')),
    (ToolCalls(BOTH), call("clock", '{"a":1}')),
    (ToolCalls(BOTH, required=True), ""),
    (ToolCalls(BOTH, required=True), "Let me see." + TIME),
    (ToolCalls(BOTH, required=True), "\n".join([TIME] * (MAX_CALLS + 1))),
    (ToolCalls((CLOCK,), required=True), POWER),
    (ToolCalls(BOTH, parallel=False), TIME + "\n" + POWER),
]


@pytest.mark.parametrize(("wanted", "text"), ALLOWED)
def test_allowed(wanted: ToolCalls, text: str) -> None:
    assert allows(wanted, text)


@pytest.mark.parametrize(("wanted", "text"), REFUSED)
def test_refused(wanted: ToolCalls, text: str) -> None:
    assert not allows(wanted, text)


@given(st.text(st.sampled_from("<tol_ca>x\n"), max_size=40))
def test_any_text_without_the_tag_is_an_answer(text: str) -> None:
    assert allows(ToolCalls((CLOCK,)), text) == ("<tool_call>" not in text)


HOSTILE = [
    '{"type": "string"}',
    '{"$ref": "#"}',
    "[]",
    "{",
    '{"type": "object", "properties": {"a": {"type": "nothing"}}}',
    '{"type": "object", "properties": ' + '{"a": {"properties": ' * 60 + "{}" + "}}" * 60 + "}",
    '{"type": "object", "properties": {"a": {"pattern": "(a*)*b", "type": "string", "maxLength": 9999999}}}',
    '{"type": "object", "description": "' + "x" * 40_000 + '"}',
]


@pytest.mark.parametrize("parameters", HOSTILE, ids=lambda text: text[:40])
def test_a_hostile_schema_is_refused_with_its_place(parameters: str) -> None:
    with pytest.raises(InvalidArgument) as refused:
        prepare(ToolCalls((CLOCK, Tool("bad", "", parameters))))
    assert refused.value.field == "tools"


def test_all_schemas_together_are_bounded() -> None:
    many = json.dumps({"type": "object", "properties": {f"p{n}": {"type": "string"} for n in range(120)}})
    with pytest.raises(InvalidArgument, match="schemas"):
        prepare(ToolCalls(tuple(Tool(f"tool{number}", "", many) for number in range(100))))


def test_schemas_of_several_tools_keep_their_references_apart() -> None:
    def tool(name: str, values: list[str]) -> Tool:
        defs = {"A": {"enum": values}}
        members = {"a": {"$ref": "#/$defs/A"}}
        schema = {"properties": members, "required": ["a"], "$defs": defs}
        return Tool(name, "", json.dumps(schema))

    wanted = ToolCalls((tool("one", ["x"]), tool("two", ["y"])))
    assert allows(wanted, call("one", '{"a":"x"}'))
    assert allows(wanted, call("two", '{"a":"y"}'))
    assert not allows(wanted, call("two", '{"a":"x"}'))


ZOD = json.dumps({
    "$ref": "#/definitions/Power", "$schema": "http://json-schema.org/draft-07/schema#",
    "definitions": {
        "Power": {"type": "object", "properties": {"dbm": {"type": "integer"}}, "required": ["dbm"]},
    },
})  # fmt: skip


def test_parameters_behind_a_reference_are_those_of_a_tool() -> None:
    wanted = ToolCalls((Tool("power", "", ZOD),), required=True)
    assert allows(wanted, call("power", '{"dbm":4}'))
    assert not allows(wanted, call("power", "{}"))


BOMB: dict[str, object] = {"9": {"type": "string"}}
for number in range(9):
    members = {key: {"$ref": f"#/$defs/{number + 1}"} for key in "abcdefgh"}
    BOMB[str(number)] = {"type": "object", "properties": members, "required": list(members)}
REFERENCES = [
    ({"$ref": "#"}, "must be the schema of an object"),
    (
        {"$ref": "#/$defs/a", "$defs": {"a": {"$ref": "#/$defs/b"}, "b": {"$ref": "#/$defs/a"}}},
        "must be the schema of an object",
    ),
    ({"$ref": "#/$defs/a", "$defs": {"a": {"type": "string"}}}, "must be the schema of an object"),
    ({"$ref": "#/$defs/a", "$defs": {"a": {"properties": {}}}}, "of the type object"),
    ({"$ref": "http://127.0.0.1:1/schema.json"}, "is not in this document"),
    ({"$ref": "file:///etc/passwd"}, "is not in this document"),
    ({"$ref": "#/$defs/none"}, "is not in this document"),
    ({"$ref": "#/$defs/0", "$defs": BOMB}, "no text matches"),
]  # fmt: skip


@pytest.mark.parametrize(("schema", "says"), REFERENCES, ids=lambda value: str(value)[:40])
def test_a_hostile_reference_is_refused(schema: dict[str, object], says: str) -> None:
    with pytest.raises(FormatError, match=says):
        tool_program(ToolCalls((Tool("a", "", json.dumps(schema)),), required=True))


# ---- reading


def read(pieces: list[str]) -> tuple[str, list[tuple[str, str]], int]:
    """The text, the calls with their arguments, and how many are complete."""
    reader, text = ToolReader(), ""
    calls: dict[int, list[str]] = {}
    for piece in pieces:
        said = reader.feed(piece)
        text += said.text
        for each in said.calls:
            known = calls.setdefault(each.index, [each.name, ""])
            known[1] += each.arguments
    text += reader.flush()
    return text, [(name, arguments) for name, arguments in calls.values()], reader.num_complete


WHOLE = [
    ("Just < text </tool_call> <tool_cal", ("Just < text </tool_call> <tool_cal", [], 0)),
    ("Well.\n" + POWER, ("Well.\n", [("set_power", '{"cell":"north","dbm":40}')], 1)),
    (TIME + "\n" + POWER, ("", [("clock", "{}"), ("set_power", '{"cell":"north","dbm":40}')], 2)),
    (POWER[:-20], ("", [("set_power", '{"cell":"north","dbm":40}'[:-3])], 0)),
]


@pytest.mark.parametrize(("text", "expected"), WHOLE[:3])
def test_calls_are_read_however_the_text_is_cut(text: str, expected: object) -> None:
    assert read([text]) == read(list(text)) == expected
    for size in (2, 3, 7, 13):
        assert read([text[at : at + size] for at in range(0, len(text), size)]) == expected


def test_arguments_that_look_like_the_end() -> None:
    arguments = '{"cell":"}\\\\n</tool_call>","dbm":1}'
    assert read(list(call("set_power", arguments)))[1] == [("set_power", arguments)]


def finished(reason: FinishReason) -> Finished:
    return Finished(reason, 1, 0, 9, 0.0, 0.0, 0.0, 0.0)


async def test_the_guard_tells_calls_and_counts_every_token() -> None:
    guard = ToolGuard(b"")
    events = [event for char in "Hm" + POWER for event in await guard.read(Chunk(char, 1))]
    end = await guard.read(finished(FinishReason.STOP))
    chunks = [event for event in events if isinstance(event, Chunk)]
    assert end == [finished(FinishReason.TOOL_CALLS)]
    assert all(chunk.text or chunk.tool_calls for chunk in chunks)
    assert "".join(chunk.text for chunk in chunks) == "Hm"
    first = next(delta for chunk in chunks for delta in chunk.tool_calls)
    assert (first.index, first.name, first.id[:5]) == (0, "set_power", "call_")
    assert first.arguments == ""


async def test_a_cut_call_is_no_call() -> None:
    guard = ToolGuard(b"")
    await guard.read(Chunk(POWER[:-5], 9))
    assert await guard.read(finished(FinishReason.LENGTH)) == [finished(FinishReason.LENGTH)]


async def test_held_text_comes_before_the_end() -> None:
    guard = ToolGuard(b"")
    assert await guard.read(Chunk("<tool", 2)) == []
    assert await guard.read(finished(FinishReason.STOP)) == [Chunk("<tool", 2), finished(FinishReason.STOP)]


def test_a_delta_is_plain_data() -> None:
    assert ToolCallDelta(0) == ToolCallDelta(0, "", "", "")
