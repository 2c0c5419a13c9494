"""HTTP as strangers write it: sizes, slow senders, tricks, and clients that hang up."""

import asyncio
import json
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from aiohttp import web

from tests.gateway.gateways import CHAT, HELLO, Gateway, running
from tests.server.conftest import settings
from tests.server.fake_service import FakeService, endless
from tests.workers.workers import until
from xapp.gateway import bodies, server

BODY = json.dumps(HELLO).encode()
PATIENCE_S = 20.0


@asynccontextmanager
async def connected(gateway: Gateway) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    reader, writer = await asyncio.open_connection("127.0.0.1", gateway.port)
    try:
        yield reader, writer
    finally:
        writer.close()


async def reply(gateway: Gateway, sent: bytes) -> bytes:
    """All that the node answers until it closes the connection."""
    async with connected(gateway) as (reader, writer), asyncio.timeout(PATIENCE_S):
        writer.write(sent)
        return await reader.read()


def head(*lines: str, version: str = "1.1") -> bytes:
    given = (f"POST {CHAT} HTTP/{version}", "Host: localhost", "Content-Type: application/json", *lines)
    return "\r\n".join((*given, "Connection: close", "", "")).encode()


LENGTH = f"Content-Length: {len(BODY)}"


async def test_http_1_0(gateway: Gateway) -> None:
    assert b" 200 " in (await reply(gateway, head(LENGTH, version="1.0") + BODY)).split(b"\r\n")[0]


async def test_a_stream_over_http_1_0_has_no_chunked_encoding(gateway: Gateway) -> None:
    body = json.dumps(HELLO | {"stream": True}).encode()
    answer = await reply(gateway, head(f"Content-Length: {len(body)}", version="1.0") + body)
    assert b"chunked" not in answer.lower()
    assert answer.endswith(b"data: [DONE]\n\n")


async def test_what_has_no_version_of_http_is_not_answered(gateway: Gateway) -> None:
    """It has no headers either, so nobody could see who asks under which name."""
    assert b" 400 " in (await reply(gateway, b"GET /v1/models\r\n\r\n")).split(b"\r\n")[0]


async def test_a_chunked_body(gateway: Gateway) -> None:
    body = b"".join(b"1\r\n" + bytes([byte]) + b"\r\n" for byte in BODY) + b"0\r\n\r\n"
    assert b" 200 " in (await reply(gateway, head("Transfer-Encoding: chunked") + body)).split(b"\r\n")[0]


TRICKS = [
    ("Transfer-Encoding: chunked", LENGTH),
    ("Transfer-Encoding: chunked", "Transfer-Encoding: chunked"),
    ("Transfer-Encoding: xchunked",),
    ("Transfer-Encoding: chunked, identity",),
    ("Transfer-Encoding: gzip, chunked",),
    ("Transfer-Encoding: identity, chunked",),
    ("Transfer-Encoding : chunked",),
    ("Content-Length: 1", "Content-Length: 2"),
    ("Content-Length: -1",),
    ("Content-Length: +1",),
    ("Content-Length: 1e3",),
    ("X: " + "a" * 20_000,),
]


@pytest.mark.parametrize("lines", TRICKS, ids=lambda lines: lines[0][:40])
async def test_tricks_are_refused_and_end_the_connection(gateway: Gateway, lines: tuple[str, ...]) -> None:
    smuggled = b"0\r\n\r\nGET /v1/models HTTP/1.1\r\nHost: localhost\r\n\r\n"
    answer = await reply(gateway, head(*lines) + smuggled)
    assert len(re.findall(rb"^HTTP/1\.[01] ", answer, re.MULTILINE)) == 1
    assert b" 400 " in answer.split(b"\r\n")[0]
    assert gateway.service.requests == []
    assert (await gateway.get("/health")).status == 200


async def test_a_body_over_the_limit() -> None:
    async with running(configured=settings(max_message_bytes=1024)) as gateway:
        large = json.dumps(HELLO | {"user": "x" * 2000}).encode()
        assert (await gateway.post(CHAT, large)).error == (413, "body_too_large", "body")
        pieces = b"".join(b"400\r\n" + b"x" * 1024 + b"\r\n" for _ in range(3)) + b"0\r\n\r\n"
        answer = await reply(gateway, head("Transfer-Encoding: chunked") + pieces)
        assert b" 413 " in answer.split(b"\r\n")[0]
        announced = await reply(gateway, head("Content-Length: 999999999999"))
        assert b" 413 " in announced.split(b"\r\n")[0]


