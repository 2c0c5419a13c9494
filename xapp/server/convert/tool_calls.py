"""Converts the tools of a request, and the calls that its answer may have."""

from collections.abc import Sequence

from xapp.domain.chat import NO_PARAMETERS, Tool
from xapp.domain.format_kinds import ToolCalls
from xapp.edge.tool_use import check_number, check_tools, chosen
from xapp.errors import InvalidArgument
from xapp.inference.v1 import inference_pb2 as pb


def to_tool_calls(wire: pb.GenerateRequest) -> ToolCalls | None:
    """The calls that the answer may have; None for none."""
    tools, choice = to_tools(wire.tools), wire.tool_choice
    if choice.mode not in pb.ToolMode.values():
        raise InvalidArgument("tool_choice.mode", f"{choice.mode} is no mode")
    if not tools:
        if wire.HasField("tool_choice"):
            raise InvalidArgument("tool_choice", "is set, but there are no tools")
        return None
    if wire.HasField("format") or wire.task:
        raise InvalidArgument("tools", f"cannot be set beside {'task' if wire.task else 'format'}")
    if wire.WhichOneof("input") == "prompt":
        raise InvalidArgument("tools", "need a chat: a prompt is continued as it is")
    if choice.mode == pb.TOOL_MODE_NONE:
        return None
    parallel = wire.parallel_tool_calls if wire.HasField("parallel_tool_calls") else True
    required = choice.mode == pb.TOOL_MODE_REQUIRED
    return chosen("tool_choice.name", tools, choice.name, required=required, parallel=parallel)


def to_tools(wire: Sequence[pb.Tool]) -> tuple[Tool, ...]:
    """The declared tools, checked."""
    check_number("tools", len(wire))
    tools = tuple(Tool(each.name, each.description, each.parameters or NO_PARAMETERS) for each in wire)
    check_tools("tools", tools)
    return tools
