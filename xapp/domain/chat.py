"""Prompts: plain text, or a conversation."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias

NO_PARAMETERS = '{"type": "object", "properties": {}}'
TOOLS_ROLE = "tools"
"""The role of the first message of a conversation with tools. Its content is a JSON list of the tools."""


@dataclass(frozen=True, slots=True)
class Tool:
    """A function that the model may call. `parameters` is the text of the JSON schema of its arguments."""

    name: str
    description: str = ""
    parameters: str = NO_PARAMETERS


@dataclass(frozen=True, slots=True)
class ToolCall:
    """A call that the model made. `arguments` is the text of a JSON object."""

    id: str
    name: str
    arguments: str


@dataclass(frozen=True, slots=True)
class ChatMessage:
    """One message of a conversation. `role` is system, user, assistant, tool, or TOOLS_ROLE.

    A message of an assistant may have `tool_calls`. A message of a tool answers the call `tool_call_id`.
    """

    role: str
    content: str
    tool_calls: tuple[ToolCall, ...] = ()
    tool_call_id: str = ""

    @property
    def num_chars(self) -> int:
        """Characters of the whole message."""
        calls = sum(len(call.id) + len(call.name) + len(call.arguments) for call in self.tool_calls)
        return len(self.content) + calls


Prompt: TypeAlias = str | tuple[ChatMessage, ...]
"""Plain text, or a conversation for the model's template."""


def with_tools(messages: tuple[ChatMessage, ...], tools: Sequence[Tool]) -> tuple[ChatMessage, ...]:
    """The conversation, in which the model knows the tools."""
    if not tools:
        return messages
    declared = ", ".join(map(_declared, tools))
    return (ChatMessage(TOOLS_ROLE, f"[{declared}]"), *messages)


def _declared(tool: Tool) -> str:
    """The form that chat templates expect."""
    name, description = json.dumps(tool.name), json.dumps(tool.description, ensure_ascii=False)
    function = f'{{"name": {name}, "description": {description}, "parameters": {tool.parameters}}}'
    return f'{{"type": "function", "function": {function}}}'
