"""A gateway on the scripted service, and what a plain HTTP client does there."""

import contextlib
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import aiohttp

from tests.server.conftest import settings
from tests.server.fake_service import FakeHost, FakeService
from xapp.config import Settings
from xapp.gateway.server import serve_openai
from xapp.security.security import Security
from xapp.speech.speech import Speech
from xapp.telemetry.metrics import Metrics

CHAT = "/v1/chat/completions"
HELLO: dict[str, Any] = {"messages": [{"role": "user", "content": "hi"}]}


@dataclass(frozen=True)
class Answer:
    status: int
    body: Any
    headers: dict[str, str]

    @property
    def error(self) -> tuple[int, str, str | None]:
        """The status, the code and the field of a refusal."""
        error = self.body["error"]
        assert set(error) == {"message", "type", "param", "code"}
        return self.status, error["code"], error["param"]

    @property
    def events(self) -> list[dict[str, Any]]:
        """The events of a stream, without its end."""
        parts = [part.removeprefix("data: ") for part in self.body.split("\n\n") if part]
        assert parts[-1] == "[DONE]"
        return [json.loads(part) for part in parts[:-1]]


@dataclass(frozen=True)
class Gateway:
    service: FakeService
    metrics: Metrics
    port: int
    session: aiohttp.ClientSession

    def url(self, path: str) -> str:
        return f"http://127.0.0.1:{self.port}{path}"

    async def post(self, path: str, body: Any, **headers: str) -> Answer:
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        headers.setdefault("Content-Type", "application/json")
        return await self.ask("POST", path, data=data, headers=headers)

    async def get(self, path: str, **headers: str) -> Answer:
        return await self.ask("GET", path, headers=headers)

    async def ask(self, method: str, path: str, **options: Any) -> Answer:
        async with self.session.request(method, self.url(path), **options) as response:
            text = await response.text()
            headers = {key.lower(): value for key, value in response.headers.items()}
            body = json.loads(text) if response.content_type == "application/json" else text
            return Answer(response.status, body, headers)

    async def chat(self, **fields: Any) -> Answer:
        return await self.post(CHAT, HELLO | fields)


@contextlib.asynccontextmanager
async def running(
    service: FakeService | None = None,
    configured: Settings | None = None,
    security: Security | None = None,
    speech: Speech | None = None,
) -> AsyncIterator[Gateway]:
    service, metrics, configured = service or FakeService(), Metrics(), configured or settings()
    async with (
        serve_openai(
            service, configured, metrics, FakeHost(), port=0, security=security, speech=speech
        ) as port,
        aiohttp.ClientSession() as session,
    ):
        yield Gateway(service, metrics, port, session)
