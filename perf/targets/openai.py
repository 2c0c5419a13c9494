"""Any OpenAI-compatible server as a Target: /v1/chat/completions and /v1/completions, streamed.

llama-server and llama-cpp-python's server are known: where they tell timings, token counts or a
tokenizer, those are used. `ignore_eos` is llama-server's extension; a server that does not know it
ends its answers where the model does, which the number of completion tokens shows.
"""

import asyncio
import time
from pathlib import PurePath
from typing import Any

import aiohttp
import msgspec

from perf.record import schema
from perf.targets.base import Answer, Ask, Input, TargetError
from perf.targets.sse import Event, Read, answer_of

CONNECT_TIMEOUT_S = 10.0
_BODY_LIMIT = 2_000
_ANSWER_LIMIT = 16_000_000
_CODES = {401: "refused", 403: "refused", 429: "refused", 503: "refused", 400: "invalid", 413: "invalid"}
# What the two servers we know say of who owns their models.
_OWNERS = {"me": "llama-cpp-python", "llamacpp": "llama-server"}
_NOT_HERE = {404, 405, 501}
_STALE = (aiohttp.ClientOSError, aiohttp.ServerDisconnectedError)


class _Model(msgspec.Struct, frozen=True):
    id: str
    owned_by: str = ""


class _Models(msgspec.Struct, frozen=True):
    data: list[_Model]


class _Count(msgspec.Struct, frozen=True):
    tokens: list[int] | None = None
    count: int | None = None


