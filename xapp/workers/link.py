"""The reading end of a worker's socket on the event loop."""

import asyncio
from collections.abc import Callable
from typing import Any

import msgspec

from xapp.domain.messages import FrameBuffer

RECEIVE_BYTES = 64 * 1024


class Link(asyncio.BufferedProtocol):
    """Cuts the byte stream into messages, which `decode` reads.

    Buffered: a plain Protocol allocates 256 KiB for each read.
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
        """Where the next bytes go."""
        return self._buffer

    def buffer_updated(self, nbytes: int) -> None:
        """So many bytes came."""
        try:
            for body in self._frames.feed(bytes(self._buffer[:nbytes])):
                self._on_message(self._decode(body))
        except (ValueError, msgspec.DecodeError) as error:
            self._on_garbage(f"the worker sent what is no message: {error}")

    def connection_lost(self, exc: Exception | None) -> None:
        """The worker ended, or this side closed."""
        self._on_closed()
