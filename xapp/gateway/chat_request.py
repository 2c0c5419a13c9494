"""The body of POST /v1/chat/completions."""

from typing import Annotated, Any

import msgspec
from msgspec import Meta

from xapp.domain.chat import ChatMessage, with_tools
from xapp.domain.format_kinds import Format, JsonSchema, ToolCalls
from xapp.domain.sampling import MAX_TOP
from xapp.edge.request_limits import check_num_messages
from xapp.edge.tool_use import check_messages
from xapp.errors import InvalidArgument
from xapp.gateway.fields import Unsupported, read_fields
from xapp.gateway.sampling_fields import Ask, SamplingFields, includes_usage
from xapp.gateway.to_request import Asker, to_request
from xapp.gateway.tool_fields import CallField, Choice, ToolField, to_calls, to_tool_calls, to_tools

ROLES = {
    "system": "system",
    "developer": "system",
    "user": "user",
    "assistant": "assistant",
    "tool": "tool",
}
"""The dialect's roles, and what the chat template calls them."""
_ANY_OBJECT = JsonSchema('{"type":"object"}')
_Nothing = Annotated[list[Any], Meta(max_length=0)] | None

UNSUPPORTED = {
    "audio": Unsupported(),
    "function_call": Unsupported(("none",), "use tool_choice"),
    "functions": Unsupported(([],), "use tools"),
    "metadata": Unsupported(({},), "correlation_id names a request in the logs"),
    "modalities": Unsupported((["text"],), "answers are text"),
    "moderation": Unsupported(),
    "prediction": Unsupported(),
    "prompt_cache_key": Unsupported((), "prefixes are found without a key"),
    "prompt_cache_options": Unsupported((), "prefixes are found without options"),
    "prompt_cache_retention": Unsupported(("in_memory",), "prefixes are found without a key"),
    "reasoning_effort": Unsupported(("none",)),
    "safety_identifier": Unsupported((), "use user"),
    "service_tier": Unsupported(("auto", "default"), "use priority"),
    "store": Unsupported((False,), "nothing is stored"),
    "verbosity": Unsupported(("medium",)),
    "web_search_options": Unsupported(),
}


_ONLY_NULL = ("name", "refusal", "audio", "function_call")
"""Fields of a message that the dialect has and this service has not."""


