"""Writes one answer's messages, one at a time."""

import asyncio
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from xapp.inference.v1 import inference_pb2 as pb
from xapp.server import respond
from xapp.server.watchdog import WatchedStream
from xapp.service.types import Chunk, Event

Write = Callable[[pb.GenerateResponse], Any]


class StreamWriter:
    """A write is a coroutine that waits for a future until the message has gone out.

    `offer` runs it up to there and returns: whoever has the token need not be the stream's task, which
    sleeps on, and nobody is woken when the message is out. The next message finds that the future is
    done. `close` last.
    """

    __slots__ = ("_error", "_message", "_stream", "_write", "_writing", "_written")

    def __init__(self, write: Write, stream: WatchedStream) -> None:
        self._write = write
        self._stream = stream
        self._message = respond.ChunkMessage()
        self._writing: Any = None
        self._written: asyncio.Future[Any] | None = None
        self._error: Exception | None = None

    def offer(self, chunk: Chunk) -> bool:
        """Begins to write. False while the message before is not out, or where it failed: then `send` it."""
        try:
            return self._is_free() and self._begin(chunk)
        except Exception as error:  # noqa: BLE001  raised by `send`, in the stream's task
            self._error = error
            return False

    async def send(self, event: Event) -> None:
        """Writes, after what was begun before. Raises what gRPC raises when the client is gone."""
        await self._settle()
        await self._stream.send(self._write(respond.event(event)))

    def close(self) -> None:
        """Leaves a message that is not out yet to gRPC."""
        if self._writing is None or self._written is None:
            return
        # Cancelled so that gRPC does not report to it any more.
        self._written.cancel()
        with suppress(Exception, asyncio.CancelledError):
            self._advance()

    def _begin(self, chunk: Chunk) -> bool:
        self._stream.writing_since = time.monotonic()
        self._writing = self._write(self._message.fill(chunk))
        self._advance()
        return True

    def _is_free(self) -> bool:
        if self._written is None:
            return self._error is None
        if self._written.done():
            self._advance()
        return self._written is None

    def _advance(self) -> None:
        """Runs the write until it waits, or to its end."""
        try:
            self._written = self._writing.send(None)
        except StopIteration:
            self._writing = self._written = None
        self._stream.written = self._written

    async def _settle(self) -> None:
        if self._error is not None:
            raise self._error
        while self._written is not None:
            # Not awaited itself: a future may be awaited once, and gRPC's coroutine has.
            await asyncio.wait((self._written,))
            self._advance()
        self._stream.writing_since = None
