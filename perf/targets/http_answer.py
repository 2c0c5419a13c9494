"""An HTTP/1.1 answer, kept as it came and decoded after it has ended.

While tokens flow a read is kept with its time, and looked at only as far as its end must be seen:
decoding must not slow the stream that it measures.
"""

from collections.abc import Iterable, Iterator, Mapping

import msgspec

from perf.targets.target import TargetError

_END_OF_HEAD = b"\r\n\r\n"


class Read(msgspec.Struct, frozen=True):
    """Bytes as they came, and when."""

    at: float
    data: bytes


class Head(msgspec.Struct, frozen=True):
    """Status line and headers, whose names are in lower case. `size` is the head's length in bytes."""

    status: int
    reason: str
    headers: Mapping[str, str]
    size: int

    @property
    def chunked(self) -> bool:
        """Whether the body comes in chunks."""
        return self.headers.get("transfer-encoding", "").lower() == "chunked"

    @property
    def length(self) -> int | None:
        """Of the body, bytes; None where the head does not tell."""
        text = self.headers.get("content-length", "")
        return int(text) if text.isdecimal() and not self.chunked else None

    @property
    def keeps_connection(self) -> bool:
        """Whether another request may follow on the connection."""
        told = self.chunked or self.length is not None
        return told and self.headers.get("connection", "").lower() != "close"


def parse_head(data: bytes) -> Head | None:
    """None while the head is not whole. Raises TargetError (`protocol`) for what is no HTTP."""
    head, end, _ = data.partition(_END_OF_HEAD)
    if not b"HTTP/1.".startswith(head[:7]):
        raise TargetError("protocol", f"not an answer of HTTP: {data[:60]!r}")
    if not end:
        return None
    first, *lines = head.decode("latin-1").split("\r\n")
    _, status, reason = [*first.split(" ", 2), "", ""][:3]
    if not status.isdecimal():
        raise TargetError("protocol", f"not an answer of HTTP: {data[:60]!r}")
    fields = (line.partition(":") for line in lines)
    headers = {name.strip().lower(): value.strip() for name, _, value in fields}
    return Head(int(status), reason, headers, len(head) + len(end))


class ResponseEnd:
    """Tells when an answer is whole, at little cost a read."""

    _LAST_CHUNK = b"\r\n0\r\n\r\n"

    def __init__(self) -> None:
        self.head: Head | None = None
        self._chunked = False
        self._needed: int | None = None
        self._begun = b""
        self._tail = b""
        self._size = 0

    def reached(self, data: bytes) -> bool:
        """Whether the answer ends with `data`. False for ever where only the connection's end tells.

        Raises TargetError (`protocol`).
        """
        self._size += len(data)
        if self.head is None and not self._read_head(data):
            return False
        if self._chunked:
            self._tail = (self._tail + data)[-len(self._LAST_CHUNK) :]
            return self._tail == self._LAST_CHUNK
        return self._needed is not None and self._size >= self._needed

    def _read_head(self, data: bytes) -> bool:
        self._begun += data
        self.head = head = parse_head(self._begun)
        if head is None:
            return False
        self._chunked = head.chunked
        self._needed = None if head.length is None else head.size + head.length
        return True


def body(reads: Iterable[Read], head: Head) -> Iterator[Read]:
    """The reads without head and sizes of chunks. Raises TargetError (`protocol`)."""
    skip, chunks = head.size, _Chunks()
    for read in reads:
        data, skip = read.data[skip:], max(0, skip - len(read.data))
        yield Read(read.at, chunks.feed(data) if head.chunked else data)


class _Chunks:
    def __init__(self) -> None:
        self._rest = b""
        self._left = 0

    def feed(self, data: bytes) -> bytes:
        """What of the payload these bytes bring."""
        self._rest += data
        return b"".join(self._pieces())

    def _pieces(self) -> Iterator[bytes]:
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
        raise TargetError("protocol", f"{line[:40]!r} is no size of an HTTP chunk") from error
