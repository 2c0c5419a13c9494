"""Reads the bodies of requests: bounded in size and time, and all arriving bodies together in memory."""

import asyncio

from aiohttp import web

from xapp.edge.turns import Turns
from xapp.errors import Exhausted, InvalidArgument

MAX_BYTES = 32 * 1024 * 1024
"""Bytes of all bodies that are arriving."""
TIMEOUT_S = 30.0
_RETRY_AFTER_S = 5.0
_JSON = ("application/json", "application/octet-stream")
"""The second is what aiohttp reports where the header is missing."""


class Bodies:
    """`max_bytes` is the limit of one body."""

    def __init__(self, max_bytes: int, timeout_s: float = TIMEOUT_S) -> None:
        self._max_bytes = max_bytes
        self._timeout_s = timeout_s
        self._num_arriving = 0
        self._turns = Turns()

    async def read(self, request: web.Request) -> bytes:
        """A body in JSON, by its header. Raises as `receive`."""
        if request.content_type not in _JSON:
            text = f"{request.content_type[:64]!r} is not application/json"
            raise InvalidArgument("Content-Type", text, reason="NOT_JSON")
        return await self.receive(request)

    async def receive(self, request: web.Request) -> bytes:
        """The body, once large bodies before it were converted.

        Raises InvalidArgument for a body that is too large; Exhausted, reason SLOW_SENDER, where it does not
        arrive in time or too much arrives at once.
        """
        if request.headers.get("Content-Encoding", "identity").lower() != "identity":
            text = "bodies are taken without compression"
            raise InvalidArgument("Content-Encoding", text, reason="NOT_JSON")
        if (request.content_length or 0) > self._max_bytes:
            raise self._too_large()
        try:
            async with asyncio.timeout(self._timeout_s):
                body = await self._read(request)
        except TimeoutError:
            raise _slow(f"the request did not arrive within {self._timeout_s:g} s") from None
        await self._turns.take(len(body))
        return body

    async def _read(self, request: web.Request) -> bytes:
        body = bytearray()
        try:
            async for piece in request.content.iter_any():
                body += piece
                self._num_arriving += len(piece)
                if len(body) > self._max_bytes:
                    raise self._too_large()
                if self._num_arriving > MAX_BYTES and self._num_arriving > len(body):
                    raise _slow(f"requests of {MAX_BYTES:,} bytes in all are arriving")
            return bytes(body)
        finally:
            self._num_arriving -= len(body)

    def _too_large(self) -> InvalidArgument:
        text = f"has more than {self._max_bytes} bytes (XAPP_MAX_MESSAGE_BYTES)"
        return InvalidArgument("body", text, reason="BODY_TOO_LARGE")


def _slow(why: str) -> Exhausted:
    return Exhausted(why, reason="SLOW_SENDER", retry_after_s=_RETRY_AFTER_S)
