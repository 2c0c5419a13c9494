"""What callers ask for: drawn once with a seed, so that every contender gets the same.

Prompts are log-normal, median 80 tokens, 30 to 400. Half of the answers have a length that the caller
knows (`ignore_eos`; log-normal, median 28 tokens, 8 to 96), half end where the model ends them, at most
FREE_LIMIT tokens. Half of the deadlines are a multiple of the time that the request takes alone, 1.5 to 8,
each factor as likely; the other half are DEADLINES_S, whatever is asked.
"""

import random
from collections.abc import Iterator, Sequence

import msgspec

from perf.load.prompt_maker import Prompts
from perf.load.token_lengths import Lognormal
from perf.targets.target import CompletionRequest, Input, Turn

PROMPT_TOKENS = Lognormal(80, 0.8, 400, 30)
ANSWER_TOKENS = Lognormal(28, 0.8, 96, 8)
FREE_LIMIT = 96
MULTIPLES = (1.5, 8.0)
DEADLINES_S = (1.0, 2.0, 4.0, 8.0)

_QUESTION = "Which words are about radio? Answer in one short sentence."
"""The default model answers it with 10 to 70 tokens."""
_CHAT_TOKENS = 45
"""About what the default model's chat template and the question add to the text."""
_MIN_TEXT_TOKENS = 16


class Speeds(msgspec.Struct, frozen=True):
    """Of a node that does nothing else: seconds a prompt token, and seconds a token of the answer."""

    prompt_token_s: float
    answer_token_s: float

    def alone_s(self, prompt_tokens: int, answer_tokens: int) -> float:
        """What such a request takes."""
        return prompt_tokens * self.prompt_token_s + answer_tokens * self.answer_token_s


class Wanted(msgspec.Struct, frozen=True):
    """A request before it has a text. Either `multiple` of its time alone or `deadline_s` is its deadline."""

    prompt_tokens: int
    max_tokens: int
    free: bool
    multiple: float | None = None
    deadline_s: float | None = None

    def due_s(self, speeds: Speeds) -> float:
        """Seconds from its arrival."""
        if self.deadline_s is not None:
            return self.deadline_s
        assert self.multiple is not None
        return self.multiple * speeds.alone_s(self.prompt_tokens, self.max_tokens)


def draw(seed: int, count: int) -> list[Wanted]:
    """The first of a longer list are those of a shorter one."""
    random_ = random.Random(seed)
    return [_one(random_) for _ in range(count)]


def of_kind(seed: int, count: int, *, free: bool) -> list[Wanted]:
    """As many, of one kind of answer only."""
    return [each for each in draw(seed, 4 * count + 40) if each.free is free][:count]


def _one(random_: random.Random) -> Wanted:
    prompt_tokens, answer_tokens = PROMPT_TOKENS.draw(random_), ANSWER_TOKENS.draw(random_)
    free = random_.random() < 0.5
    low, high = MULTIPLES
    multiple = low * (high / low) ** random_.random()
    deadline_s = random_.choice(DEADLINES_S) if random_.random() < 0.5 else None
    return Wanted(
        prompt_tokens,
        FREE_LIMIT if free else answer_tokens,
        free,
        multiple if deadline_s is None else None,
        deadline_s,
    )


class RequestWriter:
    """Makes the texts, each another: nothing of them is in a server's cache. `seed` tells rounds apart."""

    def __init__(self, prompts: Prompts, seed: int) -> None:
        self._prompts = prompts
        self._numbers: Iterator[int] = iter(range(seed * 100_000, (seed + 1) * 100_000))

    async def of(self, wanted: Sequence[Wanted], speeds: Speeds | None = None) -> list[CompletionRequest]:
        """Requests with their deadlines; without any for `speeds` None. Raises PromptError, TargetError."""
        return [
            CompletionRequest(
                await self._input(each),
                each.max_tokens,
                ignore_eos=not each.free,
                deadline_s=None if speeds is None else each.due_s(speeds),
            )
            for each in wanted
        ]

    async def _input(self, wanted: Wanted) -> Input:
        if not wanted.free:
            return await self.text(wanted.prompt_tokens)
        text = await self.text(max(_MIN_TEXT_TOKENS, wanted.prompt_tokens - _CHAT_TOKENS))
        return (Turn("user", f"{text}\n{_QUESTION}"),)

    async def text(self, num_tokens: int) -> str:
        """A text of exactly so many tokens."""
        return await self._prompts.make(num_tokens, next(self._numbers))
