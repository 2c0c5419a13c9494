"""Server-sent events of an OpenAI-compatible server: reads with their times become arrivals and facts.

A read is kept as it came while tokens flow, and parsed after the stream has ended. An event counts
for the read that completed it.
"""

from collections.abc import Iterable, Iterator, Sequence

import msgspec

from perf.streams import Arrival
from perf.targets.base import Answer, TargetError

_DATA = b"data:"
_DONE = b"[DONE]"


class Read(msgspec.Struct, frozen=True):
    """Bytes as they came, and when."""

    at: float
    data: bytes


class _Delta(msgspec.Struct, frozen=True):
    content: str | None = None
    reasoning_content: str | None = None


class _Choice(msgspec.Struct, frozen=True):
    delta: _Delta | None = None
    text: str | None = None
    finish_reason: str | None = None

    @property
    def said(self) -> str:
        """The piece of text, of either endpoint."""
        if self.delta is None:
            return self.text or ""
        return (self.delta.reasoning_content or "") + (self.delta.content or "")


class _Details(msgspec.Struct, frozen=True):
    cached_tokens: int | None = None


class Usage(msgspec.Struct, frozen=True):
    """Token counts, as `stream_options.include_usage` brings them."""

    prompt_tokens: int
    completion_tokens: int
    prompt_tokens_details: _Details | None = None


class _Timings(msgspec.Struct, frozen=True):
    """llama-server's own."""

    prompt_n: int
    prompt_ms: float
    predicted_n: int
    predicted_ms: float
    cache_n: int | None = None


class Event(msgspec.Struct, frozen=True):
    """One event. A server that fails in the middle says so in `error`."""

    choices: list[_Choice] = []
    usage: Usage | None = None
    timings: _Timings | None = None
    error: dict[str, object] | str | None = None


def events(reads: Iterable[Read]) -> Iterator[tuple[float, Event]]:
    """The events up to [DONE]. Raises TargetError (`protocol`, `lost`)."""
    rest = b""
    for read in reads:
        *lines, rest = (rest + read.data).split(b"\n")
        for line in lines:
            if not line.startswith(_DATA):
                continue
            data = line[len(_DATA) :].strip()
            if data == _DONE:
                return
            yield read.at, _event(data)
    raise TargetError("lost", "the stream ended without [DONE]")


def _event(data: bytes) -> Event:
    try:
        event = msgspec.json.decode(data, type=Event)
    except msgspec.DecodeError as error:
        raise TargetError("protocol", f"an event is no completion chunk: {error}: {data[:120]!r}") from error
    if event.error is not None:
        raise TargetError("lost", f"the server said in the middle of the answer: {event.error}")
    return event


def answer_of(sent: float, reads: Sequence[Read], bytes_sent: int) -> Answer:
    """What came of one streamed completion. Raises TargetError."""
    told = list(events(reads))
    pieces = [(at, choice.said) for at, event in told for choice in event.choices if choice.said]
    usage = next((event.usage for _, event in reversed(told) if event.usage), None)
    timings = next((event.timings for _, event in reversed(told) if event.timings), None)
    reasons = [choice.finish_reason for _, event in told for choice in event.choices if choice.finish_reason]
    num_tokens = usage.completion_tokens if usage else timings.predicted_n if timings else None
    return Answer(
        sent=sent,
        arrivals=_arrivals([at for at, _ in pieces], num_tokens),
        text="".join(piece for _, piece in pieces),
        finish_reason=reasons[-1] if reasons else "",
        num_prompt_tokens=_num_prompt_tokens(usage, timings),
        num_cached_tokens=_num_cached_tokens(usage, timings),
        num_completion_tokens=num_tokens,
        prefill_s=timings.prompt_ms / 1000 if timings else None,
        decode_s=timings.predicted_ms / 1000 if timings else None,
        bytes_sent=bytes_sent,
        bytes_received=sum(len(read.data) for read in reads),
    )


def _arrivals(times: Sequence[float], num_tokens: int | None) -> list[Arrival]:
    """One event is one token; what the server counted beyond that came with the last one.

    Those are the tokens whose text was held back, and an end-of-answer token that it counts.
    """
    if not times:
        return []
    more = max(0, (num_tokens or len(times)) - len(times))
    return [*(Arrival(at, 1) for at in times[:-1]), Arrival(times[-1], 1 + more)]


def _num_prompt_tokens(usage: Usage | None, timings: _Timings | None) -> int | None:
    if usage is not None:
        return usage.prompt_tokens
    return timings.prompt_n + (timings.cache_n or 0) if timings else None


def _num_cached_tokens(usage: Usage | None, timings: _Timings | None) -> int | None:
    if timings is not None and timings.cache_n is not None:
        return timings.cache_n
    details = usage.prompt_tokens_details if usage else None
    return details.cached_tokens if details else None
