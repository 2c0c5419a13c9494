"""An OpenAI-compatible endpoint as the upstream, over HTTPS."""

import ssl
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing

import aiohttp

from xapp import hops
from xapp.domain.answers import Event
from xapp.domain.requests import Request
from xapp.routing import openai_wire
from xapp.routing.destination import UpstreamError
from xapp.routing.plain_request import beyond_plain

MAX_LINE_BYTES = 64 * 1024
CONNECT_TIMEOUT_S = 5.0
_OK = 200
_DATA = b"data:"
_STREAM = "text/event-stream"


class OpenAiUpstream:
    """`url` is the base, for instance https://HOST/v1. `key` is shown, and nowhere else told."""

    def __init__(self, url: str, model: str, key: str, context: ssl.SSLContext, most: int) -> None:
        self.name = url
        self._url = url
        self._model = model
        self._key = key
        self._ssl = context
        self._most = most
        self._session: aiohttp.ClientSession | None = None

    def lacks(self, request: Request) -> str:
        """What the API has no word for."""
        return beyond_plain(request) or openai_wire.lacks(request)

    async def stream(self, request: Request) -> AsyncGenerator[Event, None]:
        """See Upstream."""
        reader = openai_wire.AnswerReader(self._model or self.name, request)
        async with aclosing(self._lines(request)) as lines, aclosing(reader.read(lines)) as events:
            async for event in events:
                yield event

    async def _lines(self, request: Request) -> AsyncGenerator[bytes, None]:
        """The data of the server-sent events."""
        body = openai_wire.body_of(request, self._model)
        url = self._url + openai_wire.path_of(request)
        try:
            async with self._opened().post(
                url, json=body, headers=self._headers(request), allow_redirects=False
            ) as answer:
                _check(answer)
                async for line in _bounded(answer.content):
                    if line.startswith(_DATA):
                        yield line.removeprefix(_DATA).strip()
        except TimeoutError as error:
            raise UpstreamError(f"no connection within {CONNECT_TIMEOUT_S:g} s") from error
        except (aiohttp.ClientError, OSError, ValueError) as error:
            raise UpstreamError(f"cannot be asked: {type(error).__name__}") from error

    def _headers(self, request: Request) -> dict[str, str]:
        count = {hops.KEY: str(min(request.hops + 1, hops.MAX_HOPS))}
        return count | {"Authorization": f"Bearer {self._key}"} if self._key else count

    def _opened(self) -> aiohttp.ClientSession:
        if self._session is None:
            timeout = aiohttp.ClientTimeout(total=None, sock_connect=CONNECT_TIMEOUT_S)
            connector = aiohttp.TCPConnector(ssl=self._ssl, limit=self._most)
            headers = {"Accept": _STREAM, "Accept-Encoding": "identity"}
            self._session = aiohttp.ClientSession(
                timeout=timeout, connector=connector, headers=headers, auto_decompress=False
            )
        return self._session

    async def aclose(self) -> None:
        """Ends all requests."""
        session, self._session = self._session, None
        if session is not None:
            await session.close()


def _check(answer: aiohttp.ClientResponse) -> None:
    """The body of a refusal is not shown: it may repeat the key or the prompt."""
    if answer.status != _OK:
        raise UpstreamError(f"answered with status {answer.status}")
    if answer.content_type != _STREAM:
        raise UpstreamError(f"answered with {answer.content_type[:64]}, not {_STREAM}")


async def _bounded(content: aiohttp.StreamReader) -> AsyncIterator[bytes]:
    """Lines, of at most MAX_LINE_BYTES."""
    rest = b""
    async for data in content.iter_any():
        *lines, rest = (rest + data).split(b"\n")
        if max(map(len, (*lines, rest))) > MAX_LINE_BYTES:
            raise UpstreamError(f"it sent a line of more than {MAX_LINE_BYTES} bytes")
        for line in lines:
            yield line
    if rest:
        yield rest
