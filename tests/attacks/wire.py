"""Attacks made of bytes: what no gRPC library sends, or never so much of it."""

import asyncio
import contextlib
import struct
from collections.abc import AsyncIterator, Iterator

from tests.attacks.attack import Place, attack, crowd
from tests.server import raw_http2
from tests.server.raw_http2 import frame
from xapp.inference.v1 import inference_pb2 as pb

GENERATE = "/xapp.inference.v1.InferenceService/Generate"
TOKENIZE = "/xapp.inference.v1.InferenceService/Tokenize"
VERIFY = "/xapp.inference.v1.VerificationService/Verify"
HALF_SENT_BYTES = 3_900_000
_DATA, _WINDOW_UPDATE = 0, 8
_FRAME_BYTES, _WINDOW = 16_384, 65_000
"""Bytes of a frame, and bytes that a server takes unasked, with what the opening has taken left out."""
_OPENING = raw_http2.opening(GENERATE, b"", window=65_535)


@contextlib.asynccontextmanager
async def connected(place: Place, *, http: bool = False) -> AsyncIterator[asyncio.StreamWriter]:
    reader, writer = await asyncio.open_connection(*(place.http if http else place.grpc))
    drain = asyncio.create_task(_drain(reader))
    try:
        yield writer
    finally:
        drain.cancel()
        writer.transport.abort()


async def _drain(reader: asyncio.StreamReader) -> None:
    while await reader.read(1 << 16):
        pass


@attack("a path that is no UTF-8")
async def strange_path(place: Place) -> None:
    await raw_http2.send(place.grpc[1], b"/grpc.health.v1.Health/\xff")
    await asyncio.sleep(0.3)


async def _send_half(place: Place, path: str) -> None:
    """Half of a message, as fast as the server takes it: more than its windows would end the connection."""
    reader, writer = await asyncio.open_connection(*place.grpc)
    left, room = HALF_SENT_BYTES // 2, {0: _WINDOW, 1: _WINDOW}
    try:
        writer.write(raw_http2.opening(path, b"", claimed=HALF_SENT_BYTES))
        while True:
            while (size := min(left, _FRAME_BYTES, *room.values())) > 0:
                writer.write(frame(_DATA, 0, 1, bytes(size)))
                left, room = left - size, {stream: window - size for stream, window in room.items()}
            await writer.drain()
            head = await reader.readexactly(9)
            body = await reader.readexactly(int.from_bytes(head[:3], "big"))
            if head[3] == _WINDOW_UPDATE:
                room[int.from_bytes(head[5:], "big")] += int.from_bytes(body, "big")
    finally:
        writer.transport.abort()


@attack("400 messages of 3.9 MB, half-sent")
async def half_sent(place: Place) -> None:
    await crowd(400, lambda: _send_half(place, GENERATE))


@attack("400 streams whose first message of 3.9 MB is half-sent")
async def half_sent_streams(place: Place) -> None:
    await crowd(400, lambda: _send_half(place, VERIFY))


@attack("1,000 streams that never read")
async def never_read(place: Place) -> None:
    body = pb.GenerateRequest(prompt="hi", max_tokens=64, ignore_eos=True).SerializeToString()

    async def one() -> None:
        _, writer = await asyncio.open_connection(*place.grpc)
        try:
            writer.write(raw_http2.opening(GENERATE, body, window=0))
            await asyncio.sleep(60)
        finally:
            writer.transport.abort()

    await crowd(1000, one)


@attack("connections that come and go")
async def connections(place: Place) -> None:
    for _ in range(50):
        async with connected(place):
            pass


async def _repeated(place: Place, frames: Iterator[bytes]) -> None:
    """After a call was begun: frames, as fast as the server takes them."""
    async with connected(place) as writer:
        writer.write(_OPENING)
        for data in frames:
            writer.write(data)
            await writer.drain()


@attack("pings")
async def pings(place: Place) -> None:
    await _repeated(place, (frame(6, 0, 0, bytes(8)) * 500 for _ in range(50)))


@attack("settings")
async def many_settings(place: Place) -> None:
    body = b"".join(struct.pack("!HI", 4, 65_535 + number) for number in range(200))
    await _repeated(place, (frame(4, 0, 0, body) * 20 for _ in range(50)))


@attack("header blocks that never end")
async def continuations(place: Place) -> None:
    async with connected(place) as writer:
        writer.write(raw_http2.PREFACE + frame(4, 0, 0, b"") + frame(1, 0, 1, b"\x82"))
        field = b"\x00\x05x-abc\x7f\x80\x01" + b"y" * 255
        for _ in range(200):
            writer.write(frame(9, 0, 1, field * 30))
            await writer.drain()


@attack("empty data frames")
async def empty_frames(place: Place) -> None:
    await _repeated(place, (frame(0, 0, 1, b"") * 2000 for _ in range(20)))


@attack("HTTP that is none, and headers that never end")
async def bad_http(place: Place) -> None:
    async def one() -> None:
        async with connected(place, http=True) as writer:
            writer.write(b"\x00\xff GET / HTTP/9\r\n\r\n")
            await writer.drain()
        async with connected(place, http=True) as writer:
            writer.write(b"GET / HTTP/1.1\r\n")
            for number in range(200):
                writer.write(b"x-%d: " % number + b"y" * 8000 + b"\r\n")
                await writer.drain()
            await asyncio.sleep(0.2)

    with contextlib.suppress(ExceptionGroup):
        await crowd(20, one)


@attack("1,000 connections that say nothing, on both ports")
async def silent(place: Place) -> None:
    async def one(http: bool) -> None:
        async with connected(place, http=http):
            await asyncio.sleep(60)

    await asyncio.gather(crowd(500, lambda: one(http=True)), crowd(500, lambda: one(http=False)))


def _resets() -> Iterator[bytes]:
    """Stream after stream, each reset as soon as it is open."""
    opened = raw_http2.opening(TOKENIZE, b"")[len(raw_http2.PREFACE) + 9 :]
    headers = opened[: 9 + int.from_bytes(opened[:3], "big")]
    for first in range(3, 2000, 100):
        streams = range(first, first + 100, 2)
        yield b"".join(
            headers[:5] + struct.pack("!I", stream) + headers[9:] + frame(3, 0, stream, struct.pack("!I", 8))
            for stream in streams
        )


@attack("streams opened and reset at once")
async def rapid_reset(place: Place) -> None:
    await _repeated(place, _resets())
