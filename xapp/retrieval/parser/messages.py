"""The messages between the server and the parser process, in the frames of `domain.frames`."""

from typing import TypeAlias

import msgspec

from xapp.text.messages import Broke


class Parse(msgspec.Struct, frozen=True, tag="parse"):
    """A document. `size` is its bytes. `limit_s` is the limit of CPU time, seconds."""

    request_id: int
    name: str
    media_type: str
    content: bytes
    passage_chars: int
    overlap_chars: int
    size: int
    limit_s: float


class Piece(msgspec.Struct, frozen=True, array_like=True):
    """A passage."""

    text: str
    title: str
    start: int
    end: int


class Pieces(msgspec.Struct, frozen=True, tag="pieces"):
    """The passages of a document. `title` is the document's own, or ""."""

    request_id: int
    title: str
    pieces: list[Piece]


class Unreadable(msgspec.Struct, frozen=True, tag="unreadable"):
    """The document is skipped: why, for programs and for people."""

    request_id: int
    reason: str
    message: str


FromParser: TypeAlias = Pieces | Unreadable | Broke
decode_parse = msgspec.msgpack.Decoder(Parse).decode
decode_from_parser = msgspec.msgpack.Decoder(FromParser).decode