async def test_a_slow_body_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    made = bodies.Bodies
    monkeypatch.setattr(server, "Bodies", lambda most: made(most, timeout_s=0.05))
    async with running() as gateway:
        answer = await reply(gateway, head(LENGTH) + BODY[:-1])
    assert b" 408 " in answer.split(b"\r\n")[0]
    assert b"slow_sender" in answer


async def test_all_bodies_together_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bodies, "MAX_BYTES", 1000)
    async with running() as gateway, connected(gateway) as (_, writer):
        writer.write(head("Content-Length: 2000") + b"x" * 900)
        await writer.drain()
        refused = await gateway.chat(user="y" * 128)
        while refused.status == 200:
            refused = await gateway.chat(user="y" * 128)
        assert refused.error[:2] == (408, "slow_sender")


async def test_slow_headers_are_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server, "IDLE_S", 0.05)
    async with running() as gateway:
        assert await reply(gateway, b"POST / HTTP/1.1\r\nHost: loc") == b""


@pytest.mark.parametrize("half", [False, True])
@pytest.mark.parametrize("stream", [False, True])
async def test_a_client_that_hangs_up_ends_its_request(stream: bool, half: bool) -> None:
    """A half-closed connection is a client that hung up."""
    pause = asyncio.Event()
    body = json.dumps(HELLO | {"stream": stream}).encode()
    async with running(FakeService(endless("x", pause))) as gateway, connected(gateway) as (reader, writer):
        writer.write(head(f"Content-Length: {len(body)}") + body)
        await until(lambda: bool(gateway.service.requests))
        if stream:
            async with asyncio.timeout(PATIENCE_S):
                await reader.readuntil(b'"x"')
        if half:
            writer.write_eof()
        else:
            writer.close()
        async with asyncio.timeout(PATIENCE_S):
            await gateway.service.closed.wait()


async def test_a_client_that_does_not_read_is_ended() -> None:
    async with (
        running(FakeService(endless("x" * 10_000)), settings(write_timeout_s=0.1)) as gateway,
        connected(gateway) as (_, writer),
    ):
        body = json.dumps(HELLO | {"stream": True}).encode()
        writer.write(head(f"Content-Length: {len(body)}") + body)
        async with asyncio.timeout(PATIENCE_S):
            await gateway.service.closed.wait()


async def test_an_open_stream_is_not_ended_for_a_new_connection() -> None:
    pause = asyncio.Event()
    async with running(FakeService(endless("x", pause)), settings(max_connections=2)) as gateway:
        body = json.dumps(HELLO | {"stream": True}).encode()
        async with connected(gateway) as (reader, writer), connected(gateway) as (idle, _):
            writer.write(head(f"Content-Length: {len(body)}") + body)
            async with asyncio.timeout(PATIENCE_S):
                await reader.readuntil(b'"x"')
                assert (await gateway.get("/health")).status == 200
                assert await idle.read() == b""
            assert not gateway.service.closed.is_set()


async def test_a_body_that_still_arrives_keeps_no_place(monkeypatch: pytest.MonkeyPatch) -> None:
    """Otherwise slow bodies on all connections would keep everybody out."""
    begun: list[object] = []

    class Seen(bodies.Bodies):
        async def read(self, request: web.Request) -> bytes:
            begun.append(request)
            return await super().read(request)

    monkeypatch.setattr(server, "Bodies", Seen)
    async with (
        running(configured=settings(max_connections=2)) as gateway,
        connected(gateway) as (slow, writer),
        connected(gateway) as (_, other),
    ):
        for each in (writer, other):
            each.write(head(LENGTH) + BODY[:-1])
        await until(lambda: len(begun) == 2)
        async with asyncio.timeout(PATIENCE_S):
            assert (await gateway.get("/health")).status == 200
            assert await slow.read() == b""
