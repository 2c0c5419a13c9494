"""The fields that chat and plain completions share: model, sampling, length, stops, streaming."""

from typing import Annotated

import msgspec
from msgspec import Meta

from xapp.domain.requests import Request
from xapp.domain.sampling import MAX_SEED, SamplingParams
from xapp.errors import InvalidArgument
from xapp.gateway.extensions import Extensions

MAX_STOPS = 16
MAX_STOP_BYTES = 256
MAX_MODEL_CHARS = 256
DEFAULT_TEMPERATURE = 1.0
"""The dialect's."""


class StreamOptions(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`include_usage` adds a last chunk with the usage."""

    include_usage: bool | None = None


class SamplingFields(Extensions, frozen=True, kw_only=True):
    """None is the default. `top_k`, `min_p` and `repeat_penalty` are not in the dialect."""

    model: Annotated[str, Meta(max_length=MAX_MODEL_CHARS)] = ""
    stream: bool | None = None
    stream_options: StreamOptions | None = None
    temperature: Annotated[float, Meta(ge=0, le=2)] | None = None
    top_p: Annotated[float, Meta(gt=0, le=1)] | None = None
    seed: Annotated[int, Meta(ge=0, le=MAX_SEED)] | None = None
    stop: str | list[str] | None = None
    user: str | None = None
    top_k: Annotated[int, Meta(ge=0, le=2**31 - 1)] | None = None
    min_p: Annotated[float, Meta(ge=0, le=1)] | None = None
    repeat_penalty: Annotated[float, Meta(gt=0, le=10)] | None = None


def sampling_of(fields: SamplingFields) -> SamplingParams:
    """The sampling parameters, without the seed."""
    default = SamplingParams()
    return SamplingParams(
        temperature=DEFAULT_TEMPERATURE if fields.temperature is None else fields.temperature,
        top_k=fields.top_k or default.top_k,
        top_p=default.top_p if fields.top_p is None else fields.top_p,
        min_p=fields.min_p or default.min_p,
        repeat_penalty=default.repeat_penalty if fields.repeat_penalty is None else fields.repeat_penalty,
    )


def stops_of(fields: SamplingFields) -> tuple[str, ...]:
    """The stop texts."""
    stops = [fields.stop] if isinstance(fields.stop, str) else fields.stop or []
    if len(stops) > MAX_STOPS:
        raise InvalidArgument("stop", f"has {len(stops)} texts, at most {MAX_STOPS} are allowed")
    for index, text in enumerate(stops):
        if not 1 <= len(text.encode()) <= MAX_STOP_BYTES:
            raise InvalidArgument(f"stop[{index}]", f"must be 1 to {MAX_STOP_BYTES} bytes of UTF-8")
    return tuple(stops)


def includes_usage(fields: SamplingFields) -> bool:
    """Whether a stream ends with the usage."""
    if fields.stream_options is None:
        return False
    if not fields.stream:
        raise InvalidArgument("stream_options", "is set, but stream is not")
    return bool(fields.stream_options.include_usage)


class Ask(msgspec.Struct, frozen=True):
    """A request, and how its answer is wanted."""

    request: Request
    stream: bool = False
    include_usage: bool = False