class OpenAITarget:
    """`url` with or without `/v1`. `model` "" takes the first that the server lists."""

    def __init__(self, url: str, *, model: str = "", name: str = "", api_key: str = "") -> None:
        root = url if "://" in url else f"http://{url}"
        self._root = root.rstrip("/").removesuffix("/v1")
        self._model = model
        self._name = name
        self._headers = {"Authorization": f"Bearer {api_key}"} if api_key else {}
        self._sessions: dict[bool, aiohttp.ClientSession] = {}

    def _session(self, *, fresh: bool = False) -> aiohttp.ClientSession:
        """One keeps its connections, the other makes a new one for each request."""
        if fresh not in self._sessions:
            # Without a limit of its own: how many requests are in flight is the caller's decision.
            self._sessions[fresh] = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(limit=0, force_close=fresh),
                timeout=aiohttp.ClientTimeout(total=None, sock_connect=CONNECT_TIMEOUT_S),
                headers=self._headers,
                read_bufsize=2**18,
            )
        return self._sessions[fresh]

    async def describe(self) -> schema.Target:
        """See Target. Waits at most CONNECT_TIMEOUT_S for the answer."""
        body, server = await self._short("GET", "/v1/models", None)
        try:
            models = msgspec.json.decode(body, type=_Models).data
        except msgspec.DecodeError as error:
            raise TargetError("protocol", f"{self._root}/v1/models is no list of models: {error}") from error
        self._model = self._pick(models)
        owner = next((model.owned_by for model in models if model.id == self._model), "")
        server = _OWNERS.get(owner, owner) or server
        return schema.Target(
            name=self._name or server or "openai",
            kind="openai",
            address=self._root,
            # Some servers name a model by the path of its file.
            model=PurePath(self._model).name,
            server=server,
        )

    def _pick(self, models: list[_Model]) -> str:
        names = [model.id for model in models]
        if self._model in names or (self._model and len(names) == 1):
            # A server of one model answers to any name, often listing the path of the file.
            return self._model
        if names and not self._model:
            return names[0]
        raise TargetError(
            "missing_model",
            f"{self._root} has no model {self._model!r}; it has: {', '.join(names) or 'none'}",
        )

    async def ask(self, ask: Ask) -> Answer:
        """See Target."""
        path, body = self._request(ask)
        encoded = msgspec.json.encode(body)
        sent = time.monotonic()
        try:
            async with asyncio.timeout(ask.deadline_s):
                reads = await self._stream(path, encoded)
        except TimeoutError as error:
            raise TargetError("deadline", f"no whole answer within {ask.deadline_s:g} s") from error
        return answer_of(sent, reads, len(encoded))

    def _request(self, ask: Ask) -> tuple[str, dict[str, Any]]:
        path, given = _input(ask.input)
        body: dict[str, Any] = {
            "model": self._model,
            **given,
            "max_tokens": ask.max_tokens,
            "temperature": 0,
            "stream": True,
            "stream_options": {"include_usage": True},
        }
        if ask.ignore_eos:
            body["ignore_eos"] = True
        return path, body

    async def _stream(self, path: str, body: bytes) -> list[Read]:
        begun, size = False, 0
        try:
            async with await self._open("POST", path, body) as response:
                await self._check(response)
                reads, clock = [], time.monotonic
                async for data in response.content.iter_any():
                    reads.append(Read(clock(), data))
                    begun, size = True, size + len(data)
                    if size > _ANSWER_LIMIT:
                        raise TargetError("protocol", f"an answer of more than {_ANSWER_LIMIT} bytes")
                return reads
        except (aiohttp.ClientError, OSError, ValueError) as error:
            raise self._transport_error(error, begun=begun) from error

    async def _open(self, method: str, path: str, body: bytes | None) -> aiohttp.ClientResponse:
        """The head of the answer is there; use it as a context manager.

        A server may close a kept connection just when it is used again: then once more, on a new one.
        """
        url = self._root + path
        try:
            return await self._session().request(method, url, data=body, headers=_JSON)
        except _STALE as error:
            if isinstance(error, aiohttp.ClientConnectorError):
                raise
            return await self._session(fresh=True).request(method, url, data=body, headers=_JSON)

    async def count_tokens(self, input: Input) -> int:  # noqa: A002  (the contract's own word)
        """See Target. A server without a tokenizer of its own computes the prompt once to count it."""
        if isinstance(input, str) and (found := await self._tokenize(input)) is not None:
            return found
        path, given = _input(input)
        body = {"model": self._model, **given, "max_tokens": 1, "temperature": 0, "stream": False}
        answer, _ = await self._short("POST", path, body, timeout_s=None)
        try:
            usage = msgspec.json.decode(answer, type=Event).usage
        except msgspec.DecodeError as error:
            raise TargetError("protocol", f"{self._root}{path}: {error}") from error
        if usage is None:
            raise TargetError("protocol", f"{self._root} does not tell how many tokens a prompt has")
        return usage.prompt_tokens

    async def _tokenize(self, text: str) -> int | None:
        ways: tuple[tuple[str, dict[str, Any]], ...] = (
            ("/tokenize", {"content": text, "add_special": True, "parse_special": True}),
            ("/extras/tokenize/count", {"input": text}),
        )
        for path, body in ways:
            try:
                answer, _ = await self._short("POST", path, body)
                count = msgspec.json.decode(answer, type=_Count)
            except (TargetError, msgspec.DecodeError) as error:
                if isinstance(error, TargetError) and error.code in ("unreachable", "lost"):
                    raise
                continue
            if count.tokens is not None or count.count is not None:
                return count.count if count.tokens is None else len(count.tokens)
        return None

    async def _short(
        self, method: str, path: str, body: Any, timeout_s: float | None = CONNECT_TIMEOUT_S
    ) -> tuple[bytes, str]:
        data = None if body is None else msgspec.json.encode(body)
        try:
            async with (
                asyncio.timeout(timeout_s),
                await self._open(method, path, data) as response,
            ):
                await self._check(response)
                return await response.read(), response.headers.get("Server", "")
        except TimeoutError as error:
            raise TargetError("unreachable", f"{self._root} did not answer within {timeout_s:g} s") from error
        except (aiohttp.ClientError, OSError, ValueError) as error:
            raise self._transport_error(error, begun=False) from error

    async def _check(self, response: aiohttp.ClientResponse) -> None:
        if response.status == 200:
            return
        said = (await response.content.read(_BODY_LIMIT)).decode(errors="replace").strip()
        message = f"{response.url} answered {response.status} {response.reason}: {said}"
        if response.status in _NOT_HERE:
            raise TargetError("protocol", f"{message}: no OpenAI-compatible server")
        code = _CODES.get(response.status, "lost" if response.status >= 500 else "protocol")
        raise TargetError(code, message, retry_after_s=_retry_after(response.headers.get("Retry-After")))

    def _transport_error(self, error: Exception, *, begun: bool) -> TargetError:
        if isinstance(error, aiohttp.ClientConnectorError):
            return TargetError("unreachable", f"{self._root}: nobody answers: {error.os_error}")
        if isinstance(error, aiohttp.InvalidURL):
            return TargetError("unreachable", f"{self._root} is no URL: {error}")
        if isinstance(error, aiohttp.ClientResponseError | ValueError) and not begun:
            return TargetError(
                "protocol", f"{self._root} does not speak HTTP (a gRPC node is measured with --target)"
            )
        return TargetError("lost", f"{self._root}: {error or type(error).__name__}")

    async def aclose(self) -> None:
        """See Target."""
        sessions, self._sessions = self._sessions, {}
        for session in sessions.values():
            await session.close()


_JSON = {"Content-Type": "application/json"}


def _input(given: Input) -> tuple[str, dict[str, Any]]:
    if isinstance(given, str):
        return "/v1/completions", {"prompt": given}
    messages = [{"role": turn.role, "content": turn.content} for turn in given]
    return "/v1/chat/completions", {"messages": messages}


def _retry_after(header: str | None) -> float | None:
    try:
        return None if header is None else float(header)
    except ValueError:
        return None  # a date: no server we know sends one
