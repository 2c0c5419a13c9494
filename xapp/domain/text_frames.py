"""The special tokens around a text that becomes a vector, and around a query and a document.

They are the model's own. A caller's text makes no special tokens, whatever marks it carries.
"""

from dataclasses import dataclass

import msgspec


class Frame(msgspec.Struct, frozen=True, array_like=True):
    """The tokens before, between and after texts. A single text has nothing between."""

    begin: tuple[int, ...] = ()
    between: tuple[int, ...] = ()
    end: tuple[int, ...] = ()

    @property
    def num_tokens(self) -> int:
        """Tokens that the texts do not have room for."""
        return len(self.begin) + len(self.between) + len(self.end)

    def around(self, text: list[int]) -> list[int]:
        """A single text with its special tokens."""
        return [*self.begin, *text, *self.end]

    def around_pair(self, query: list[int], document: list[int]) -> list[int]:
        """A query and a document with their special tokens."""
        return [*self.begin, *query, *self.between, *document, *self.end]


class TextFrames(msgspec.Struct, frozen=True, array_like=True):
    """The frame of a single text, and that of a query and a document."""

    single: Frame = Frame()
    pair: Frame = Frame()


@dataclass(frozen=True, slots=True)
class TextTokens:
    """The tokens of a text, without special tokens. A long text lacks `num_dropped` tokens in its middle."""

    tokens: list[int]
    num_dropped: int = 0

    def __len__(self) -> int:
        return len(self.tokens) + self.num_dropped
