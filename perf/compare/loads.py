"""The loads: what each round asks of every target, in the same texts, and what to name it."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

from perf.compare.commands import Command, Decode, Mixed, SharedPrefix
from perf.serving.workload import (
    LONG_PROMPT_TOKENS,
    PROMPT_TOKENS,
    RUNNING_STREAMS,
    SHARING_CALLERS,
    SYSTEM_PROMPT_TOKENS,
    Texts,
    decode_work,
)

RUNNING_TOKENS = 1024
QUEUED_TOKENS = 128
_CALLER_TOKENS = 8
_SEEDS_A_ROUND = 16


class Load(Protocol):
    """One load. `name` is the part of a figure's group after the target."""

    @property
    def name(self) -> str:
        """Such as `decode-4`."""
        ...

    async def command(self, texts: Texts, seed: int, *, queues: bool) -> Command:
        """New texts for a round. `queues`: the server answers one request after another."""
        ...


@dataclass(frozen=True, slots=True)
class DecodeLoad:
    """Streams at once; as many tokens as the serving benchmark takes for that number."""

    num_streams: int

    @property
    def name(self) -> str:
        """`decode-` and the number of streams."""
        return f"decode-{self.num_streams}"

    async def command(self, texts: Texts, seed: int, *, queues: bool) -> Decode:
        """Prompts that share no prefix with any other."""
        work = decode_work(self.num_streams, seed * _SEEDS_A_ROUND + self.num_streams)
        prompts = [
            await texts.get(PROMPT_TOKENS, work.seed * 100 + index) for index in range(self.num_streams)
        ]
        return Decode(prompts, work.num_tokens)


@dataclass(frozen=True, slots=True)
class MixedLoad:
    """A long prompt arrives among running streams, after one as long has been answered alone."""

    @property
    def name(self) -> str:
        """`mixed`."""
        return "mixed"

    async def command(self, texts: Texts, seed: int, *, queues: bool) -> Mixed:
        """A server that queues gets shorter streams: its newcomer waits for all of them."""
        base = (seed * _SEEDS_A_ROUND + 9) * 100
        running = [await texts.get(PROMPT_TOKENS, base + 60 + index) for index in range(RUNNING_STREAMS)]
        alone = await texts.get(LONG_PROMPT_TOKENS, base + 50)
        newcomer = await texts.get(LONG_PROMPT_TOKENS, base + 51)
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
        base = seed * _SEEDS_A_ROUND + 10
        system = await texts.get(SYSTEM_PROMPT_TOKENS, base * 100 + 70)
        first, *others = (_asked(system, base, caller) for caller in range(SHARING_CALLERS + 1))
        return SharedPrefix(first, others, _CALLER_TOKENS)


def _asked(system: str, seed: int, caller: int) -> str:
    cell = seed * 31 + caller
    return f"{system}\nCaller {caller} asks what changed in cell {cell} since the last report."


def loads(streams: list[int], *, mixed: bool, shared_prefix: bool) -> list[Load]:
    """What was asked for, in the order of a round."""
    return list(_loads(streams, mixed=mixed, shared_prefix=shared_prefix))


def _loads(streams: list[int], *, mixed: bool, shared_prefix: bool) -> Iterator[Load]:
    yield from map(DecodeLoad, streams)
    if mixed:
        yield MixedLoad()
    if shared_prefix:
        yield SharedPrefixLoad()
