"""The dialect's objects of tool calls: whole, or as deltas of a stream."""

from collections.abc import Sequence
from typing import Any

from xapp.domain.answers import ToolCallDelta
from xapp.gateway.tool_fields import FUNCTION


def delta(call: ToolCallDelta) -> dict[str, Any]:
    """A piece of a call."""
    if not call.id:
        return {"index": call.index, "function": {"arguments": call.arguments}}
    function = {"name": call.name, "arguments": call.arguments}
    return {"index": call.index, "id": call.id, "type": FUNCTION, "function": function}


def whole(deltas: Sequence[ToolCallDelta]) -> list[dict[str, Any]]:
    """The calls that all pieces make."""
    calls: dict[int, dict[str, Any]] = {}
    for each in deltas:
        if each.id:
            function = {"name": each.name, "arguments": ""}
            calls[each.index] = {"id": each.id, "type": FUNCTION, "function": function}
        calls[each.index]["function"]["arguments"] += each.arguments
    return list(calls.values())
