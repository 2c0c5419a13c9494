"""Asks components of the near-RT RIC over HTTP, with bounds on time and on the size of an answer."""

import asyncio
import json
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self

import aiohttp

from xapp.errors import ConfigError
from xapp.urls import checked_url

MAX_ANSWER_BYTES = 1024 * 1024
TIMEOUT_S = 5.0
_MAX_CONNECTIONS = 4
_SHOWN_BYTES = 200


class PlatformError(Exception):
    """A component did not do its part. The message says how it failed."""


@dataclass(frozen=True, slots=True)
class Reply:
    """The answer of a component."""

    status: int
    body: bytes

    def expect(self, *statuses: int) -> "Reply":
        """The reply itself. Raises PlatformError for any other status: a proxy's 200 is no registration."""
        if self.status not in statuses:
            shown = " ".join(self.body[:_SHOWN_BYTES].decode(errors="replace").split())
            wanted = " or ".join(map(str, statuses))
            raise PlatformError(f"answered {self.status} in place of {wanted}: {shown}".rstrip(": "))
        return self

    def json(self) -> Any:
        """The body as JSON. Raises PlatformError."""
        try:
            return json.loads(self.body)
        except (ValueError, RecursionError) as error:
            raise PlatformError("answered what is not JSON") from error


class Platform:
    """A pool of connections, and a context manager."""

    def __init__(self, timeout_s: float = TIMEOUT_S) -> None:
        self._timeout_s = timeout_s
        self._session: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> Self:
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=_MAX_CONNECTIONS),
            headers={"Accept-Encoding": "identity"},
            auto_decompress=False,
        )
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._session is not None
        await self._session.close()

    async def ask(self, method: str, url: str, body: Any = None) -> Reply:
        """The answer to one request, of any status. Raises PlatformError without an answer."""
        assert self._session is not None
        try:
            async with (
                asyncio.timeout(self._timeout_s),
                self._session.request(method, url, json=body, allow_redirects=False) as answer,
            ):
                return Reply(answer.status, await _read(answer))
        except TimeoutError as error:
            raise PlatformError(f"did not answer within {self._timeout_s:g} s") from error
        except (aiohttp.ClientError, OSError, ValueError) as error:
            raise PlatformError(f"cannot be asked: {str(error) or type(error).__name__}") from error


async def _read(answer: aiohttp.ClientResponse) -> bytes:
    body = bytearray()
    async for chunk in answer.content.iter_any():
        body += chunk
        if len(body) > MAX_ANSWER_BYTES:
            raise PlatformError(f"answered more than {MAX_ANSWER_BYTES} bytes")
    return bytes(body)


def base_url(key: str, text: str) -> str:
    """A base URL without its last slash. Raises ConfigError with the setting's key."""
    parts = checked_url(key, text)
    if parts.query or parts.fragment:
        raise ConfigError(key, "takes a URL of host, port and path only")
    return text.rstrip("/")


def checked_endpoint(key: str, text: str) -> tuple[str, int]:
    """HOST:PORT. Raises ConfigError: without the colon the application manager panics."""
    host, colon, port = text.rpartition(":")
    if not colon or not host or not port.isascii() or not port.isdecimal() or not 0 < int(port) < 65536:
        raise ConfigError(key, f"{text!r} is not HOST:PORT")
    return host.strip("[]"), int(port)
