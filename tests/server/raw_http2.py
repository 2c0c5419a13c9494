"""A gRPC call made of bytes, for headers that no gRPC library sends."""

import asyncio
import contextlib
import struct
from collections.abc import Sequence

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
_DATA, _HEADERS, _RST_STREAM, _SETTINGS = 0, 1, 3, 4
_END_STREAM, _END_HEADERS = 1, 4
_INITIAL_WINDOW_SIZE = 4


def frame(kind: int, flags: int, stream: int, body: bytes) -> bytes:
    """A frame of HTTP/2."""
    return struct.pack("!I", len(body))[1:] + bytes((kind, flags)) + struct.pack("!I", stream) + body


def _literal(name: bytes, value: bytes) -> bytes:
    return b"\x00" + bytes((len(name),)) + name + bytes((len(value),)) + value


def opening(
    path: str | bytes,
    body: bytes,
    headers: Sequence[tuple[bytes, bytes]] = (),
    *,
    window: int | None = None,
    claimed: int | None = None,
) -> bytes:
    """What a client sends on a new connection to call `path`; it takes `window` bytes of answer at first.

    `claimed`: the length that the message says it has; it is not ended then.
    """
    settings = b"" if window is None else struct.pack("!HI", _INITIAL_WINDOW_SIZE, window)
    return PREFACE + frame(_SETTINGS, 0, 0, settings) + request(1, path, body, headers, claimed=claimed)


def request(
    stream: int,
    path: str | bytes,
    body: bytes,
    headers: Sequence[tuple[bytes, bytes]] = (),
    *,
    claimed: int | None = None,
) -> bytes:
    """A call on a stream of a connection that is open. `opening` explains `claimed`."""
    names = [
        (b":method", b"POST"),
        (b":scheme", b"http"),
        (b":path", path if isinstance(path, bytes) else path.encode()),
        (b":authority", b"localhost"),
        (b"content-type", b"application/grpc"),
        (b"te", b"trailers"),
        *headers,
    ]
    block = b"".join(_literal(name, value) for name, value in names)
    message = b"\x00" + struct.pack("!I", len(body) if claimed is None else claimed) + body
    return frame(_HEADERS, _END_HEADERS, stream, block) + frame(
        _DATA, _END_STREAM if claimed is None else 0, stream, message
    )


async def send(port: int, path: str | bytes) -> None:
    """Calls `path` without a body, and hangs up without waiting for an answer."""
    _, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(opening(path, b""))
    await writer.drain()
    writer.close()
    with contextlib.suppress(ConnectionError):
        await writer.wait_closed()


async def call(port: int, path: str, body: bytes, headers: Sequence[tuple[bytes, bytes]]) -> bytes:
    """Everything the server answered on stream 1 until it ended it: header blocks and data, joined."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(opening(path, body, headers))
    try:
        return await _stream(reader)
    finally:
        writer.close()
        await writer.wait_closed()


async def _stream(reader: asyncio.StreamReader) -> bytes:
    got = b""
    while True:
        head = await reader.readexactly(9)
        body = await reader.readexactly(int.from_bytes(head[:3], "big"))
        kind, flags, stream = head[3], head[4], int.from_bytes(head[5:], "big")
        if stream != 1:
            continue
        got += body
        if kind == _RST_STREAM or (kind in (_DATA, _HEADERS) and flags & _END_STREAM):
            return got
