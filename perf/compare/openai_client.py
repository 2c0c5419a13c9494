"""Any OpenAI-compatible server as a lean client: POST /v1/completions, streamed, a connection a request."""

import asyncio
import time
from typing import Any

import msgspec

from perf.compare import sse
from perf.compare.place import Endpoint
from perf.streams import Stream

CONNECT_TIMEOUT_S = 10.0
_LAST_CHUNK = b"\r\n0\r\n\r\n"


class Dialect(msgspec.Struct, frozen=True):
    """How to ask this server: the model's name, and fields of the request beyond the common ones."""

    model: str
    extra: dict[str, Any] = {}


class _Connection(asyncio.Protocol):
    def __init__(self) -> None:
        self.reads: list[sse.Read] = []
        self.started = asyncio.Event()
        self.closed = asyncio.Event()
        self.broken: Exception | None = None

    def data_received(self, data: bytes) -> None:
        self.reads.append(sse.Read(time.monotonic(), data))
        if not self.started.is_set() and b"data:" in data:
            self.started.set()
        if data.endswith(_LAST_CHUNK):  # the end, whether or not the server closes as it was asked to
            self.closed.set()

    def connection_lost(self, exc: Exception | None) -> None:
        self.broken = exc
        self.closed.set()
        self.started.set()


class OpenAiCall:
    """One completion under way."""

    def __init__(self, sent: float, connection: _Connection, transport: asyncio.BaseTransport) -> None:
        self.sent = sent
        self._connection = connection
        self._transport = transport

    async def first_token(self) -> None:
        """Returns when the first event is there. Raises as `finish` does when the stream ended instead."""
        await self._connection.started.wait()
        if self._connection.closed.is_set():
            await self.finish()

    async def finish(self) -> Stream:
        """Waits for the end, then parses. Raises ProtocolError, RefusedError, OSError."""
        await self._connection.closed.wait()
        self._transport.close()
        if self._connection.broken:
            raise self._connection.broken
        return self._stream(whole=True)

    def cancel(self) -> Stream:
        """Closes the connection; what came so far."""
        self._transport.close()
        return self._stream(whole=False)

    def _stream(self, *, whole: bool) -> Stream:
        return Stream(self.sent, sse.completion(self._connection.reads, whole=whole))


class OpenAiClient:
    """The connection is made before the clock starts, as a client that keeps connections would have it."""

    def __init__(self, endpoint: Endpoint, dialect: Dialect) -> None:
        self._endpoint = endpoint
        self._dialect = dialect

    async def generate(self, prompt: str, num_tokens: int) -> OpenAiCall:
        """Sends one greedy completion. Raises OSError, TimeoutError."""
        loop = asyncio.get_running_loop()
        async with asyncio.timeout(CONNECT_TIMEOUT_S):
            transport, connection = await loop.create_connection(
                _Connection, self._endpoint.host, self._endpoint.port
            )
        request = self._request(prompt, num_tokens)
        sent = time.monotonic()
        transport.write(request)
        return OpenAiCall(sent, connection, transport)

    def _request(self, prompt: str, num_tokens: int) -> bytes:
        fields = {
            "model": self._dialect.model,
            "prompt": prompt,
            "max_tokens": num_tokens,
            "temperature": 0,
            "stream": True,
            "stream_options": {"include_usage": True},
            **self._dialect.extra,
        }
        return self._endpoint.request("POST", "/v1/completions", msgspec.json.encode(fields))

    async def aclose(self) -> None:
        """Nothing stays open between requests."""
