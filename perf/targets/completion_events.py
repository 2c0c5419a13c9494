"""Server-sent events of an OpenAI-compatible server: reads with their times become arrivals and facts.

An event counts for the read that completed it.
"""

from collections.abc import Iterable, Iterator, Sequence

import msgspec

from perf.stream_figures import Arrival
from perf.targets.http_answer import Read
from perf.targets.target import Answer, TargetError

_FIELDS = (b"data:", b"error:")
_DONE = b"[DONE]"


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


def events(reads: Iterable[Read], *, whole: bool = True) -> Iterator[tuple[float, Event]]:
    """The events up to [DONE], each with the time of the read that completed it.

    `whole`: the stream must have ended with [DONE]. Raises TargetError (`protocol`, `lost`).
    """
    rest = b""
    for read in reads:
        *lines, rest = (rest + read.data).split(b"\n")
        for line in lines:
            if not line.startswith(_FIELDS):
                continue
            data = line.partition(b":")[2].strip()
            if data == _DONE:
                return
            yield read.at, _event(data)
    if whole:
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
    usage = next((event.usage for _, event in reversed(told) if event.usage), None)
    timings = next((event.timings for _, event in reversed(told) if event.timings), None)
    choices = [choice for _, event in told for choice in event.choices]
    reasons = [choice.finish_reason for choice in choices if choice.finish_reason]
    num_tokens = usage.completion_tokens if usage else timings.predicted_n if timings else None
    return Answer(
        sent=sent,
        arrivals=arrivals(told, num_tokens),
        text="".join(choice.said for choice in choices),
        finish_reason=reasons[-1] if reasons else "",
        num_prompt_tokens=_num_prompt_tokens(usage, timings),
        num_cached_tokens=_num_cached_tokens(usage, timings),
        num_completion_tokens=num_tokens,
        prefill_s=timings.prompt_ms / 1000 if timings else None,
        decode_s=timings.predicted_ms / 1000 if timings else None,
        bytes_sent=bytes_sent,
        bytes_received=sum(len(read.data) for read in reads),
    )


def arrivals(told: Iterable[tuple[float, Event]], num_tokens: int | None = None) -> list[Arrival]:
    """One event with text is one token, unless the server counted otherwise: then they are dealt out evenly.

    The others had no text of their own: half a character, or the end of the answer. Events of one read
    arrived together.
    """
    times = [at for at, event in told if any(choice.said for choice in event.choices)]
    total, given = num_tokens or len(times), 0
    merged = dict.fromkeys(times, 0)
    for number, at in enumerate(times, start=1):
        upto = total * number // len(times)
        merged[at] += upto - given
        given = upto
    return [Arrival(at, count) for at, count in merged.items() if count]


def _num_prompt_tokens(usage: Usage | None, timings: _Timings | None) -> int | None:
    if usage is not None:
        return usage.prompt_tokens
    return timings.prompt_n + (timings.cache_n or 0) if timings else None


def _num_cached_tokens(usage: Usage | None, timings: _Timings | None) -> int | None:
    if timings is not None and timings.cache_n is not None:
        return timings.cache_n
    details = usage.prompt_tokens_details if usage else None
    return details.cached_tokens if details else None
