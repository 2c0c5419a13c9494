"""RemoteAnswer: one request at the upstream, within its times. It begins there, or not at all."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing
from time import monotonic

from xapp.domain.answers import Chunk, Event, Finished, Started
from xapp.domain.finish_reason import FinishReason
from xapp.domain.requests import DeadlinePolicy
from xapp.domain.routing import RoutingReason
from xapp.errors import DeadlineExceeded, Unavailable
from xapp.routing.checked_stream import CheckedStream
from xapp.routing.destination import Upstream, UpstreamError
from xapp.routing.link import Link, Wait
from xapp.service.outbound import Outbound

RETRY_AFTER_S = 1.0
CLOSE_S = 0.05
"""The upstream ends a call at the same deadline, a little earlier or later than this node."""


class NotBegun(Exception):
    """The upstream sent no token: the request can be answered elsewhere. The message says why."""

    def __init__(self, message: str, reason: RoutingReason = RoutingReason.UPSTREAM_FAILED) -> None:
        super().__init__(message)
        self.reason = reason


class RemoteAnswer:
    """Reads the answer to `outbound`. Nothing is yielded before the first piece of text, or the end."""

    def __init__(self, upstream: Upstream, link: Link, outbound: Outbound, idle_s: float) -> None:
        self._upstream = upstream
        self._link = link
        self._outbound = outbound
        self._idle_s = idle_s
        self._began_at = 0.0
        self._num_tokens = self._num_told = 0
        self._started: Started | None = None

    async def read(self, wait: Wait) -> AsyncGenerator[Event, None]:
        """Raises NotBegun, and after the first token Unavailable or DeadlineExceeded."""
        if self._link.is_full:
            # Others may have gone there while the difficulty of this request was found out.
            raise NotBegun("", RoutingReason.UPSTREAM_FULL)
        with self._link.hold():
            stream = CheckedStream(self._upstream.stream(self._outbound.request), self._outbound.max_tokens)
            try:
                async with aclosing(stream.read()) as events:
                    for event in await self._begin(events, wait):
                        yield self._noted(event)
                    async with aclosing(self._rest(events)) as rest:
                        async for event in rest:
                            yield self._noted(event)
            finally:
                self._outbound.charge.set(self._num_told)

    async def _begin(self, events: AsyncIterator[Event], wait: Wait) -> list[Event]:
        """Started, and the event behind it."""
        asked_at = monotonic()
        try:
            async with asyncio.timeout(wait.seconds):
                first = [await anext(events), await anext(events)]
        except UpstreamError as error:
            self._link.failed()
            raise NotBegun(str(error)) from error
        except TimeoutError as error:
            self._link.gave_up(wait)
            raise NotBegun(f"no token within {wait.seconds:.3g} s") from error
        self._began_at = monotonic()
        self._link.began(self._began_at - asked_at)
        return first

    async def _rest(self, events: AsyncIterator[Event]) -> AsyncGenerator[Event, None]:
        try:
            while (event := await self._next(events)) is not None:
                yield event
        except (UpstreamError, TimeoutError) as error:
            if not self._is_late:
                self._link.failed()
                raise _lost(str(error) or f"no token for {self._idle_s:g} s") from error
            if self._outbound.request.deadline_policy is not DeadlinePolicy.BEST_EFFORT:
                raise DeadlineExceeded(f"the deadline passed after {self._num_tokens} tokens") from error
            yield self._cut()

    async def _next(self, events: AsyncIterator[Event]) -> Event | None:
        """None at the end. Raises TimeoutError after the time between tokens, or at the deadline."""
        until = monotonic() + self._idle_s
        if (deadline := self._outbound.request.deadline) is not None:
            until = min(until, deadline)
        async with asyncio.timeout(max(0.0, until - monotonic())):
            return await anext(events, None)

    @property
    def _is_late(self) -> bool:
        deadline = self._outbound.request.deadline
        return deadline is not None and monotonic() >= deadline - CLOSE_S

    def _noted(self, event: Event) -> Event:
        if isinstance(event, Started):
            self._started = event
            self._num_told = event.num_prompt_tokens
        elif isinstance(event, Chunk):
            self._num_tokens += event.num_tokens
            self._num_told += event.num_tokens
        else:
            self._num_told = event.num_prompt_tokens + event.num_completion_tokens
            self._link.ended(event.num_completion_tokens, monotonic() - self._began_at)
        return event

    def _cut(self) -> Finished:
        """The deadline passed, and the answer may be cut: it ends with the tokens that have come."""
        started = self._started
        assert started is not None
        num_prompt, num_cached = started.num_prompt_tokens, started.num_cached_tokens
        decode_s = monotonic() - self._began_at
        reason, num_tokens = FinishReason.DEADLINE, max(1, self._num_tokens)
        return Finished(reason, num_prompt, num_cached, num_tokens, 0.0, 0.0, decode_s, 0.0)


def _lost(why: str) -> Unavailable:
    return Unavailable(
        f"the upstream broke off its answer: {why}", reason="UPSTREAM_LOST", retry_after_s=RETRY_AFTER_S
    )
