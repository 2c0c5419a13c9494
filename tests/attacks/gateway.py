"""Attacks on the port of OpenAI's dialect: HTTP as no client writes it, or writes never to its end."""

import asyncio
import contextlib
import json
import socket
from collections.abc import AsyncIterator, Iterable

from tests.attacks.attack import Place, attack, crowd

CHAT = b"POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
LIST = b"GET /v1/models HTTP/1.1\r\nHost: localhost\r\n\r\n"
_SMUGGLED = b"0\r\n\r\n" + LIST
_WAIT_S = 60.0
# A port bounds its connections by address. The attacker is another machine than those who ask beside it.
_ATTACKER = ("127.0.0.2", 0)


def _asked(max_tokens: int, **fields: object) -> bytes:
    said = {"messages": [{"role": "user", "content": "hi"}], "max_completion_tokens": max_tokens, **fields}
    return _with_length(json.dumps(said).encode())


def _with_length(body: bytes) -> bytes:
    return CHAT + b"Content-Length: %d\r\n\r\n" % len(body) + body


@contextlib.asynccontextmanager
async def _connected(
    place: Place, *, reads: bool = True, window: int = 0
) -> AsyncIterator[asyncio.StreamWriter]:
    """A connection that reads what comes, or nothing at all. `window` is the size of its receive buffer."""
    plug = socket.socket()
    plug.setblocking(False)
    plug.bind(_ATTACKER)
    if window:
        plug.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, window)
    try:
        await asyncio.get_running_loop().sock_connect(plug, place.openai)
        reader, writer = await asyncio.open_connection(sock=plug, limit=1024)
    except OSError:
        plug.close()
        raise
    drain = asyncio.create_task(_drain(reader)) if reads else None
    try:
        yield writer
    finally:
        if drain is not None:
            drain.cancel()
        writer.transport.abort()


async def _drain(reader: asyncio.StreamReader) -> None:
    with contextlib.suppress(OSError):
        while await reader.read(1 << 16):
            pass


async def _send(place: Place, data: bytes, wait_s: float = 0.05) -> None:
    async with _connected(place) as writer:
        writer.write(data)
        await writer.drain()
        await asyncio.sleep(wait_s)


async def _trickle(place: Place, begin: bytes, piece: bytes) -> None:
    async with _connected(place) as writer:
        writer.write(begin)
        while not writer.is_closing():
            writer.write(piece)
            await writer.drain()
            await asyncio.sleep(0.2)


@attack("1,000 connections whose headers come by the byte")
async def slow_headers(place: Place) -> None:
    await crowd(1000, lambda: _trickle(place, CHAT + b"X-Slow: ", b"a"))


@attack("1,200 connections whose bodies come by the byte")
async def slow_bodies(place: Place) -> None:
    await crowd(1200, lambda: _trickle(place, CHAT + b"Content-Length: 100000\r\n\r\n{", b" "))


@attack("2,000 connections that say nothing, on the port of OpenAI's dialect")
async def silent_crowd(place: Place) -> None:
    async def one() -> None:
        async with _connected(place):
            await asyncio.sleep(_WAIT_S)

    await crowd(2000, one)


_TRICKS = (
    b"Transfer-Encoding: chunked\r\nContent-Length: 4\r\n\r\n" + _SMUGGLED,
    b"Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n\r\n" + _SMUGGLED,
    b"Transfer-Encoding: \x0bchunked\r\n\r\n" + _SMUGGLED,
    b"Transfer-Encoding: chunked\r\n\r\nFFFFFFFFFFFFFFFFF\r\n" + b"x" * 4096,
    b"Transfer-Encoding: chunked\r\n\r\n-1\r\nx\r\n" + _SMUGGLED,
    b"Transfer-Encoding: chunked\r\n\r\n1;" + b"e" * 60_000 + b"\r\n{\r\n" + _SMUGGLED,
    b"Transfer-Encoding: chunked\r\n\r\n" + b"1\r\n \r\n" * 20_000 + _SMUGGLED,
    b"Transfer-Encoding: chunked\r\n\r\n0\r\n" + b"x-trailer: y\r\n" * 20_000,
    b"Content-Length: 5\r\nContent-Length: 50\r\n\r\n" + _SMUGGLED,
    b"Content-Length: 99999999999999999999\r\n\r\n{",
    b"Content-Length: 0x10\r\n\r\n" + _SMUGGLED,
    b"Expect: 100-continue\r\nContent-Length: 4000000\r\n\r\n",
    b"Content-Encoding: gzip\r\nContent-Length: 10\r\n\r\n" + bytes(10),
    b"Upgrade: h2c\r\nConnection: Upgrade, HTTP2-Settings\r\nHTTP2-Settings: AAMAAABk\r\n\r\n",
)


