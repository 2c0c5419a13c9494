"""What the server and a text process say to each other, in the frames of `engine.messages`.

Text travels as UTF-8, tokens as 4-byte integers of this machine.
"""

from typing import TypeAlias

import msgspec

# ---- server → text process


class Read(msgspec.Struct, frozen=True, tag="read"):
    """Text to tokens. `text` is a raw prompt; without, `turns` are roles and contents of a conversation.

    With `choices` the tokens of the prompt, then of the prompt with each choice behind it. `apart`: in a
    process of its own that may take `limit_s` seconds.
    """

    request_id: int
    text: bytes | None
    turns: list[tuple[str, bytes]] = []
    choices: list[bytes] | None = None
    apart: bool = False
    limit_s: float = 0.0


# ---- text process → server


class Loaded(msgspec.Struct, frozen=True, tag="loaded"):
    """The vocabulary is there. `pieces` are the bytes of all tokens in a row, `starts` where each begins,
    the end of the last one included.
    """

    has_chat_template: bool
    max_piece_bytes: int
    pieces: bytes
    starts: bytes


class LoadFailed(msgspec.Struct, frozen=True, tag="load_failed"):
    """The vocabulary cannot be used; the process ends after this."""

    message: str
    reason: str


class Ids(msgspec.Struct, frozen=True, array_like=True):
    """Tokens: the first `shared` of the answer's first list, then `rest`."""

    shared: int
    rest: bytes


class Tokens(msgspec.Struct, frozen=True, tag="tokens"):
    """The answer to Read."""

    request_id: int
    lists: list[Ids]


class Refused(msgspec.Struct, frozen=True, tag="refused"):
    """The text is not taken. `field` is "" where the model's file is at fault."""

    request_id: int
    field: str
    message: str
    reason: str


class Broke(msgspec.Struct, frozen=True, tag="broke"):
    """The process that had the text apart ended on it; `why` is half a sentence."""

    request_id: int
    why: str


FromText: TypeAlias = Loaded | LoadFailed | Tokens | Refused | Broke

_read = msgspec.msgpack.Decoder(Read)
_from_text = msgspec.msgpack.Decoder(FromText)


def decode_read(body: bytes) -> Read:
    """Raises msgspec.ValidationError when the body is no such message."""
    return _read.decode(body)


def decode_from_text(body: bytes) -> FromText:
    """Raises msgspec.ValidationError when the body is no such message."""
    message: FromText = _from_text.decode(body)
    return message
