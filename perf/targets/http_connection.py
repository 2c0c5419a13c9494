"""One HTTP/1.1 connection: a request, and its answer as it comes. Knows no dialect."""

import asyncio
import ssl
import time

from perf.targets.http_answer import Head, Read, ResponseEnd
from perf.targets.http_endpoint import HttpEndpoint
from perf.targets.target import TargetError

CONNECT_TIMEOUT_S = 10.0
ANSWER_LIMIT = 16_000_000
_READ_BYTES = 65_536
_EVENT = b"data:"


class Exchange:
    """One request and what came of it. `reused`: the connection had served another one before."""

    def __init__(self, sent: float, *, reused: bool) -> None:
        self.sent = sent
        self.reads: list[Read] = []
        self.started = asyncio.Event()
        self.ended = asyncio.Event()
        self.error: Exception | None = None
        self._reused = reused
        self._end = ResponseEnd()
        self._size = 0

    @property
    def head(self) -> Head | None:
        """None when the connection ended before it was whole."""
        return self._end.head

    @property
    def stale(self) -> bool:
        """Whether the server had closed a kept connection before it saw the request."""
        return self._reused and self.ended.is_set() and not self.reads

    def received(self, data: bytes) -> bool:
        """Keeps it; whether the answer is whole. Raises TargetError for too much, or what is no HTTP."""
        self.reads.append(Read(time.monotonic(), data))
        self._size += len(data)
        if self._size > ANSWER_LIMIT:
            raise TargetError("protocol", f"an answer of more than {ANSWER_LIMIT} bytes")
        if not self.started.is_set() and _EVENT in data:
            self.started.set()
        return self._end.reached(data)

    def end(self, error: Exception | None = None) -> None:
        """Nothing more comes."""
        self.error = error
        self.started.set()
        self.ended.set()


class HttpConnection(asyncio.BufferedProtocol):
    """Made by `connect`. One exchange at a time; `usable` says whether another may follow."""

    def __init__(self) -> None:
        self._transport: asyncio.Transport | None = None
        self._exchange: Exchange | None = None
        self._used = False
        self._lost = False
        # Reads go into one buffer: asyncio would make 256 KiB for each, a third of a token's cost.
        self._buffer = memoryview(bytearray(_READ_BYTES))

    @property
    def usable(self) -> bool:
        """Whether it is open and the last answer ended in a way that lets another one follow."""
        last = self._exchange
        kept = last is None or (last.error is None and last.head is not None and last.head.keeps_connection)
        return kept and not self._lost

    def send(self, request: bytes) -> Exchange:
        """Sends a whole request."""
        assert self._transport is not None
        self._exchange = exchange = Exchange(time.monotonic(), reused=self._used)
        self._used = True
        if self._lost:
            exchange.end()
        else:
            self._transport.write(request)
        return exchange

    def close(self) -> None:
        """Ends it. Safe to call twice."""
        if self._transport is not None:
            self._transport.abort()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """See asyncio.BufferedProtocol."""
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def get_buffer(self, sizehint: int) -> memoryview:
        """See asyncio.BufferedProtocol."""
        return self._buffer

    def buffer_updated(self, nbytes: int) -> None:
        """See asyncio.BufferedProtocol."""
        self._received(bytes(self._buffer[:nbytes]))

    def _received(self, data: bytes) -> None:
        if self._exchange is None or self._exchange.ended.is_set():
            return
        try:
            if self._exchange.received(data):
                self._exchange.end()
        except TargetError as error:
            self._exchange.end(error)
            self.close()

    def connection_lost(self, exc: Exception | None) -> None:
        """See asyncio.BufferedProtocol."""
        self._lost = True
        if self._exchange is not None and not self._exchange.ended.is_set():
            self._exchange.end(exc)


async def connect(endpoint: HttpEndpoint) -> HttpConnection:
    """A new connection. Raises TargetError (`unreachable`)."""
    loop = asyncio.get_running_loop()
    context = ssl.create_default_context() if endpoint.tls else None
    try:
        async with asyncio.timeout(CONNECT_TIMEOUT_S):
            _, made = await loop.create_connection(HttpConnection, endpoint.host, endpoint.port, ssl=context)
    except TimeoutError as error:
        message = f"{endpoint.url} did not answer within {CONNECT_TIMEOUT_S:g} s"
        raise TargetError("unreachable", message) from error
    except OSError as error:
        raise TargetError("unreachable", f"{endpoint.url}: nobody answers: {error}") from error
    return made
