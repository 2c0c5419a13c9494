"""Tools as callers of every edge declare and use them: the checks that need no model."""

import json
import re
from collections.abc import Iterable, Sequence

from xapp.domain.chat import ChatMessage, Tool
from xapp.domain.format_kinds import ToolCalls
from xapp.errors import InvalidArgument
from xapp.formats.tool_calls import MAX_CALLS, MAX_TOOLS

MAX_DESCRIPTION_CHARS = 4096
MAX_ID_CHARS = 256
_NAME = re.compile(r"[a-zA-Z0-9_-]{1,64}")


def check_number(field: str, count: int) -> None:
    """Called before anything is made of them. Raises InvalidArgument."""
    if count > MAX_TOOLS:
        raise InvalidArgument(field, f"has {count} tools, at most {MAX_TOOLS} are taken")


def check_tools(field: str, tools: Sequence[Tool]) -> None:
    """Raises InvalidArgument with the place."""
    names: set[str] = set()
    for index, tool in enumerate(tools):
        place = f"{field}[{index}]"
        if not _NAME.fullmatch(tool.name):
            raise InvalidArgument(f"{place}.name", "must be 1 to 64 letters, digits, _ and -")
        if tool.name in names:
            raise InvalidArgument(f"{place}.name", f"{tool.name!r} is there twice")
        if len(tool.description) > MAX_DESCRIPTION_CHARS:
            text = f"has more than {MAX_DESCRIPTION_CHARS} characters"
            raise InvalidArgument(f"{place}.description", text)
        names.add(tool.name)


def chosen(field: str, tools: Sequence[Tool], name: str, *, required: bool, parallel: bool) -> ToolCalls:
    """The calls that an answer may have. `name` "" is any tool; otherwise this tool is called."""
    if not name:
        return ToolCalls(tuple(tools), required, parallel)
    only = tuple(tool for tool in tools if tool.name == name)
    if not only:
        raise InvalidArgument(field, f"no tool has the name {name[:64]!r}")
    return ToolCalls(only, required=True, parallel=parallel)


def check_messages(field: str, messages: Iterable[ChatMessage]) -> None:
    """Each result of a tool follows its call, and arguments are JSON objects. Raises InvalidArgument."""
    open_calls: set[str] = set()
    for index, message in enumerate(messages):
        place = f"{field}[{index}]"
        if message.role == "tool":
            if message.tool_call_id not in open_calls:
                text = f"{message.tool_call_id[:64]!r} is the id of no call in an earlier message"
                raise InvalidArgument(f"{place}.tool_call_id", text)
        elif message.tool_call_id:
            raise InvalidArgument(f"{place}.tool_call_id", "is only for messages of the role tool")
        if message.tool_calls and message.role != "assistant":
            raise InvalidArgument(f"{place}.tool_calls", "are only for messages of the role assistant")
        open_calls |= _ids(f"{place}.tool_calls", message)


def _ids(place: str, message: ChatMessage) -> set[str]:
    if len(message.tool_calls) > MAX_CALLS:
        text = f"has {len(message.tool_calls)} calls, at most {MAX_CALLS} are taken"
        raise InvalidArgument(place, text)
    for index, call in enumerate(message.tool_calls):
        if not _NAME.fullmatch(call.name):
            raise InvalidArgument(f"{place}[{index}].name", "must be 1 to 64 letters, digits, _ and -")
        if not 1 <= len(call.id) <= MAX_ID_CHARS:
            raise InvalidArgument(f"{place}[{index}].id", f"must be 1 to {MAX_ID_CHARS} characters")
        if not _is_object(call.arguments):
            raise InvalidArgument(f"{place}[{index}].arguments", "is not the text of a JSON object")
    return {call.id for call in message.tool_calls}


def _is_object(text: str) -> bool:
    try:
        return isinstance(json.loads(text), dict)
    except (ValueError, RecursionError):
        return False
