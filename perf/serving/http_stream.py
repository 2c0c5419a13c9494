"""Answers of llama-server, streamed over HTTP/1.1: as little work a token as the gRPC client does.

While tokens flow a read is kept as it came, with its time; it is parsed after the stream has ended.
"""

import asyncio
import time
from collections.abc import Iterable

import msgspec

from perf.streams import Arrival, Stream

_END_OF_HEAD = b"\r\n\r\n"
_DATA = b"data: "


class HttpError(Exception):
    """The server answered with another status than 200, or not at all."""


class Completion(msgspec.Struct, frozen=True):
    """The part of llama-server's request that the benchmark sets."""

    prompt: str
    n_predict: int
    ignore_eos: bool = True
    temperature: float = 0.0
    cache_prompt: bool = True
    stream: bool = True


class _Event(msgspec.Struct):
    tokens_predicted: int = 0


class Read(msgspec.Struct, frozen=True):
    """Bytes as they came, and when."""

    at: float
    data: bytes


class _Connection(asyncio.Protocol):
    def __init__(self) -> None:
        self.reads: list[Read] = []
        self.started = asyncio.Event()
        self.closed: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def data_received(self, data: bytes) -> None:
        self.reads.append(Read(time.monotonic(), data))
        if not self.started.is_set() and _DATA in data:
            self.started.set()

    def connection_lost(self, exc: Exception | None) -> None:
        if not self.closed.done():
            self.closed.set_result(None)


class HttpCall:
    """One completion under way."""

    def __init__(self, sent: float, connection: _Connection, transport: asyncio.BaseTransport) -> None:
        self.sent = sent
        self._connection = connection
        self._transport = transport

    async def first_token(self) -> None:
        """Returns when the first event is there."""
        await self._connection.started.wait()

    async def finish(self) -> Stream:
        """Waits for the end, then parses. Raises HttpError."""
        await self._connection.closed
        return self._stream()

    def cancel(self) -> Stream:
        """Closes the connection, and returns what came so far."""
        self._transport.close()
        return self._stream()

    def _stream(self) -> Stream:
        reads = self._connection.reads
        check_status(b"".join(read.data for read in reads[:2]))
        return Stream(self.sent, list(arrivals(reads)))


async def complete(host: str, port: int, completion: Completion) -> HttpCall:
    """Sends a completion on a connection of its own."""
    loop = asyncio.get_running_loop()
    transport, connection = await loop.create_connection(_Connection, host, port)
    sent = time.monotonic()
    transport.write(_request(host, "POST", "/completion", msgspec.json.encode(completion)))
    return HttpCall(sent, connection, transport)


async def post(host: str, port: int, path: str, body: object) -> bytes:
    """A short call: the body of the answer. Raises HttpError, OSError."""
    return await _exchange(host, port, _request(host, "POST", path, msgspec.json.encode(body)))


async def get(host: str, port: int, path: str) -> bytes:
    """A short call: the body of the answer. Raises HttpError, OSError."""
    return await _exchange(host, port, _request(host, "GET", path, b""))


async def _exchange(host: str, port: int, request: bytes) -> bytes:
    reader, writer = await asyncio.open_connection(host, port)
    try:
        writer.write(request)
        answer = await reader.read()
    finally:
        writer.close()
    check_status(answer)
    return answer.partition(_END_OF_HEAD)[2]


def _request(host: str, method: str, path: str, body: bytes) -> bytes:
    head = (
        f"{method} {path} HTTP/1.1\r\nHost: {host}\r\nContent-Type: application/json\r\n"
        f"Content-Length: {len(body)}\r\nConnection: close\r\n\r\n"
    )
    return head.encode() + body


def check_status(answer: bytes) -> None:
    """Raises HttpError unless the status is 200."""
    line = answer.partition(b"\r\n")[0]
    if line.split(b" ")[1:2] != [b"200"]:
        raise HttpError(f"llama-server answered {line.decode(errors='replace') or 'nothing'}")


def arrivals(reads: Iterable[Read]) -> Iterable[Arrival]:
    """The tokens that each read brought: every event tells how many there are by then.

    An event counts for the read that completed it.
    """
    rest = b""
    known = 0
    for read in reads:
        *whole, rest = (rest + read.data).split(b"\n")
        predicted = max(map(_tokens_predicted, whole), default=0)
        if predicted > known:
            yield Arrival(read.at, predicted - known)
            known = predicted


def _tokens_predicted(line: bytes) -> int:
    if not line.startswith(_DATA):
        return 0
    return msgspec.json.decode(line[len(_DATA) :], type=_Event).tokens_predicted
