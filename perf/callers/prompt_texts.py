"""What every contender is given to do, so that their figures compare.

A prompt is numbered words, so that no two prompts share more than their first token unless they are
told to share a prefix. Its length in tokens is made exact with the server's own Tokenize.
"""

from collections.abc import Awaitable, Callable
from itertools import count

import msgspec

STREAMS = (1, 4, 8)
PROMPT_TOKENS = 64
LONG_PROMPT_TOKENS = 1500
SYSTEM_PROMPT_TOKENS = 450
RUNNING_STREAMS = 3
SHARING_CALLERS = 4

_NEW_TOKENS = {1: 192, 4: 128, 8: 96}

_WORDS = (
    "antenna", "beam", "cell", "delay", "energy", "fault", "gain", "handover", "interference", "jitter",
    "key", "link", "margin", "node", "outage", "power", "queue", "radio", "sector", "tilt",
)  # fmt: skip


class Work(msgspec.Struct, frozen=True):
    """Decode `num_tokens` for each of `num_streams` prompts. `seed` makes the prompts new."""

    num_streams: int
    prompt_tokens: int = PROMPT_TOKENS
    num_tokens: int = 128
    seed: int = 0


def decode_work(num_streams: int, seed: int) -> Work:
    """Short windows: the medians are over rounds, not over long runs."""
    return Work(num_streams, PROMPT_TOKENS, _NEW_TOKENS.get(num_streams, 96), seed)


def token_prompt(length: int, seed: int, stream: int) -> list[int]:
    """`length` token ids, different from the first on for each seed and stream. Ids are 100 to 39,999."""
    state = (seed * 1009 + stream * 9176 + 12345) % 39_900
    return [100 + (state + 7919 * index * (index + seed + stream + 1)) % 39_900 for index in range(length)]


def text(num_words: int, seed: int) -> str:
    """Words that no other seed starts with: of neighbouring seeds not even the first digit is the same."""
    words = (_WORDS[(seed * 7 + index * (seed % 11 + 3)) % len(_WORDS)] for index in range(num_words))
    return f"{str(seed)[::-1]} is the number of this report: " + " ".join(words)


class Texts:
    """Prompts of exact length, each made once: making them must not count as load."""

    def __init__(self, num_tokens: Callable[[str], Awaitable[int]]) -> None:
        self._num_tokens = num_tokens
        self._texts: dict[tuple[int, int], str] = {}

    async def get(self, length: int, seed: int) -> str:
        """A text of exactly `length` tokens. Raises ValueError, see `text_of`."""
        key = (length, seed)
        if key not in self._texts:
            self._texts[key] = await text_of(length, seed, self._num_tokens)
        return self._texts[key]

    async def of(self, work: "Work") -> list[str]:
        """The prompts of a Work."""
        seeds = range(work.seed * 100, work.seed * 100 + work.num_streams)
        return [await self.get(work.prompt_tokens, seed) for seed in seeds]


async def text_of(length: int, seed: int, num_tokens: Callable[[str], Awaitable[int]]) -> str:
    """A text of exactly `length` tokens, counted by `num_tokens`.

    Raises ValueError when the vocabulary has no text of that length in this shape.
    """
    num_words = length
    for _ in range(16):
        words = text(num_words, seed)
        excess = await num_tokens(words) - length
        if excess == 0:
            return words
        num_words -= excess if abs(excess) < 8 else excess // 2
    return await _padded(length, seed, num_tokens, num_words)


async def _padded(length: int, seed: int, num_tokens: Callable[[str], Awaitable[int]], num_words: int) -> str:
    base = text(max(1, num_words - 16), seed)
    for dots in count():
        words = base + " ." * dots
        found = await num_tokens(words)
        if found == length:
            return words
        if found > length:
            break
    raise ValueError(f"no text of exactly {length} tokens for seed {seed}")
