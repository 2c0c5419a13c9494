"""What is asked in a step: drawn from distributions, or read from a trace, as an endless supply of requests.

The same seed gives the same lengths and classes in every step, so that steps differ in their load
only; the prompts themselves are new in each step and each attempt: nothing is in the server's cache.
"""

import random
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import count
from typing import Protocol

from perf.data.traces import TraceRequest
from perf.load.prompt_maker import Prompts
from perf.load.request_classes import Class, draw
from perf.load.token_lengths import Lengths
from perf.targets.target import CompletionRequest, Input

_CYCLE = 256


@dataclass(frozen=True, slots=True)
class Shape:
    """A request before it has a prompt: `input`, or a prompt of `prompt_tokens` to be made."""

    max_tokens: int
    prompt_tokens: int | None = None
    input: Input | None = None
    priority: str = ""
    deadline_s: float | None = None


class Source(Protocol):
    """Where shapes come from."""

    def shapes(self, num_requests: int | None) -> list[Shape]:
        """So many, or for None as many as are worth repeating in a circle."""
        ...


@dataclass(frozen=True, slots=True)
class Drawn:
    """From distributions."""

    prompt: Lengths
    output: Lengths
    classes: Sequence[Class]
    seed: int

    def shapes(self, num_requests: int | None) -> list[Shape]:
        """See Source."""
        random_ = random.Random(self.seed)
        return [self._shape(random_) for _ in range(num_requests or _CYCLE)]

    def _shape(self, random_: random.Random) -> Shape:
        prompt, output = self.prompt.draw(random_), self.output.draw(random_)
        chosen = draw(self.classes, random_)
        return Shape(output, prompt, priority=chosen.priority, deadline_s=chosen.deadline_s)


@dataclass(frozen=True, slots=True)
class Traced:
    """From a trace, in its order, and again from its start. The class fills what the trace leaves out."""

    requests: Sequence[TraceRequest]
    default: Class

    def shapes(self, num_requests: int | None) -> list[Shape]:
        """See Source."""
        wanted = num_requests or len(self.requests)
        return [self._shape(self.requests[index % len(self.requests)]) for index in range(wanted)]

    def _shape(self, request: TraceRequest) -> Shape:
        return Shape(
            request.max_tokens,
            request.prompt_tokens,
            request.input,
            request.priority or self.default.priority,
            request.deadline_s or self.default.deadline_s,
        )


class Asking(Protocol):
    """What callers take their next request from."""

    async def next(self) -> CompletionRequest:
        """The next one."""
        ...


class Supply:
    """The requests of one attempt at a step, one after another, without end."""

    def __init__(
        self, shapes: Sequence[Shape], prompts: Prompts, first_number: int, *, ignore_eos: bool
    ) -> None:
        self._shapes = shapes
        self._prompts = prompts
        self._first_number = first_number
        self._ignore_eos = ignore_eos
        self._indices = count()

    async def prepare(self) -> None:
        """What takes calls to the server, before there is load. Raises PromptError, TargetError."""
        await self._prompts.prepare({each.prompt_tokens for each in self._shapes if each.prompt_tokens})

    async def next(self) -> CompletionRequest:
        """The next one."""
        index = next(self._indices)
        shape = self._shapes[index % len(self._shapes)]
        made = shape.input
        if made is None:
            assert shape.prompt_tokens is not None
            made = await self._prompts.make(shape.prompt_tokens, self._first_number + index)
        return CompletionRequest(made, shape.max_tokens, self._ignore_eos, shape.deadline_s, shape.priority)


def first_number(seed: int, step: str, attempt: int) -> int:
    """Where the prompts' numbers of an attempt start: elsewhere for every other."""
    return zlib.crc32(f"{seed}/{step}/{attempt}".encode())
