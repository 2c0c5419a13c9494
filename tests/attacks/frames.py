"""Attacks made of frames that are allowed, or nearly: odd values, bombs, tiny parts, endless parts."""

import asyncio
import contextlib
import gzip
import struct
from collections.abc import Iterable
from functools import cache

from tests.attacks.attack import Place, attack, crowd
from tests.attacks.wire import GENERATE, TOKENIZE, connected
from tests.server import raw_http2
from tests.server.raw_http2 import frame
from xapp.inference.v1 import inference_pb2 as pb

_DATA, _HEADERS, _SETTINGS, _WINDOW_UPDATE = 0, 1, 4, 8
_END = 1
CHECK = "/grpc.health.v1.Health/Check"
_ODD = (bytes(range(1, 100)), b"\x80\x81", b"\xed\xa0\x80", b"\xf8\x88\x80\x80\x80", b"\r\nx: y", b"")
_NAMES = (
    b"x-client-id",
    b"x-correlation-id",
    b"authorization",
    b"x-own-bin",
    b"grpc-timeout",
    b"grpc-encoding",
)
_TIMES = (b"0n", b"-1S", b"99999999H", b"1x", b"1e3S", b" 1S")


async def _send(place: Place, data: bytes, wait_s: float = 0.05) -> None:
    with contextlib.suppress(OSError):
        async with connected(place) as writer:
            writer.write(data)
            await writer.drain()
            await asyncio.sleep(wait_s)


async def _each(place: Place, sent: Iterable[bytes]) -> None:
    for data in sent:
        await _send(place, data)


@attack("metadata with odd bytes and times")
async def odd_metadata(place: Place) -> None:
    fields = [(name, value) for name in _NAMES for value in _ODD] + [
        (b"grpc-timeout", time) for time in _TIMES
    ]
    await _each(place, (raw_http2.opening(GENERATE, b"", [each]) for each in fields))


@cache
def _bombs() -> tuple[bytes, ...]:
    zeros = bytes(256 * 2**20)
    prompt = pb.GenerateRequest(prompt="a" * 3_900_000).SerializeToString()
    whole = (gzip.compress(body, 9) for body in (zeros, prompt))
    return (*whole, b"no gzip", gzip.compress(prompt)[:-9])


@attack("compressed messages that are 1,000 times as large")
async def bombs(place: Place) -> None:
    async def one(path: str, bomb: bytes) -> None:
        begin = raw_http2.opening(path, b"", [(b"grpc-encoding", b"gzip")], claimed=0)
        message = b"\x01" + struct.pack("!I", len(bomb)) + bomb
        # The last 14 bytes of `opening` are an empty message.
        parts = (frame(_DATA, 0, 1, message[at : at + 16_000]) for at in range(0, len(message), 16_000))
        await _send(place, begin[:-14] + b"".join(parts) + frame(_DATA, _END, 1, b""), 0.3)

    ways = [(path, bomb) for path in (TOKENIZE, CHECK) for bomb in _bombs()]
    await asyncio.gather(*(one(*way) for way in ways * 3))


@attack("messages in frames of one byte, and of padding alone")
async def tiny_frames(place: Place) -> None:
    body = b"\0" + struct.pack("!I", 3000) + pb.TokenizeRequest(prompt="x" * 2997).SerializeToString()
    begin = raw_http2.opening(TOKENIZE, b"", claimed=0)[:-14]
    single = begin + b"".join(frame(_DATA, 0, 1, body[at : at + 1]) for at in range(len(body)))
    padding = begin + frame(_DATA, 8, 1, b"\xff" + bytes(255)) * 60
    await crowd(10, lambda: _each(place, (single, padding)))


@attack("windows that grow by one byte, overflow, open and close")
async def windows(place: Place) -> None:
    body = pb.GenerateRequest(prompt="hi", max_tokens=32, ignore_eos=True).SerializeToString()
    begin = raw_http2.opening(GENERATE, body, window=0)
    one, overflow = struct.pack("!I", 1), struct.pack("!I", 2**31 - 1)
    grow = begin + (frame(_WINDOW_UPDATE, 0, 1, one) + frame(_WINDOW_UPDATE, 0, 0, one)) * 5000
    wobble = begin + b"".join(frame(_SETTINGS, 0, 0, struct.pack("!HI", 4, odd % 2)) for odd in range(500))
    await crowd(8, lambda: _each(place, (grow, wobble, begin + frame(_WINDOW_UPDATE, 0, 0, overflow) * 3)))


@attack("what is no HTTP/2, on the gRPC port")
async def no_http2(place: Place) -> None:
    hello = b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(500)
    sent = (b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", bytes(range(256)) * 20, hello, raw_http2.PREFACE[:10])
    await crowd(50, lambda: _each(place, sent))


@attack("a call with messages without end, where one is due")
async def many_messages(place: Place) -> None:
    async def one(path: str) -> None:
        async with connected(place) as writer:
            writer.write(raw_http2.opening(path, b"", claimed=0))
            for _ in range(50):
                writer.write(frame(_DATA, 0, 1, bytes(5) * 3000))
                async with asyncio.timeout(0.2):
                    await writer.drain()

    ways = [GENERATE, TOKENIZE, CHECK, "/grpc.health.v1.Health/Watch"] * 3
    await asyncio.gather(*(one(path) for path in ways), return_exceptions=True)


@attack("messages that nest 20,000 deep, and groups without end")
async def nests(place: Place) -> None:
    bodies = (_nested(20_000), b"\xfb\x3f" * 8000, b"\x0b" * 16_000, b"\x08\x01" * 8000, b"\xff" * 1000)
    await _each(place, (raw_http2.opening(path, body) for path in (GENERATE, CHECK) for body in bodies))


def _nested(depth: int) -> bytes:
    """`inputs` of a task with lists in lists; at most 16 kB, which one frame may have."""
    value = b""
    for _ in range(depth):
        inside = b"\x0a" + _length(value) + value
        value = b"\x32" + _length(inside) + inside
        if len(value) > 15_000:
            break
    entry = b"\x0a\x01k\x12" + _length(value) + value
    struct_ = b"\x0a" + _length(entry) + entry
    number = pb.GenerateRequest.DESCRIPTOR.fields_by_name["inputs"].number
    return _length(number << 3 | 2) + _length(len(struct_)) + struct_


def _length(of: bytes | int) -> bytes:
    number, out = len(of) if isinstance(of, bytes) else of, b""
    while number >= 128:
        out, number = out + bytes((number % 128 + 128,)), number // 128
    return out + bytes((number,))


@attack("1,000 readers of /metrics")
async def scrapes(place: Place) -> None:
    async def one() -> None:
        async with connected(place, http=True) as writer:
            for _ in range(5):
                writer.write(b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n")
                await writer.drain()
                await asyncio.sleep(0.2)

    await crowd(1000, one)


@attack("health checks, half-sent and whole, of 20 connections")
async def health_checks(place: Place) -> None:
    async def one() -> None:
        async with connected(place) as writer:
            writer.write(raw_http2.opening(CHECK, b"x", claimed=3_000_000))
            for stream in range(3, 400, 2):
                writer.write(raw_http2.request(stream, CHECK, b""))
                await writer.drain()
            await asyncio.sleep(0.2)

    await crowd(20, one)
