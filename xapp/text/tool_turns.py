"""Tools in a conversation: for a template that knows them, and in plain words for a template that does not.

A template knows tools when it reads the variable `tools` and writes calls between `<tool_call>` tags, the
tags that answers are held to. For every other template the tools stand in the system message, calls in the
text of the assistant, and results in messages of the user.

Every text of a caller passes `mark`. In JSON it passes after the escapes were read: a template writes the
character that an escape stands for.
"""

import json
import math
from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

from xapp.domain.chat import TOOLS_ROLE, ChatMessage, ToolCall
from xapp.errors import InvalidArgument

MAX_DEPTH = 64
MAX_WHOLE = 2**64
"""Bounds of a value in JSON, for which the budget of a template has room."""
_OPEN, _CLOSE = "<tool_call>", "</tool_call>"
_INTRODUCTION = (
    "You can call the tools below, each given as JSON with the schema of its parameters. Call a tool when it "
    "helps to answer. To call a tool, write only this, one block for each call:\n"
    f'{_OPEN}\n{{"name": "NAME", "arguments": {{...}}}}\n{_CLOSE}\n\nTools:\n'
)
Mark: TypeAlias = Callable[[str], str]
_Turns = list[dict[str, Any]]


def unmarked(text: str) -> str:
    """A Mark that changes nothing."""
    return text


def has_tools(source: str) -> bool:
    """Whether a template's text knows tools."""
    return "tools" in source and _OPEN in source


def conversation(
    messages: Sequence[ChatMessage], *, by_template: bool, mark: Mark = unmarked
) -> tuple[list[Any] | None, _Turns]:
    """The template's variables `tools` and `messages`. Raises InvalidArgument for a text that is no JSON."""
    tools = None
    if messages[0].role == TOOLS_ROLE:
        tools = _json("tools", messages[0].content, mark)
        messages = messages[1:]
    if by_template:
        return tools, [_turn(message, mark) for message in messages]
    turns = [_plain_turn(message, mark) for message in messages]
    return None, turns if tools is None else _introduced(tools, turns)


def _turn(message: ChatMessage, mark: Mark) -> dict[str, Any]:
    turn: dict[str, Any] = {"role": message.role, "content": mark(message.content)}
    if message.tool_calls:
        turn["tool_calls"] = [_call(call, mark) for call in message.tool_calls]
    if message.tool_call_id:
        turn["tool_call_id"] = mark(message.tool_call_id)
    return turn


def _call(call: ToolCall, mark: Mark) -> dict[str, Any]:
    function = {"name": mark(call.name), "arguments": _json("chat.messages", call.arguments, mark)}
    return {"id": mark(call.id), "type": "function", "function": function}


def _plain_turn(message: ChatMessage, mark: Mark) -> dict[str, Any]:
    content = mark(message.content)
    if message.role == "tool":
        return {"role": "user", "content": f"<tool_response>\n{content}\n</tool_response>"}
    parts = [content] if content or not message.tool_calls else []
    for call in message.tool_calls:
        name = mark(json.dumps(call.name))
        parts.append(f'{_OPEN}\n{{"name": {name}, "arguments": {mark(call.arguments)}}}\n{_CLOSE}')
    return {"role": message.role, "content": "\n".join(parts)}


def _introduced(tools: list[Any], turns: _Turns) -> _Turns:
    lines = "\n".join(json.dumps(tool, ensure_ascii=False) for tool in tools)
    text = _INTRODUCTION + lines
    if turns and turns[0]["role"] == "system":
        return [{"role": "system", "content": f"{turns[0]['content']}\n\n{text}"}, *turns[1:]]
    return [{"role": "system", "content": text}, *turns]


def _json(field: str, text: str, mark: Mark) -> Any:
    """The value of a text, with each text in it marked."""
    try:
        return _marked(json.loads(text, **_NUMBERS), mark, MAX_DEPTH)
    except (ValueError, RecursionError) as error:
        raise InvalidArgument(field, f"is no JSON: {error}") from error


def _whole(digits: str) -> int:
    if len(digits) > len(str(-MAX_WHOLE)) or abs(int(digits)) > MAX_WHOLE:
        raise ValueError(f"{digits[:32]} is a whole number beyond 64 bits")
    return int(digits)


def _number(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise ValueError(f"{text[:32]} is no finite number")
    return number


_NUMBERS: Any = {"parse_int": _whole, "parse_float": _number, "parse_constant": _number}


def _marked(value: Any, mark: Mark, depth: int) -> Any:
    if isinstance(value, str):
        return mark(value)
    if not isinstance(value, dict | list):
        return value
    if not depth:
        raise ValueError(f"it nests deeper than {MAX_DEPTH}")
    if isinstance(value, list):
        return [_marked(each, mark, depth - 1) for each in value]
    return {mark(name): _marked(each, mark, depth - 1) for name, each in value.items()}