class Message(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A message. Some fields are empty in answers that a client sends back.

    `reasoning_content` is not part of the prompt: models do not read their earlier reasoning.
    """

    role: str
    content: str | list[dict[str, Any]] | None = None
    name: Any = None
    refusal: Any = None
    annotations: _Nothing = None
    audio: Any = None
    function_call: Any = None
    tool_calls: list[CallField] | None = None
    tool_call_id: str | None = None
    reasoning_content: str | None = None


class JsonSchemaFormat(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`strict` makes no difference: an answer always conforms."""

    name: str
    schema: msgspec.Raw
    description: str | None = None
    strict: bool | None = None


class ResponseFormat(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`type` is text, json_object or json_schema."""

    type: str
    json_schema: JsonSchemaFormat | None = None


class ChatFields(SamplingFields, frozen=True, kw_only=True):
    """The supported fields."""

    messages: list[Message] | None = None
    max_tokens: Annotated[int, Meta(ge=1, le=2**31 - 1)] | None = None
    max_completion_tokens: Annotated[int, Meta(ge=1, le=2**31 - 1)] | None = None
    response_format: ResponseFormat | None = None
    tools: list[ToolField] | None = None
    tool_choice: Choice | None = None
    parallel_tool_calls: bool | None = None
    logprobs: bool | None = None
    top_logprobs: Annotated[int, Meta(ge=0, le=MAX_TOP)] | None = None


def read_chat(body: bytes, asker: Asker) -> Ask:
    """Raises InvalidArgument with the field."""
    fields = read_fields(body, ChatFields, UNSUPPORTED)
    tools = to_tools(fields.tools)
    calls = to_tool_calls(tools, fields.tool_choice, fields.parallel_tool_calls)
    request = to_request(
        fields,
        asker,
        with_tools(_prompt(fields), tools if calls else ()),
        _max_tokens(fields),
        form=_format(fields, calls),
        top_log_probabilities=_top(fields),
    )
    return Ask(request, fields.n or 1, bool(fields.stream), includes_usage(fields))


def _top(fields: ChatFields) -> int | None:
    if fields.logprobs:
        return fields.top_logprobs or 0
    if fields.top_logprobs is not None:
        raise InvalidArgument("top_logprobs", "is set, but logprobs is not")
    return None


def _prompt(fields: ChatFields) -> tuple[ChatMessage, ...]:
    if fields.task is not None:
        if fields.messages:
            raise InvalidArgument("messages", "must be empty beside task, which makes the prompt")
        return ()
    return to_chat(fields.messages)


def to_chat(messages: list[Message] | None) -> tuple[ChatMessage, ...]:
    """The conversation."""
    check_num_messages("messages", len(messages or ()))
    chat = tuple(_message(f"messages[{index}]", message) for index, message in enumerate(messages or ()))
    check_messages("messages", chat)
    return chat


def _message(place: str, message: Message) -> ChatMessage:
    if message.role not in ROLES:
        raise InvalidArgument(f"{place}.role", f"{message.role[:32]!r} is none of {', '.join(ROLES)}")
    for field in _ONLY_NULL:
        if getattr(message, field) is not None:
            text = "is not supported by this service: leave it out"
            raise InvalidArgument(f"{place}.{field}", text, reason="UNSUPPORTED_FIELD")
    calls = to_calls(f"{place}.tool_calls", message.tool_calls)
    # An answer that only calls tools has no text.
    content = "" if message.content is None and calls else message.content
    text = _text(f"{place}.content", content)
    return ChatMessage(ROLES[message.role], text, calls, message.tool_call_id or "")


def _text(place: str, content: str | list[dict[str, Any]] | None) -> str:
    if content is None:
        raise InvalidArgument(place, "is missing")
    if isinstance(content, str):
        return content
    return "".join(_part(f"{place}[{index}]", part) for index, part in enumerate(content))


def _part(place: str, part: dict[str, Any]) -> str:
    kind, text = part.get("type"), part.get("text")
    if kind != "text":
        shown = str(kind)[:32]
        raise InvalidArgument(place, f"is of the type {shown!r}: only text is read", reason="NOT_TEXT")
    if not isinstance(text, str):
        raise InvalidArgument(f"{place}.text", "must be a string")
    for name in part.keys() - {"type", "text"}:
        raise InvalidArgument(f"{place}.{name[:64]}", "is no known field", reason="UNKNOWN_FIELD")
    return text


def _max_tokens(fields: ChatFields) -> int | None:
    old, new = fields.max_tokens, fields.max_completion_tokens
    if old is not None and new is not None and old != new:
        raise InvalidArgument("max_tokens", "differs from max_completion_tokens: set one of them")
    return new if new is not None else old


def _format(fields: ChatFields, calls: ToolCalls | None) -> Format | None:
    wanted = fields.response_format
    if calls is not None and fields.task is not None:
        raise InvalidArgument("tools", "cannot be set beside task")
    if wanted is None or wanted.type == "text":
        return calls
    if calls is not None:
        raise InvalidArgument("response_format", "cannot be set beside tools, unless tool_choice is none")
    if fields.task is not None:
        raise InvalidArgument("response_format", "cannot be set beside task, which has its own")
    if wanted.type == "json_object":
        return _ANY_OBJECT
    if wanted.type != "json_schema":
        text = f"{wanted.type[:32]!r} is none of text, json_object, json_schema"
        raise InvalidArgument("response_format.type", text)
    if wanted.json_schema is None:
        raise InvalidArgument("response_format.json_schema", "is missing")
    return JsonSchema(bytes(wanted.json_schema.schema).decode())
