"""Prompts of an exact number of tokens, any number of them, none like another.

A prompt is a number and words. One text of each length is fitted with the target's own tokenizer; the
others of that length differ in the number, which every tokenizer we know splits the same way whatever
its digits are. That is checked once: where it does not hold, every prompt is fitted by itself.

The number's digits change from the front, so that two prompts share a digit or two at most; what
they are meant to share is `shared_prefix`, in front of all.
"""

from collections.abc import Awaitable, Callable
from itertools import count

Count = Callable[[str], Awaitable[int]]

_DIGITS = 7
_NUMBERS = 10**_DIGITS
_TRIES = 24
_FILLERS = (" .", ".", " a", ",", "!")
_PROBES = (1_234_567, 9_080_706, 5_555_555)
_WORDS = (
    "antenna", "beam", "cell", "delay", "energy", "fault", "gain", "handover", "interference", "jitter",
    "key", "link", "margin", "node", "outage", "power", "queue", "radio", "sector", "tilt",
)  # fmt: skip


class PromptError(Exception):
    """No prompt of that length can be made for this tokenizer."""


def number_text(number: int) -> str:
    """Seven digits, the last of `number` first: neighbours differ at the front."""
    return f"{number % _NUMBERS:0{_DIGITS}d}"[::-1]


def words(num_words: int, start: int = 0) -> str:
    """Each with a space in front."""
    return "".join(f" {_WORDS[(start + index) % len(_WORDS)]}" for index in range(num_words))


class Prompts:
    """Made with `count`, the target's tokenizer. `shared_prefix` is in tokens, 0 is none."""

    def __init__(self, count: Count, *, shared_prefix: int = 0) -> None:
        self._count = count
        self._shared_tokens = shared_prefix
        self._shared = ""
        self._tails: dict[int, str] = {}
        self._alike: bool | None = None

    async def prepare(self, lengths: set[int]) -> None:
        """Fits a text for each length. Raises PromptError, TargetError."""
        if self._shared_tokens and not self._shared:
            self._shared = await self._prefix()
        for length in sorted(lengths - self._tails.keys()):
            self._tails[length] = await self._fit(length, _PROBES[0])
        if self._alike is None and self._tails:
            self._alike = await self._digits_alike()

    async def make(self, length: int, number: int) -> str:
        """The prompt of that `number`, of exactly `length` tokens. Raises PromptError, TargetError."""
        if length not in self._tails:
            await self.prepare({length})
        if not self._alike:
            return self._text(number, await self._fit(length, number))
        return self._text(number, self._tails[length])

    def _text(self, number: int, tail: str) -> str:
        return f"{self._shared}{number_text(number)}:{tail}"

    async def _prefix(self) -> str:
        """A text of about `shared_prefix` tokens; a little less where words do not come out even."""
        text = ""
        for num_words in count(1):
            longer = f"Status of the network.{words(num_words)}. "
            if await self._count(longer) > self._shared_tokens:
                return text
            text = longer
        raise AssertionError("unreachable: count has no end")

    async def _digits_alike(self) -> bool:
        tail = next(iter(self._tails.values()))
        return len({await self._count(self._text(number, tail)) for number in _PROBES}) == 1

    async def _fit(self, length: int, number: int) -> str:
        """The tail with which the prompt has `length` tokens: words, and full stops to make it even."""
        floor = await self._count(self._text(number, ""))
        if floor > length:
            raise PromptError(
                f"a prompt needs at least {floor} tokens to differ from the others: {length} are too few"
            )
        low, high = 0, length - floor  # a word has at least one token
        while low < high:
            middle = (low + high + 1) // 2
            if await self._count(self._text(number, words(middle, number))) <= length:
                low = middle
            else:
                high = middle - 1
        return await self._even(length, number, words(low, number))

    async def _even(self, length: int, number: int, tail: str) -> str:
        """Adds what makes up for the tokens that no whole word fills."""
        for filler in _FILLERS:
            for _ in range(_TRIES):
                found = await self._count(self._text(number, tail))
                if found == length:
                    return tail
                if found > length:
                    tail = tail.removesuffix(filler)
                    break
                tail += filler
        raise PromptError(f"no prompt of exactly {length} tokens could be made for this tokenizer")
