"""Checks the stream of an upstream: its order, its counts and its size. An upstream may be wrong, or lie."""

from collections.abc import AsyncGenerator
from contextlib import aclosing

from xapp.domain.answers import Chunk, Event, Finished, Started
from xapp.domain.finish_reason import FinishReason
from xapp.durations import MOST_S
from xapp.routing.destination import UpstreamError

MAX_CHUNK_CHARS = 65_536
MAX_CHARS_PER_TOKEN = 1024
"""The longest tokens of a vocabulary are shorter than this: a run of blanks."""
MAX_PROMPT_TOKENS = 10_000_000
_NO_TIMES = "it tells times that are none"


class CheckedStream:
    """The events of an answer of at most `max_tokens` tokens. The first wrong event raises UpstreamError."""

    def __init__(self, events: AsyncGenerator[Event, None], max_tokens: int) -> None:
        self._events = events
        self._max_tokens = max_tokens
        self._started: Started | None = None
        self._finished: Finished | None = None
        self._num_tokens = self._num_chars = 0

    async def read(self) -> AsyncGenerator[Event, None]:
        """Yields the events."""
        async with aclosing(self._events) as events:
            async for event in events:
                self._check(event)
                yield event
        if self._finished is None:
            raise UpstreamError("the answer ended without its last message")

    def _check(self, event: Event) -> None:
        if self._finished is not None:
            raise UpstreamError("it sent more after the end of the answer")
        if isinstance(event, Started):
            self._check_started(event)
        elif self._started is None:
            raise UpstreamError("the answer began without its first message")
        elif isinstance(event, Chunk):
            self._check_chunk(event)
        else:
            self._check_finished(event)

    def _check_started(self, event: Started) -> None:
        if self._started is not None:
            raise UpstreamError("the answer began twice")
        _check_prompt(event)
        if not _is_duration(event.queue_s):
            raise UpstreamError(_NO_TIMES)
        self._started = event

    def _check_chunk(self, event: Chunk) -> None:
        self._num_tokens += event.num_tokens
        self._num_chars += len(event.text)
        if not event.text or len(event.text) > MAX_CHUNK_CHARS or event.num_tokens < 0:
            raise UpstreamError(f"it sent a piece of {len(event.text)} characters, {event.num_tokens} tokens")
        if self._num_tokens > self._max_tokens or self._num_chars > self._max_tokens * MAX_CHARS_PER_TOKEN:
            raise UpstreamError(f"it sent more than the {self._max_tokens} tokens that were asked for")

    def _check_finished(self, event: Finished) -> None:
        if not self._num_tokens <= event.num_completion_tokens <= self._max_tokens:
            told = f"it counts {event.num_completion_tokens} tokens of an answer"
            raise UpstreamError(f"{told} of {self._num_tokens}, at most {self._max_tokens}")
        if event.num_completion_tokens == 0 and self._num_chars:
            raise UpstreamError("it counts no token of an answer that has text")
        if event.reason not in (FinishReason.STOP, FinishReason.LENGTH, FinishReason.DEADLINE):
            raise UpstreamError(f"the answer ended with {event.reason.value}")
        _check_prompt(event)
        times = (event.queue_s, event.prefill_s, event.decode_s, event.time_to_first_token_s)
        if not all(map(_is_duration, times)):
            raise UpstreamError(_NO_TIMES)
        self._finished = event


def _check_prompt(event: Started | Finished) -> None:
    if not 0 <= event.num_cached_tokens <= event.num_prompt_tokens <= MAX_PROMPT_TOKENS:
        raise UpstreamError(f"it counts {event.num_prompt_tokens:.3g} tokens of the prompt")


def _is_duration(seconds: float) -> bool:
    return 0 <= seconds <= MOST_S
