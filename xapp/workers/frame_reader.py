"""FrameReader: the reading end of a process's socket on the event loop."""

import asyncio
from collections.abc import Callable
from typing import Any

import msgspec

from xapp.domain.messages import FrameBuffer

RECEIVE_BYTES = 64 * 1024


class FrameReader(asyncio.BufferedProtocol):
    """Cuts the byte stream into messages, which `decode` parses.

    It is a BufferedProtocol because a plain Protocol allocates 256 KiB for each read.
    """

    def __init__(
        self,
        decode: Callable[[bytes], Any],
        on_message: Callable[[Any], None],
        on_garbage: Callable[[str], None],
        on_closed: Callable[[], None],
    ) -> None:
        self._frames = FrameBuffer()
        self._decode = decode
        self._on_message = on_message
        self._on_garbage = on_garbage
        self._on_closed = on_closed
        self._buffer = memoryview(bytearray(RECEIVE_BYTES))

    def get_buffer(self, sizehint: int) -> memoryview:
        """The buffer for the next bytes."""
        return self._buffer

    def buffer_updated(self, nbytes: int) -> None:
        """Reads the messages in the next `nbytes` bytes."""
        try:
            for body in self._frames.feed(bytes(self._buffer[:nbytes])):
                self._on_message(self._decode(body))
        except (ValueError, msgspec.DecodeError) as error:
            self._on_garbage(f"the worker sent an invalid message: {error}")

    def connection_lost(self, exc: Exception | None) -> None:
        """The process ended, or this side closed the socket."""
        self._on_closed()
