"""Any OpenAI-compatible server as a Target: /v1/chat/completions and /v1/completions, streamed.

llama-server and llama-cpp-python's server are known: where they tell timings, token counts or a
tokenizer, those are used. `ignore_eos` is llama-server's extension; a server that does not know it
ends its answers where the model does, which the number of completion tokens shows.
"""

import asyncio
from collections.abc import Mapping
from pathlib import PurePath
from typing import Any

import msgspec

from perf.record import result_schema
from perf.stream_figures import Stream
from perf.targets.completion_events import Event, answer_of, arrivals, events
from perf.targets.http_answer import body
from perf.targets.http_client import HttpClient, SentRequest
from perf.targets.http_connection import CONNECT_TIMEOUT_S
from perf.targets.target import Answer, CompletionRequest, Input, TargetError

# What the two servers we know say of who owns their models.
_OWNERS = {"me": "llama-cpp-python", "llamacpp": "llama-server"}


class _Model(msgspec.Struct, frozen=True):
    id: str
    owned_by: str = ""


class _Models(msgspec.Struct, frozen=True):
    data: list[_Model]


class _Count(msgspec.Struct, frozen=True):
    tokens: list[int] | None = None
    count: int | None = None


class OpenAITarget:
    """`url` with or without `/v1`. `model` "" takes the first that the server lists.

    `keep_connections`: a request goes on a connection that is open already, as applications do it; without,
    each has a new one, made before its clock starts. `extra` are fields of every request.
    """

    def __init__(
        self,
        url: str,
        *,
        model: str = "",
        name: str = "",
        api_key: str = "",
        extra: Mapping[str, Any] | None = None,
        keep_connections: bool = True,
    ) -> None:
        self._url = url if "://" in url else f"http://{url}"
        self._model = model
        self._name = name
        headers = {"Authorization": f"Bearer {api_key}"} if api_key else {}
        self._http = HttpClient(self._url, headers, keep_connections=keep_connections)
        self._extra = dict(extra or {})

    async def describe(self) -> result_schema.Target:
        """See Target. Waits at most CONNECT_TIMEOUT_S for the answer."""
        told, server = await self._short("GET", "/v1/models", None)
        try:
            models = msgspec.json.decode(told, type=_Models).data
        except msgspec.DecodeError as error:
            raise TargetError("protocol", f"{self._url}: /v1/models is no list of models: {error}") from error
        self._model = self._pick(models)
        owner = next((model.owned_by for model in models if model.id == self._model), "")
        server = _OWNERS.get(owner, owner) or server
        return result_schema.Target(
            name=self._name or server or "openai",
            kind="openai",
            address=self._http.endpoint.url,
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
            f"{self._url} has no model {self._model!r}; it has: {', '.join(names) or 'none'}",
        )

    async def start(self, request: CompletionRequest) -> "OpenAICall":
        """See StreamingTarget."""
        path, fields = self._request(request)
        message = msgspec.json.encode(fields)
        return OpenAICall(await self._http.send("POST", path, message), len(message))

    async def complete(self, request: CompletionRequest) -> Answer:
        """See Target."""
        try:
            async with asyncio.timeout(request.deadline_s):
                call = await self.start(request)
                try:
                    return await call.finish()
                finally:
                    call.close()
        except TimeoutError as error:
            raise TargetError("deadline", f"no whole answer within {request.deadline_s:g} s") from error

    def _request(self, request: CompletionRequest) -> tuple[str, dict[str, Any]]:
        path, given = _input(request.input)
        fields: dict[str, Any] = {
            "model": self._model,
            **given,
            "max_tokens": request.max_tokens,
            "temperature": 0,
            "stream": True,
            "stream_options": {"include_usage": True},
            **self._extra,
        }
        if request.ignore_eos and "logit_bias" not in fields:
            fields["ignore_eos"] = True
        return path, fields

    async def count_tokens(self, input: Input) -> int:  # noqa: A002  (the contract's own word)
        """See Target. A server without a tokenizer of its own computes the prompt once to count it."""
        if isinstance(input, str) and (found := await self._tokenize(input)) is not None:
            return found
        path, given = _input(input)
        fields = {"model": self._model, **given, "max_tokens": 1, "temperature": 0, "stream": False}
        answer, _ = await self._short("POST", path, fields, timeout_s=None)
        try:
            usage = msgspec.json.decode(answer, type=Event).usage
        except msgspec.DecodeError as error:
            raise TargetError("protocol", f"{self._url}: {path}: {error}") from error
        if usage is None:
            raise TargetError("protocol", f"{self._url} does not tell how many tokens a prompt has")
        return usage.prompt_tokens

    async def _tokenize(self, text: str) -> int | None:
        ways: tuple[tuple[str, dict[str, Any]], ...] = (
            ("/tokenize", {"content": text, "add_special": True, "parse_special": True}),
            ("/extras/tokenize/count", {"input": text}),
        )
        for path, fields in ways:
            try:
                answer, _ = await self._short("POST", path, fields)
                count = msgspec.json.decode(answer, type=_Count)
            except (TargetError, msgspec.DecodeError) as error:
                if isinstance(error, TargetError) and error.code in ("unreachable", "lost"):
                    raise
                continue
            if count.tokens is not None or count.count is not None:
                return count.count if count.tokens is None else len(count.tokens)
        return None

    async def _short(
        self, method: str, path: str, fields: Any, timeout_s: float | None = CONNECT_TIMEOUT_S
    ) -> tuple[bytes, str]:
        message = b"" if fields is None else msgspec.json.encode(fields)
        try:
            async with asyncio.timeout(timeout_s):
                head, reads = await (await self._http.send(method, path, message)).answer()
        except TimeoutError as error:
            raise TargetError("unreachable", f"{self._url} did not answer within {timeout_s:g} s") from error
        return b"".join(read.data for read in reads), head.headers.get("server", "")

    async def aclose(self) -> None:
        """See Target."""
        self._http.close()


class OpenAICall:
    """One completion under way."""

    def __init__(self, sent: SentRequest, bytes_sent: int) -> None:
        self._sent = sent
        self._bytes_sent = bytes_sent

    async def first_token(self) -> None:
        """See Call."""
        await self._sent.begun()
        if self._sent.exchange.ended.is_set():
            await self.finish()

    async def finish(self) -> Answer:
        """See Call."""
        _, reads = await self._sent.answer()
        return answer_of(self._sent.exchange.sent, reads, self._bytes_sent)

    def cancel(self) -> Stream:
        """See Call."""
        self.close()
        exchange = self._sent.exchange
        reads = list(body(exchange.reads, exchange.head)) if exchange.head else []
        return Stream(exchange.sent, arrivals(events(reads, whole=False)))

    def close(self) -> None:
        """Ends it at the server, unless it has ended."""
        self._sent.close()


def _input(given: Input) -> tuple[str, dict[str, Any]]:
    if isinstance(given, str):
        return "/v1/completions", {"prompt": given}
    messages = [{"role": turn.role, "content": turn.content} for turn in given]
    return "/v1/chat/completions", {"messages": messages}
