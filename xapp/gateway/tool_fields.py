"""The fields of tools: declared tools, the choice among them, and calls in messages."""

from collections.abc import Sequence

import msgspec

from xapp.domain.chat import NO_PARAMETERS, Tool, ToolCall
from xapp.domain.format_kinds import ToolCalls
from xapp.edge.tool_use import check_number, check_tools, chosen
from xapp.errors import InvalidArgument

FUNCTION = "function"
MODES = ("none", "auto", "required")
_NONE = msgspec.Raw(b"null")


class Function(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`strict` makes no difference: arguments always conform."""

    name: str
    description: str | None = None
    parameters: msgspec.Raw = _NONE
    strict: bool | None = None


class ToolField(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`type` is function."""

    type: str
    function: Function


class FunctionName(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The name of a tool."""

    name: str


class NamedTool(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The only tool that may be called."""

    type: str
    function: FunctionName


class CalledFunction(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`arguments` is the text of a JSON object; clients write "" where a function takes none."""

    name: str
    arguments: str


class CallField(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A call of an earlier answer. `index` is its place, where a client made it of the deltas of a stream."""

    id: str
    type: str
    function: CalledFunction
    index: int | None = None


Choice = str | NamedTool


def to_tools(fields: Sequence[ToolField] | None) -> tuple[Tool, ...]:
    """The declared tools. Raises InvalidArgument."""
    fields = fields or ()
    check_number("tools", len(fields))
    tools = tuple(_tool(f"tools[{index}]", each) for index, each in enumerate(fields))
    check_tools("tools", tools)
    return tools


def _tool(place: str, field: ToolField) -> Tool:
    _check_type(f"{place}.type", field.type)
    function = field.function
    given = bytes(function.parameters)
    parameters = NO_PARAMETERS if given == bytes(_NONE) else given.decode()
    return Tool(function.name, function.description or "", parameters)


def _check_type(place: str, kind: str) -> None:
    if kind != FUNCTION:
        raise InvalidArgument(place, f"{kind[:32]!r} is not {FUNCTION}", reason="UNSUPPORTED_FIELD")


def to_tool_calls(tools: tuple[Tool, ...], choice: Choice | None, parallel: bool | None) -> ToolCalls | None:
    """The calls that the answer may have; None for none."""
    if not tools:
        if choice not in (None, "none", "auto"):
            raise InvalidArgument("tool_choice", "is set, but there are no tools")
        return None
    several = parallel is not False
    if isinstance(choice, NamedTool):
        _check_type("tool_choice.type", choice.type)
        return chosen("tool_choice", tools, choice.function.name, required=True, parallel=several)
    if choice is not None and choice not in MODES:
        raise InvalidArgument("tool_choice", f"{choice[:32]!r} is none of {', '.join(MODES)}")
    if choice == "none":
        return None
    return chosen("tool_choice", tools, "", required=choice == "required", parallel=several)


def to_calls(place: str, fields: Sequence[CallField] | None) -> tuple[ToolCall, ...]:
    """The calls of a message."""
    for index, each in enumerate(fields or ()):
        _check_type(f"{place}[{index}].type", each.type)
    calls = ((each.id, each.function) for each in fields or ())
    return tuple(ToolCall(name, function.name, function.arguments or "{}") for name, function in calls)
