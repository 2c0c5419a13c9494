"""Converts the input of a request: a prompt or a chat."""

from xapp.domain.chat import ToolCall
from xapp.domain.requests import ChatMessage, Prompt
from xapp.edge.request_limits import check_num_messages
from xapp.edge.tool_use import check_messages
from xapp.errors import InvalidArgument
from xapp.inference.v1 import inference_pb2 as pb

_ROLES = frozenset(("system", "user", "assistant", "tool"))


def to_prompt(
    wire: pb.GenerateRequest | pb.TokenizeRequest | pb.EstimateRequest | pb.ScoreRequest,
) -> Prompt:
    """The input: a prompt or a chat."""
    match wire.WhichOneof("input"):
        case "prompt":
            return _text(wire.prompt)
        case "chat":
            return _chat(wire.chat)
        case _:
            raise InvalidArgument("input", "set prompt or chat")


def _text(prompt: str) -> str:
    if not prompt:
        raise InvalidArgument("prompt", "is empty")
    return prompt


def _chat(chat: pb.Chat) -> tuple[ChatMessage, ...]:
    check_num_messages("chat.messages", len(chat.messages))
    messages = tuple(_message(index, message) for index, message in enumerate(chat.messages))
    check_messages("chat.messages", messages)
    return messages


def _message(index: int, message: pb.Message) -> ChatMessage:
    if message.role not in _ROLES:
        raise InvalidArgument(
            f"chat.messages[{index}].role", f"{message.role[:32]!r} is none of system, user, assistant, tool"
        )
    calls = tuple(ToolCall(each.id, each.name, each.arguments) for each in message.tool_calls)
    return ChatMessage(message.role, message.content, calls, message.tool_call_id)
