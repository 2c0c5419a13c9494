"""What the server and a text process say to each other, in the frames of `engine.messages`.

Text travels as UTF-8, tokens as 4-byte integers of this machine.
"""

from typing import Any, TypeAlias

import msgspec

# ---- server → text process


class Read(msgspec.Struct, frozen=True, tag="read"):
    """Text to tokens. `text` is a raw prompt; without, `turns` are roles and contents of a conversation.

    With `choices` the tokens of the prompt, then of the prompt with each choice behind it. `size` is the
    bytes of all that is tokenized; `limit_s` seconds of CPU time it may take. `apart`: in a process of
    its own.
    """

    request_id: int
    text: bytes | None
    turns: list[tuple[str, bytes]] = []
    choices: list[bytes] | None = None
    size: int = 0
    apart: bool = False
    limit_s: float = 0.0


class Render(msgspec.Struct, frozen=True, tag="render"):
    """A task's prompt: its template with these values. The rest as in Read."""

    request_id: int
    template: str
    inputs: dict[str, Any]
    size: int = 0
    apart: bool = False
    limit_s: float = 0.0


class Check(msgspec.Struct, frozen=True, tag="check"):
    """JSON texts against JSON schemas, in pairs of a schema and a text. The rest as in Read."""

    request_id: int
    pairs: list[tuple[str, bytes]]
    size: int = 0
    apart: bool = False
    limit_s: float = 0.0


ToText: TypeAlias = Read | Render | Check


# ---- text process → server


class Loaded(msgspec.Struct, frozen=True, tag="loaded"):
    """The vocabulary is there. `pieces` are the bytes of all tokens in a row, `starts` where each begins,
    the end of the last one included. `fingerprint` is of all that tells what a text becomes.
    """

    has_chat_template: bool
    max_piece_bytes: int
    pieces: bytes
    starts: bytes
    fingerprint: bytes


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


class Rendered(msgspec.Struct, frozen=True, tag="rendered"):
    """The answer to Render."""

    request_id: int
    text: bytes


class Checked(msgspec.Struct, frozen=True, tag="checked"):
    """The answer to Check: for each pair why the text does not conform, "" where it does."""

    request_id: int
    faults: list[str]


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


FromText: TypeAlias = Loaded | LoadFailed | Tokens | Rendered | Checked | Refused | Broke

_to_text = msgspec.msgpack.Decoder(ToText)
_from_text = msgspec.msgpack.Decoder(FromText)


def decode_to_text(body: bytes) -> ToText:
    """Raises msgspec.ValidationError when the body is no such message."""
    message: ToText = _to_text.decode(body)
    return message


def decode_from_text(body: bytes) -> FromText:
    """Raises msgspec.ValidationError when the body is no such message."""
    message: FromText = _from_text.decode(body)
    return message
