"""The fields that chat and plain completions share: model, sampling, length, stops, streaming."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Annotated

import msgspec
from msgspec import Meta

from xapp.domain.requests import Request
from xapp.domain.sampling import MAX_BIAS, MAX_BIASES, MAX_PENALTY, MAX_SEED, SamplingParams
from xapp.edge.request_limits import checked_stops
from xapp.errors import InvalidArgument
from xapp.gateway.extensions import Extensions

MAX_TOKEN_DIGITS = 10
MAX_MODEL_CHARS = 256
DEFAULT_TEMPERATURE = 1.0
"""The dialect's."""
MAX_N = 16
"""Answers of a request. Each takes a slot, so that more would wait for each other."""
_Penalty = Annotated[float, Meta(ge=-MAX_PENALTY, le=MAX_PENALTY)]
_Bias = Annotated[float, Meta(ge=-MAX_BIAS, le=MAX_BIAS)]


class StreamOptions(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`include_usage` adds a last chunk with the usage."""

    include_usage: bool | None = None


class SamplingFields(Extensions, frozen=True, kw_only=True):
    """None is the default. The dialect has no `top_k`, `min_p`, `repeat_penalty` and
    `max_reasoning_tokens`.
    """

    model: Annotated[str, Meta(max_length=MAX_MODEL_CHARS)] = ""
    stream: bool | None = None
    stream_options: StreamOptions | None = None
    temperature: Annotated[float, Meta(ge=0, le=2)] | None = None
    top_p: Annotated[float, Meta(gt=0, le=1)] | None = None
    seed: Annotated[int, Meta(ge=0, le=MAX_SEED)] | None = None
    stop: str | list[str] | None = None
    user: str | None = None
    n: Annotated[int, Meta(ge=1, le=MAX_N)] | None = None
    presence_penalty: _Penalty | None = None
    frequency_penalty: _Penalty | None = None
    logit_bias: Annotated[dict[str, _Bias], Meta(max_length=MAX_BIASES)] | None = None
    top_k: Annotated[int, Meta(ge=0, le=2**31 - 1)] | None = None
    min_p: Annotated[float, Meta(ge=0, le=1)] | None = None
    repeat_penalty: Annotated[float, Meta(gt=0, le=10)] | None = None
    max_reasoning_tokens: Annotated[int, Meta(ge=0, le=2**31 - 1)] | None = None


def sampling_of(fields: SamplingFields, top_log_probabilities: int | None) -> SamplingParams:
    """The sampling parameters, without the seed."""
    default = SamplingParams()
    return SamplingParams(
        temperature=DEFAULT_TEMPERATURE if fields.temperature is None else fields.temperature,
        top_k=fields.top_k or default.top_k,
        top_p=default.top_p if fields.top_p is None else fields.top_p,
        min_p=fields.min_p or default.min_p,
        repeat_penalty=default.repeat_penalty if fields.repeat_penalty is None else fields.repeat_penalty,
        presence_penalty=fields.presence_penalty or 0.0,
        frequency_penalty=fields.frequency_penalty or 0.0,
        logit_bias=tuple(sorted(_biases(fields.logit_bias or {}))),
        top_log_probabilities=top_log_probabilities,
        max_reasoning_tokens=fields.max_reasoning_tokens,
    )


def _biases(given: dict[str, float]) -> Iterator[tuple[int, float]]:
    for token, bias in given.items():
        if not (token.isascii() and token.isdigit() and len(token) < MAX_TOKEN_DIGITS):
            raise InvalidArgument("logit_bias", f"{token[:32]!r} is no token id")
        yield int(token), bias


def stops_of(fields: SamplingFields) -> tuple[str, ...]:
    """The stop texts."""
    stops = [fields.stop] if isinstance(fields.stop, str) else fields.stop or []
    return checked_stops(stops)


def includes_usage(fields: SamplingFields) -> bool:
    """Whether a stream ends with the usage."""
    if fields.stream_options is None:
        return False
    if not fields.stream:
        raise InvalidArgument("stream_options", "is set, but stream is not")
    return bool(fields.stream_options.include_usage)


class Ask(msgspec.Struct, frozen=True):
    """A request, and how its `n` answers are wanted."""

    request: Request
    n: int = 1
    stream: bool = False
    include_usage: bool = False

    @property
    def requests(self) -> list[Request]:
        """One request for each answer. Their seeds follow each other."""
        first = self.request
        if first.seed is None or self.n == 1:
            return [first] * self.n
        seeds = ((first.seed + number) % (MAX_SEED + 1) for number in range(self.n))
        return [replace(first, seed=seed) for seed in seeds]
