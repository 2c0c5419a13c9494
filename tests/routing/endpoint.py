"""A stand-in for an OpenAI-compatible endpoint: real HTTPS, and faults as a test wants them."""

import asyncio
import json
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from aiohttp import web

from tests.certificates import Authority

KEY = "sk-nobody-may-see-this"


def piece(text: str | None = None, reason: str | None = None, **more: Any) -> bytes:
    """One server-sent event of a chat."""
    choice = {"index": 0, "delta": {"content": text} if text else {}, "finish_reason": reason}
    return b"data: " + json.dumps({"model": "gpt-big", "choices": [choice], **more}).encode() + b"\n\n"


USAGE = b'data: {"choices": [], "usage": {"prompt_tokens": 9, "completion_tokens": 3}}\n\n'
DONE = b"data: [DONE]\n\n"
ANSWER = (piece("from "), piece("above"), piece(reason="stop"), USAGE, DONE)


class Endpoint:
    """`pieces` is what it sends; `hangs` where it stops sending; `cuts` the connection after them."""

    def __init__(self, authority: Authority) -> None:
        self.ca = str(authority.cert)
        self.url = ""
        self.pieces: tuple[bytes, ...] = ANSWER
        self.status, self.content_type = 200, "text/event-stream"
        self.hangs = self.cuts = False
        self.bodies: list[dict[str, Any]] = []
        self.headers: list[dict[str, str]] = []
        self.paths: list[str] = []
        self.release = asyncio.Event()

    async def answer(self, request: web.Request) -> web.StreamResponse:
        self.paths.append(request.path)
        self.headers.append(dict(request.headers))
        self.bodies.append(await request.json())
        if self.status == 302:
            raise web.HTTPFound(self.url)
        if self.status != 200:
            return web.Response(status=self.status, text=f"wrong key {request.headers['Authorization']}")
        response = web.StreamResponse(headers={"Content-Type": self.content_type})
        await response.prepare(request)
        for each in self.pieces:
            await response.write(each)
        if self.hangs:
            await self.release.wait()
        if self.cuts:
            assert request.transport is not None
            request.transport.abort()
        return response


@asynccontextmanager
async def serving(folder: Path, names: str = "IP:127.0.0.1") -> AsyncIterator[Endpoint]:
    """An endpoint whose certificate is for `names`."""
    authority = Authority(folder)
    pair, endpoint = authority.sign("endpoint", names), Endpoint(authority)
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(pair.cert, pair.key)
    app = web.Application()
    app.add_routes([web.post("/v1/{path:.*}", endpoint.answer)])
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0, ssl_context=context).start()
    endpoint.url = f"https://127.0.0.1:{runner.addresses[0][1]}/v1"
    try:
        yield endpoint
    finally:
        endpoint.release.set()
        await runner.cleanup()
