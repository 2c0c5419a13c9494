"""A request to an OpenAI-compatible endpoint, and the events of its streamed answer."""

import json
from collections.abc import AsyncGenerator, AsyncIterator
from time import monotonic
from typing import Any

import msgspec

from xapp.domain.answers import Chunk, Event, Finished, Started
from xapp.domain.finish_reason import FinishReason
from xapp.domain.format_kinds import JsonSchema
from xapp.domain.requests import Request
from xapp.routing.destination import UpstreamError

MAX_STOPS = 4
"""OpenAI's own bound."""
_DONE = b"[DONE]"
_REASONS = {"stop": FinishReason.STOP, "length": FinishReason.LENGTH}


def lacks(request: Request) -> str:
    """What of the request the API has no word for; "" for nothing."""
    sampling = request.sampling
    found = {
        "a grammar or choices": request.format is not None and not isinstance(request.format, JsonSchema),
        "a format for a prompt without a chat": request.format is not None
        and isinstance(request.prompt, str),
        "sampling.top_k, min_p or repeat_penalty": (sampling.top_k, sampling.min_p, sampling.repeat_penalty)
        != (0, 0.0, 1.0),
        "a temperature above 2": sampling.temperature > 2,
        "ignore_eos": request.ignore_eos,
        "max_token_gap": request.max_gap_s is not None,
        f"more than {MAX_STOPS} stop texts": len(request.stop) > MAX_STOPS,
    }
    return next((what for what, asked in found.items() if asked), "")


def path_of(request: Request) -> str:
    """Where the request is posted: a chat has its template at the endpoint, a plain prompt has none."""
    return "/completions" if isinstance(request.prompt, str) else "/chat/completions"


def body_of(request: Request, model: str) -> dict[str, Any]:
    """The JSON of the request."""
    body: dict[str, Any] = {
        "model": model,
        "stream": True,
        "stream_options": {"include_usage": True},
        "max_tokens": request.max_tokens,
        "temperature": request.sampling.temperature,
        "top_p": request.sampling.top_p,
    }
    if isinstance(request.prompt, str):
        body["prompt"] = request.prompt
    else:
        body["messages"] = [{"role": turn.role, "content": turn.content} for turn in request.prompt]
    if request.stop:
        body["stop"] = list(request.stop)
    if request.seed is not None:
        body["seed"] = request.seed
    if isinstance(request.format, JsonSchema):
        schema = {"name": "answer", "strict": True, "schema": _schema(request.format.text)}
        body["response_format"] = {"type": "json_schema", "json_schema": schema}
    return body


def _schema(text: str) -> Any:
    """The schema was read once before, where it was prepared for this node's own grammar."""
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise UpstreamError("the schema cannot be sent on") from error


class _Delta(msgspec.Struct, frozen=True):
    content: str | None = None


class _Choice(msgspec.Struct, frozen=True):
    delta: _Delta = _Delta()
    text: str | None = None
    finish_reason: str | None = None


class _Usage(msgspec.Struct, frozen=True):
    prompt_tokens: int = 0
    completion_tokens: int = 0


class _Piece(msgspec.Struct, frozen=True):
    choices: list[_Choice] = []
    usage: _Usage | None = None
    model: str = ""


_decode = msgspec.json.Decoder(_Piece).decode


class AnswerReader:
    """Turns the data of server-sent events into events. `name` is the model's where the endpoint tells none.

    A piece of text counts as a token, where the usage that the endpoint tells does not say more.
    """

    def __init__(self, name: str, request: Request) -> None:
        self._name = name
        self._request = request
        self._asked_at = monotonic()
        self._first_at: float | None = None
        self._num_pieces = 0
        self._reason: FinishReason | None = None
        self._usage = _Usage()

    async def read(self, lines: AsyncIterator[bytes]) -> AsyncGenerator[Event, None]:
        """The events. Raises UpstreamError where the stream is not of the API, or not whole."""
        started = False
        async for data in lines:
            if data == _DONE:
                break
            piece = _piece(data)
            if not started:
                started = True
                yield self._started(piece)
            if (text := self._note(piece)) is not None:
                yield Chunk(text, 1)
        if self._reason is None:
            raise UpstreamError("the answer ended without a finish reason")
        yield self._finished(self._reason)

    def _started(self, piece: _Piece) -> Started:
        name = (piece.model or self._name)[:128]
        return Started(name, "", 0, 0, 0.0, self._request.seed or 0, self._request.correlation_id)

    def _note(self, piece: _Piece) -> str | None:
        """The text of the piece, None for none."""
        self._usage = piece.usage or self._usage
        if not piece.choices:
            return None
        choice = piece.choices[0]
        if choice.finish_reason is not None:
            self._reason = _reason(choice.finish_reason)
        text = choice.text or choice.delta.content
        if text:
            self._num_pieces += 1
            self._first_at = self._first_at or monotonic()
        return text or None

    def _finished(self, reason: FinishReason) -> Finished:
        now = monotonic()
        first_at = now if self._first_at is None else self._first_at
        return Finished(
            reason=reason,
            num_prompt_tokens=self._usage.prompt_tokens,
            num_cached_tokens=0,
            num_completion_tokens=max(self._usage.completion_tokens, self._num_pieces),
            queue_s=0.0,
            prefill_s=first_at - self._asked_at,
            decode_s=now - first_at,
            time_to_first_token_s=first_at - self._asked_at,
        )


def _piece(data: bytes) -> _Piece:
    try:
        return _decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise UpstreamError("it sent what is no piece of an answer") from error


def _reason(text: str) -> FinishReason:
    if text not in _REASONS:
        raise UpstreamError(f"the answer ended with {text[:32]!r}")
    return _REASONS[text]