@attack("bodies with two lengths, odd chunks and endless trailers")
async def transfer_tricks(place: Place) -> None:
    await asyncio.gather(*(_send(place, CHAT + each) for each in _TRICKS * 4), return_exceptions=True)


async def _endless(place: Place, begin: bytes, pieces: Iterable[bytes]) -> None:
    async with _connected(place) as writer:
        writer.write(begin)
        for piece in pieces:
            writer.write(piece)
            await writer.drain()


@attack("headers without end: a long one, many of them, a long path")
async def huge_headers(place: Place) -> None:
    many = (
        b"".join(b"x-%d: y\r\n" % number for number in range(at, at + 500)) for at in range(0, 100_000, 500)
    )
    long, path = (b"y" * 60_000 for _ in range(100)), (b"p" * 60_000 for _ in range(100))
    ways = ((CHAT, many), (CHAT + b"X-Long: ", long), (b"GET /", path))
    await asyncio.gather(*(_endless(place, *each) for each in ways), return_exceptions=True)


@attack("20,000 requests in a row on one connection, 20 connections, unread")
async def pipelined(place: Place) -> None:
    async def one() -> None:
        async with _connected(place, reads=False, window=4096) as writer:
            writer.write(_asked(64))
            for _ in range(200):
                writer.write(LIST * 100)
                async with asyncio.timeout(0.3):
                    await writer.drain()
            await asyncio.sleep(1)

    await crowd(20, one)


@attack("half-closed connections: within headers, within a body, behind a request")
async def half_closed(place: Place) -> None:
    async def one(data: bytes) -> None:
        async with _connected(place) as writer:
            writer.write(data)
            writer.write_eof()
            await asyncio.sleep(1)

    ways = (CHAT, CHAT + b"Content-Length: 500\r\n\r\n{", _asked(200), _asked(200, stream=True))
    await asyncio.gather(*(one(data) for data in ways * 30), return_exceptions=True)


@attack("500 streams of server-sent events that nobody reads")
async def unread_events(place: Place) -> None:
    async def one() -> None:
        async with _connected(place, reads=False, window=2048) as writer:
            writer.write(_asked(500, stream=True, ignore_eos=True))
            await asyncio.sleep(_WAIT_S)

    await crowd(500, one)


@attack("JSON that nests, repeats and swells, 3.9 MB, 40 at once")
async def hostile_json(place: Place) -> None:
    deep = b"[" * 1_000_000
    keys = b"{" + b",".join(b'"k%d":1' % number for number in range(200_000)) + b"}"
    part = b'{"type":"text","text":"x"}'
    parts = b'{"messages":[{"role":"user","content":[' + b",".join([part] * 100_000) + b"]}]}"
    messages = b'{"messages":[' + b",".join([b'{"role":"user","content":""}'] * 120_000) + b"]}"
    long = json.dumps({"messages": [{"role": "user", "content": "x" * 3_800_000}]}).encode()
    tool = {"type": "function", "function": {"name": "f", "parameters": {"enum": ["x"] * 30}}}
    tools = json.dumps({"messages": [], "tools": [tool] * 10_000}).encode()
    ways = [_with_length(body) for body in (deep, keys, parts, messages, long, tools)]
    await asyncio.gather(*(_send(place, data, 0.3) for data in ways * 7), return_exceptions=True)


@attack("16 answers to each of 100 requests at once")
async def many_answers(place: Place) -> None:
    await crowd(100, lambda: _send(place, _asked(16, n=16, stream=True), 0.5))
