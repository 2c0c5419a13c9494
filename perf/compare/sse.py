"""A streamed HTTP answer, read as it came and parsed after it has ended.

While tokens flow a read is kept with its time and nothing else is done with it: parsing must not slow
the stream that it measures.
"""

from collections.abc import Iterable, Iterator
from typing import Any

import msgspec

from perf.streams import Arrival

_END_OF_HEAD = b"\r\n\r\n"
_DATA = b"data:"
_DONE = b"[DONE]"


class ProtocolError(Exception):
    """The answer is not what an OpenAI-compatible server streams."""


class RefusedError(Exception):
    """The server answered with another status than 200."""


class Read(msgspec.Struct, frozen=True):
    """Bytes as they came, and when."""

    at: float
    data: bytes


class _Choice(msgspec.Struct):
    text: str | None = ""


class _Usage(msgspec.Struct):
    completion_tokens: int = 0


class _Event(msgspec.Struct):
    choices: list[_Choice] = []
    usage: _Usage | None = None
    error: Any = None


class Body:
    """The payload of a response, whole or chunked, fed piece by piece. Raises ProtocolError, RefusedError."""

    def __init__(self) -> None:
        self._rest = b""
        self._chunked: bool | None = None
        self._left = 0

    def feed(self, data: bytes) -> bytes:
        """What of the payload these bytes complete."""
        self._rest += data
        if self._chunked is None and not self._read_head():
            return b""
        if self._chunked:
            return b"".join(self._chunks())
        data, self._rest = self._rest, b""
        return data

    def _read_head(self) -> bool:
        head, end, rest = self._rest.partition(_END_OF_HEAD)
        if not end:
            return False
        lines = head.lower().split(b"\r\n")
        check_status(lines[0], rest)
        self._chunked = any(line.replace(b" ", b"") == b"transfer-encoding:chunked" for line in lines)
        self._rest = rest
        return True

    def _chunks(self) -> Iterator[bytes]:
        while self._rest:
            if self._left:
                piece, self._rest = self._rest[: self._left], self._rest[self._left :]
                self._left -= len(piece)
                yield piece
                continue
            line, end, rest = self._rest.lstrip(b"\r\n").partition(b"\r\n")
            if not end:
                return
            self._left, self._rest = _chunk_size(line), rest


def _chunk_size(line: bytes) -> int:
    try:
        return int(line.partition(b";")[0], 16)
    except ValueError as error:
        raise ProtocolError(f"{line[:40]!r} is no size of an HTTP chunk") from error


def check_status(line: bytes, body: bytes = b"") -> None:
    """Raises RefusedError unless the status is 200, ProtocolError when the line is not HTTP's."""
    version, _, rest = line.partition(b" ")
    if not version.lower().startswith(b"http/"):
        raise ProtocolError(f"not an answer of HTTP: {line[:60]!r}")
    if rest.split(b" ")[:1] != [b"200"]:
        raise RefusedError(f"{rest.decode(errors='replace')}: {body[:300].decode(errors='replace')}".strip())


def events(reads: Iterable[Read]) -> Iterator[tuple[float, bytes]]:
    """Each `data:` line and the time of the read that completed it."""
    body, rest = Body(), b""
    for read in reads:
        *lines, rest = (rest + body.feed(read.data)).split(b"\n")
        for line in lines:
            if line.startswith((_DATA, b"error:")):
                yield read.at, line.partition(b":")[2].strip()


def completion(reads: Iterable[Read], *, whole: bool) -> list[Arrival]:
    """The arrivals of a streamed completion. One event with text is one token, unless usage says otherwise.

    `whole`: the stream must have ended with [DONE]. Raises ProtocolError, RefusedError.
    """
    times: list[float] = []
    tokens, done = 0, False
    for at, data in events(reads):
        if data == _DONE:
            done = True
            continue
        event = _event(data)
        tokens = event.usage.completion_tokens if event.usage else tokens
        if any(choice.text for choice in event.choices):
            times.append(at)
    if whole and not done:
        raise ProtocolError("the stream ended before [DONE]")
    return list(spread(times, tokens or len(times)))


def _event(data: bytes) -> _Event:
    try:
        event = msgspec.json.decode(data, type=_Event)
    except msgspec.DecodeError as error:
        raise ProtocolError(f"not an event of a completion ({error}): {data[:80]!r}") from error
    if event.error:
        raise RefusedError(f"the server said: {event.error}")
    return event


def spread(times: list[float], num_tokens: int) -> Iterator[Arrival]:
    """Tokens without text of their own (half a character) are dealt out evenly; one time, one arrival."""
    given, merged = 0, dict.fromkeys(times, 0)
    for number, at in enumerate(times, start=1):
        upto = num_tokens * number // len(times)
        merged[at] += upto - given
        given = upto
    return (Arrival(at, count) for at, count in merged.items() if count)
