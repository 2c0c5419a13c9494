"""Prefixes out of the KV cache but not lost: their state waits in ordinary memory.

Cells that hold a prefix nobody is using are not free of charge. Every step looks at all cells up to the
highest one in use, in blocks of 256, for every sequence. One stream was 4 % slower beside 256 such cells,
and 6 % beside as few as 64 of them a thousand cells up; 8 streams beside 3,000 were 8 % slower. A copy in
memory costs nothing until it is wanted, and bringing it back takes milliseconds where computing it again
takes seconds.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain

from xapp.domain.prefix import common_prefix

PINNED_SHARE = 0.5
"""Of the room for parked prefixes, what pinned ones may take."""


@dataclass(frozen=True, slots=True, eq=False)
class ParkedPrefix:
    """The tokens, what the backend gave for them, and within which scope they are shared."""

    tokens: list[int]
    state: object
    scope: str = ""

    def answers_for(self, tokens: list[int], scope: str) -> bool:
        """Whether whoever could begin with those tokens can begin with it."""
        return self.scope == scope and common_prefix(self.tokens, tokens) == len(tokens)


class ParkedPrefixes:
    """At most `max_cells` tokens in all. The least recently used go first, pinned ones for a new one only."""

    def __init__(self, max_cells: int) -> None:
        self._max_cells = max_cells
        self._prefixes: list[ParkedPrefix] = []
        self._pinned: list[ParkedPrefix] = []

    def __iter__(self) -> Iterator[ParkedPrefix]:
        return chain(self._pinned, self._prefixes)

    @property
    def cells(self) -> int:
        """Tokens in all."""
        return sum(len(prefix.tokens) for prefix in self)

    @property
    def pinned_cells(self) -> int:
        """Tokens of the pinned ones."""
        return sum(len(prefix.tokens) for prefix in self._pinned)

    def wants(self, tokens: list[int], scope: str = "") -> bool:
        """Whether it fits and nothing here can answer for it already."""
        return len(tokens) <= self._max_cells - self.pinned_cells and not any(
            prefix.answers_for(tokens, scope) for prefix in self
        )

    def wants_pinned(self, tokens: list[int], scope: str = "") -> bool:
        """Whether it fits and is not pinned already."""
        is_new = all((prefix.tokens, prefix.scope) != (tokens, scope) for prefix in self._pinned)
        return is_new and len(tokens) <= self._max_pinned

    def pin(self, prefix: ParkedPrefix) -> None:
        """Takes a prefix that stays, until others are pinned in its place; `wants_pinned` comes first."""
        while self.pinned_cells + len(prefix.tokens) > self._max_pinned:
            del self._pinned[0]
        self.make_room(len(prefix.tokens))
        self._pinned.append(prefix)

    @property
    def _max_pinned(self) -> int:
        return int(self._max_cells * PINNED_SHARE)

    def add(self, prefix: ParkedPrefix) -> None:
        """Takes a prefix in the place of those it can answer for; `make_room` comes first."""
        kept = (other for other in self._prefixes if not prefix.answers_for(other.tokens, other.scope))
        self._prefixes = [*kept, prefix]

    def make_room(self, cells: int) -> None:
        """Lets the oldest go until `cells` tokens more fit, before the copy of them is made."""
        while self._prefixes and self.cells + cells > self._max_cells:
            del self._prefixes[0]

    def touch(self, prefix: ParkedPrefix) -> None:
        """It was used just now; it may have gone meanwhile to make room."""
        if prefix in self._prefixes:
            self._prefixes.remove(prefix)
            self._prefixes.append(prefix)

    def drop(self, prefix: ParkedPrefix) -> None:
        """Forgets it."""
        if prefix in self._prefixes:
            self._prefixes.remove(prefix)
