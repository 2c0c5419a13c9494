"""A Target without a server: as many slots as told, a queue, prefill and decode at a given speed.

It lives by its event loop's clock. On `perf.targets.virtual_time` hours of load take milliseconds, and
every figure is known beforehand.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass

from perf.record import result_schema
from perf.stream_figures import Arrival
from perf.targets.target import Answer, CompletionRequest, Input, TargetError

_WORDS = ("all", "cells", "of", "this", "sector", "are", "up")


@dataclass(frozen=True, slots=True)
class Behaviour:
    """Times in seconds; `stalls` are (from, to) on the loop's clock in which no token comes.

    `queue` is how many may wait for a slot; more are refused. From `lost_at` on every call fails,
    those under way as well. `max_prompt_tokens` refuses longer ones as invalid.
    """

    num_slots: int = 4
    queue: int = 1_000_000
    prefill_token_s: float = 0.0
    decode_token_s: float = 0.01
    stalls: Sequence[tuple[float, float]] = ()
    lost_at: float | None = None
    max_prompt_tokens: int = 1_000_000


class FakeTarget:
    """A word is a token. `requests` keeps what was asked for, `most_at_once` how many were under way."""

    def __init__(self, behaviour: Behaviour | None = None, *, name: str = "fake") -> None:
        self.behaviour = behaviour or Behaviour()
        self.requests: list[CompletionRequest] = []
        self.num_under_way = 0
        self.most_at_once = 0
        self.closed = False
        self._name = name
        self._slots = asyncio.Semaphore(self.behaviour.num_slots)

    async def describe(self) -> result_schema.Target:
        """See Target."""
        self._check_there("unreachable")
        return result_schema.Target(name=self._name, kind="fake", address="", model="fake", server="fake")

    async def complete(self, request: CompletionRequest) -> Answer:
        """See Target."""
        sent = _now()
        self._check_there("unreachable")
        self._check_room(request)
        self.requests.append(request)
        self.num_under_way += 1
        self.most_at_once = max(self.most_at_once, self.num_under_way)
        try:
            async with asyncio.timeout(request.deadline_s):
                return await self._answer(sent, request)
        except TimeoutError as error:
            raise TargetError("deadline", "the deadline passed") from error
        finally:
            self.num_under_way -= 1

    def _check_room(self, request: CompletionRequest) -> None:
        if self.num_under_way >= self.behaviour.num_slots + self.behaviour.queue:
            raise TargetError("refused", "the queue is full", retry_after_s=1.0)
        if _num_tokens(request.input) > self.behaviour.max_prompt_tokens:
            raise TargetError("invalid", "the prompt is too long")

    async def _answer(self, sent: float, request: CompletionRequest) -> Answer:
        num_prompt_tokens = _num_tokens(request.input)
        async with self._slots:
            started = _now()
            await self._work(num_prompt_tokens * self.behaviour.prefill_token_s)
            arrivals = [await self._token() for _ in range(request.max_tokens)]
        words = (_WORDS[index % len(_WORDS)] for index in range(request.max_tokens))
        return Answer(
            sent=sent,
            arrivals=arrivals,
            text=" ".join(words),
            finish_reason="length",
            num_prompt_tokens=num_prompt_tokens,
            num_cached_tokens=0,
            num_completion_tokens=request.max_tokens,
            queue_s=started - sent,
            prefill_s=arrivals[0].at - started,
            decode_s=arrivals[-1].at - arrivals[0].at,
        )

    async def _token(self) -> Arrival:
        await self._work(self.behaviour.decode_token_s)
        return Arrival(_now(), 1)

    async def _work(self, seconds: float) -> None:
        await asyncio.sleep(seconds)
        for start, end in self.behaviour.stalls:
            if start <= _now() < end:
                await asyncio.sleep(end - _now())
        self._check_there("lost")

    def _check_there(self, code: str) -> None:
        if self.behaviour.lost_at is not None and _now() >= self.behaviour.lost_at:
            raise TargetError(code, "the fake is gone")

    async def count_tokens(self, input: Input) -> int:  # noqa: A002  (the contract's own word)
        """See Target."""
        self._check_there("unreachable")
        return _num_tokens(input)

    async def aclose(self) -> None:
        """See Target."""
        self.closed = True


def _num_tokens(given: Input) -> int:
    if isinstance(given, str):
        return len(given.split())
    return sum(1 + len(turn.content.split()) for turn in given)


def _now() -> float:
    return asyncio.get_running_loop().time()
