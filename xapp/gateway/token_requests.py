"""The bodies of POST /tokenize and POST /detokenize, as vLLM spells them."""

from typing import Annotated

import msgspec
from msgspec import Meta

from xapp.domain.requests import Prompt
from xapp.errors import InvalidArgument
from xapp.gateway.chat_request import Message, to_chat
from xapp.gateway.fields import read_fields
from xapp.gateway.sampling_fields import MAX_MODEL_CHARS

MAX_TOKENS = 100_000
_Model = Annotated[str, Meta(max_length=MAX_MODEL_CHARS)]


class TokenizeFields(msgspec.Struct, frozen=True):
    """Either `prompt` or `messages`."""

    model: _Model = ""
    prompt: str | None = None
    messages: list[Message] | None = None


class DetokenizeFields(msgspec.Struct, frozen=True):
    """Token ids."""

    model: _Model = ""
    tokens: Annotated[list[Annotated[int, Meta(ge=0, le=2**31 - 1)]], Meta(max_length=MAX_TOKENS)] = []


def read_tokenize(body: bytes) -> tuple[str, Prompt]:
    """The model, and what to tokenize."""
    fields = read_fields(body, TokenizeFields, {})
    if fields.prompt and fields.messages:
        raise InvalidArgument("messages", "is set beside prompt: set one of them")
    if fields.messages:
        return fields.model, to_chat(fields.messages)
    if not fields.prompt:
        raise InvalidArgument("prompt", "is empty, and there are no messages")
    return fields.model, fields.prompt


def read_detokenize(body: bytes) -> DetokenizeFields:
    """The model and the tokens."""
    return read_fields(body, DetokenizeFields, {})
