"""The messages between the server and a text process, in the frames of `domain.frames`.

Text is sent as UTF-8, tokens as 4-byte integers of this machine.
"""

import hashlib
from typing import Any, TypeAlias

import msgspec

from xapp.domain.text_frames import TextFrames

# ---- server → text process

NO_ID = 0
"""The id of a request that is not sent yet."""


class Turn(msgspec.Struct, frozen=True, array_like=True):
    """One message of a conversation. A call has an id, a name and arguments."""

    role: str
    content: bytes
    calls: list[tuple[str, str, bytes]] = []
    call_id: str = ""


class Read(msgspec.Struct, frozen=True, tag="read"):
    """A request for tokens. `text` is a raw prompt; without it, `turns` are the messages of a
    conversation.

    With `choices`, the answer has the tokens of the prompt, then of the prompt with each choice behind it.
    `size` is the number of bytes to tokenize. `limit_s` is the limit of CPU time, seconds. `forked`: in a
    forked process.
    """

    request_id: int
    text: bytes | None
    turns: list[Turn] = []
    choices: list[bytes] | None = None
    size: int = 0
    forked: bool = False
    limit_s: float = 0.0


class ReadTexts(msgspec.Struct, frozen=True, tag="read_texts"):
    """A request for the tokens of each text, without special tokens. Other fields as in Read.

    Of a longer text the answer has the first `most` and the last `most` tokens: the model reads no more.
    """

    request_id: int
    texts: list[bytes]
    most: int
    size: int = 0
    forked: bool = False
    limit_s: float = 0.0


class Render(msgspec.Struct, frozen=True, tag="render"):
    """A request for a task's prompt: its template with these values. Other fields as in Read."""

    request_id: int
    template: str
    inputs: dict[str, Any]
    size: int = 0
    forked: bool = False
    limit_s: float = 0.0


class Check(msgspec.Struct, frozen=True, tag="check"):
    """A request to check JSON texts against JSON schemas, in pairs. Other fields as in Read."""

    request_id: int
    pairs: list[tuple[str, bytes]]
    size: int = 0
    forked: bool = False
    limit_s: float = 0.0


ToText: TypeAlias = Read | ReadTexts | Render | Check


# ---- text process → server


def vocabulary_digest(pieces: bytes, starts: bytes) -> str:
    """SHA-256, with "sha256:" before it, of the bytes of all tokens; the arguments are those of Loaded."""
    return f"sha256:{hashlib.sha256(pieces + starts).hexdigest()}"


class Loaded(msgspec.Struct, frozen=True, tag="loaded"):
    """The vocabulary is loaded. `pieces` are the bytes of all tokens in a row. `starts` has the start of
    each token, and the end of the last token. `frames` are the special tokens around texts. `fingerprint`
    covers everything that tokenizing depends on.
    """

    has_chat_template: bool
    max_piece_bytes: int
    pieces: bytes
    starts: bytes
    fingerprint: bytes
    frames: TextFrames = TextFrames()


class LoadFailed(msgspec.Struct, frozen=True, tag="load_failed"):
    """The vocabulary cannot be used; the process ends after this."""

    message: str
    reason: str


class Ids(msgspec.Struct, frozen=True, array_like=True):
    """Tokens: the first `shared` tokens of the answer's first list, then `rest`."""

    shared: int
    rest: bytes


class Tokens(msgspec.Struct, frozen=True, tag="tokens"):
    """The answer to Read."""

    request_id: int
    lists: list[Ids]


class TextsRead(msgspec.Struct, frozen=True, tag="texts_read"):
    """The answer to ReadTexts: for each text its tokens, and how many are left out in the middle."""

    request_id: int
    texts: list[tuple[bytes, int]]


class Rendered(msgspec.Struct, frozen=True, tag="rendered"):
    """The answer to Render."""

    request_id: int
    text: bytes


class Checked(msgspec.Struct, frozen=True, tag="checked"):
    """The answer to Check: for each pair the reason why the text does not conform, "" where it does."""

    request_id: int
    faults: list[str]


class Refused(msgspec.Struct, frozen=True, tag="refused"):
    """The text is refused. `field` is "" where the model's file is at fault."""

    request_id: int
    field: str
    message: str
    reason: str


class Broke(msgspec.Struct, frozen=True, tag="broke"):
    """The forked process ended on the text. `why` completes a sentence."""

    request_id: int
    why: str


FromText: TypeAlias = Loaded | LoadFailed | Tokens | TextsRead | Rendered | Checked | Refused | Broke

_to_text = msgspec.msgpack.Decoder(ToText)
_from_text = msgspec.msgpack.Decoder(FromText)


def decode_to_text(body: bytes) -> ToText:
    """Raises msgspec.ValidationError for an invalid body."""
    message: ToText = _to_text.decode(body)
    return message


def decode_from_text(body: bytes) -> FromText:
    """Raises msgspec.ValidationError for an invalid body."""
    message: FromText = _from_text.decode(body)
    return message
