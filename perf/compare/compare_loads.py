"""The loads: what each round asks of every target, in the same texts, and what to name it."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

from perf.callers.load_commands import Arrivals, Command, Decode, Mixed, SharedPrefix, Solo
from perf.callers.prompt_texts import (
    LONG_PROMPT_TOKENS,
    PROMPT_TOKENS,
    RUNNING_STREAMS,
    SHARING_CALLERS,
    SYSTEM_PROMPT_TOKENS,
    Texts,
)

RUNNING_TOKENS = 1024
QUEUED_TOKENS = 128
STEADY_PROMPT_TOKENS = 336
STEADY_TOKENS = 128
"""A steady stream goes from 336 to 464 cells: 400 in the middle."""
CROWD_PROMPT_TOKENS = 200
ANSWER_TOKENS = 48
STAGGERED = (16, 2.0)
"""Callers, and the seconds from one to the next."""
_CALLER_TOKENS = 8

# Where the texts of a load begin among those of a round, so that no load has a text of another.
_TEXTS_A_LOAD = 100
_LOADS_A_ROUND = 512
_DECODE, _BURST, _SOLO = 0, 100, 200
_MIXED, _SHARED, _STAGGERED = 300, 301, 302


class Load(Protocol):
    """One load. `name` is the part of a figure's group after the target."""

    @property
    def name(self) -> str:
        """Such as `decode-4`."""
        ...

    async def command(self, texts: Texts, seed: int, *, queues: bool) -> Command:
        """New texts for a round. `queues`: the server answers one request after another."""
        ...


async def _prompts(texts: Texts, length: int, count: int, seed: int, load: int) -> list[str]:
    """Texts that share no beginning with each other or with those of another load or round."""
    first = (seed * _LOADS_A_ROUND + load) * _TEXTS_A_LOAD
    return [await texts.get(length, first + index) for index in range(count)]


@dataclass(frozen=True, slots=True)
class DecodeLoad:
    """Streams at once, of prompts that are computed: all of them run from the first step on."""

    num_streams: int

    @property
    def name(self) -> str:
        """`decode-` and the number of streams."""
        return f"decode-{self.num_streams}"

    async def command(self, texts: Texts, seed: int, *, queues: bool) -> Decode:
        """Prompts that share no prefix with any other."""
        load = _DECODE + self.num_streams
        prompts = await _prompts(texts, STEADY_PROMPT_TOKENS, self.num_streams, seed, load)
        return Decode(prompts, STEADY_TOKENS)


@dataclass(frozen=True, slots=True)
class SoloLoad:
    """One caller alone; `number` tells loads of one run apart."""

    prompt_tokens: int
    number: int

    @property
    def name(self) -> str:
        """`solo-` and the length of the prompt."""
        return f"solo-{self.prompt_tokens}"

    async def command(self, texts: Texts, seed: int, *, queues: bool) -> Solo:
        """A prompt of exactly that length."""
        (prompt,) = await _prompts(texts, self.prompt_tokens, 1, seed, _SOLO + self.number)
        return Solo(prompt, ANSWER_TOKENS, self.prompt_tokens)


@dataclass(frozen=True, slots=True)
class BurstLoad:
    """Callers at the same moment, who share nothing."""

    num_callers: int

    @property
    def name(self) -> str:
        """`burst-` and the number of callers."""
        return f"burst-{self.num_callers}"

    async def command(self, texts: Texts, seed: int, *, queues: bool) -> Arrivals:
        """A prompt each."""
        load = _BURST + self.num_callers
        prompts = await _prompts(texts, CROWD_PROMPT_TOKENS, self.num_callers, seed, load)
        return Arrivals(prompts, ANSWER_TOKENS, 0.0)


@dataclass(frozen=True, slots=True)
class StaggeredLoad:
    """Callers who come one by one, `interval_s` apart, and share nothing."""

    num_callers: int
    interval_s: float

    @property
    def name(self) -> str:
        """`staggered`."""
        return "staggered"

    async def command(self, texts: Texts, seed: int, *, queues: bool) -> Arrivals:
        """A prompt each."""
        prompts = await _prompts(texts, CROWD_PROMPT_TOKENS, self.num_callers, seed, _STAGGERED)
        return Arrivals(prompts, ANSWER_TOKENS, self.interval_s)


@dataclass(frozen=True, slots=True)
class MixedLoad:
    """A long prompt arrives among running streams, after one as long has been answered alone."""

    @property
    def name(self) -> str:
        """`mixed`."""
        return "mixed"

    async def command(self, texts: Texts, seed: int, *, queues: bool) -> Mixed:
        """A server that queues gets shorter streams: its newcomer waits for all of them."""
        first = (seed * _LOADS_A_ROUND + _MIXED) * _TEXTS_A_LOAD
        running = await _prompts(texts, PROMPT_TOKENS, RUNNING_STREAMS, seed, _MIXED)
        alone = await texts.get(LONG_PROMPT_TOKENS, first + RUNNING_STREAMS)
        newcomer = await texts.get(LONG_PROMPT_TOKENS, first + RUNNING_STREAMS + 1)
        return Mixed(alone, newcomer, running, QUEUED_TOKENS if queues else RUNNING_TOKENS)


@dataclass(frozen=True, slots=True)
class SharedPrefixLoad:
    """One caller makes a system prompt known; then several ask different things of it at once."""

    @property
    def name(self) -> str:
        """`shared-prefix`."""
        return "shared-prefix"

    async def command(self, texts: Texts, seed: int, *, queues: bool) -> SharedPrefix:
        """A new system prompt each round."""
        (system,) = await _prompts(texts, SYSTEM_PROMPT_TOKENS, 1, seed, _SHARED)
        first, *others = (_asked(system, seed, caller) for caller in range(SHARING_CALLERS + 1))
        return SharedPrefix(first, others, _CALLER_TOKENS)


def _asked(system: str, seed: int, caller: int) -> str:
    cell = seed * 31 + caller
    return f"{system}\nCaller {caller} asks what changed in cell {cell} since the last report."


@dataclass(frozen=True, slots=True)
class Asked:
    """What a run plays. `staggered` is the number of callers and their interval in seconds."""

    streams: Sequence[int] = ()
    solo: Sequence[int] = ()
    burst: Sequence[int] = ()
    staggered: tuple[int, float] | None = None
    mixed: bool = False
    shared_prefix: bool = False

    def loads(self) -> list[Load]:
        """In the order of a round."""
        return list(self._loads())

    def _loads(self) -> Iterator[Load]:
        yield from (SoloLoad(tokens, number) for number, tokens in enumerate(self.solo))
        yield from map(DecodeLoad, self.streams)
        yield from map(BurstLoad, self.burst)
        if self.staggered:
            yield StaggeredLoad(*self.staggered)
        if self.mixed:
            yield MixedLoad()
        if self.shared_prefix:
            yield SharedPrefixLoad()
