"""Tools in a conversation: for a template that knows them, and in plain words for a template that does not.

A template knows tools when it reads the variable `tools` and writes calls between `<tool_call>` tags, the
tags that answers are held to. For every other template the tools stand in the system message, calls in the
text of the assistant, and results in messages of the user.
"""

import json
from collections.abc import Sequence
from typing import Any

from xapp.domain.chat import TOOLS_ROLE, ChatMessage, ToolCall
from xapp.errors import InvalidArgument
from xapp.text.guard import MARK

_OPEN, _CLOSE = "<tool_call>", "</tool_call>"
_INTRODUCTION = (
    "You can call the tools below, each given as JSON with the schema of its parameters. Call a tool when it "
    "helps to answer. To call a tool, write only this, one block for each call:\n"
    f'{_OPEN}\n{{"name": "NAME", "arguments": {{...}}}}\n{_CLOSE}\n\nTools:\n'
)
_Turns = list[dict[str, Any]]


def has_tools(source: str) -> bool:
    """Whether a template's text knows tools."""
    return "tools" in source and _OPEN in source


def conversation(messages: Sequence[ChatMessage], *, by_template: bool) -> tuple[list[Any] | None, _Turns]:
    """The template's variables `tools` and `messages`. Raises InvalidArgument for a text that is no JSON."""
    tools = None
    if messages[0].role == TOOLS_ROLE:
        tools = _json("tools", messages[0].content)
        messages = messages[1:]
    if by_template:
        return tools, [_turn(message) for message in messages]
    turns = [_plain_turn(message) for message in messages]
    return None, turns if tools is None else _introduced(tools, turns)


def _turn(message: ChatMessage) -> dict[str, Any]:
    turn: dict[str, Any] = {"role": message.role, "content": message.content}
    if message.tool_calls:
        turn["tool_calls"] = [_call(call) for call in message.tool_calls]
    if message.tool_call_id:
        turn["tool_call_id"] = message.tool_call_id
    return turn


def _call(call: ToolCall) -> dict[str, Any]:
    function = {"name": call.name, "arguments": _json("chat.messages", call.arguments)}
    return {"id": call.id, "type": "function", "function": function}


def _plain_turn(message: ChatMessage) -> dict[str, Any]:
    if message.role == "tool":
        return {"role": "user", "content": f"<tool_response>\n{message.content}\n</tool_response>"}
    parts = [message.content] if message.content or not message.tool_calls else []
    for call in message.tool_calls:
        name = json.dumps(call.name)
        parts.append(f'{_OPEN}\n{{"name": {name}, "arguments": {call.arguments}}}\n{_CLOSE}')
    return {"role": message.role, "content": "\n".join(parts)}


def _introduced(tools: list[Any], turns: _Turns) -> _Turns:
    lines = "\n".join(json.dumps(tool, ensure_ascii=False) for tool in tools)
    text = _INTRODUCTION + lines
    if turns and turns[0]["role"] == "system":
        return [{"role": "system", "content": f"{turns[0]['content']}\n\n{text}"}, *turns[1:]]
    return [{"role": "system", "content": text}, *turns]


def _json(field: str, text: str) -> Any:
    """The value of a text that may have marks of the guard. A mark behind the text is no part of it."""
    try:
        return json.loads(text.removesuffix(MARK))
    except (ValueError, RecursionError) as error:
        raise InvalidArgument(field, f"is no JSON: {error}") from error
