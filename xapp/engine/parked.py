"""Parked prefixes: the state of prefixes that left the KV cache, in ordinary memory.

Cells of an unused prefix cost time. Every step reads all cells up to the highest cell in use, in blocks of
256, for every sequence. One stream was 4 % slower beside 256 such cells, and 6 % slower beside only 64 of
them a thousand cells up. 8 streams beside 3,000 cells were 8 % slower. A copy in memory costs no time until
it is used. Restoring it takes milliseconds where computing the prefix again takes seconds.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain

from xapp.domain.prefix import common_prefix, most_parked, most_pinned


@dataclass(frozen=True, slots=True, eq=False)
class ParkedPrefix:
    """The tokens, their state as the backend saved it, and the scope that shares them."""

    tokens: list[int]
    state: object
    scope: str = ""

    def answers_for(self, tokens: list[int], scope: str) -> bool:
        """Whether this prefix begins with those tokens and its scope is the same."""
        return self.scope == scope and common_prefix(self.tokens, tokens) == len(tokens)


class ParkedPrefixes:
    """The prefixes beside a KV cache with `num_cells` cells. The least recently used go first. Only a new pin
    displaces a pin.
    """

    def __init__(self, num_cells: int) -> None:
        self._max_cells = most_parked(num_cells)
        self._max_pinned = most_pinned(num_cells)
        self._prefixes: list[ParkedPrefix] = []
        self._pinned: list[ParkedPrefix] = []

    def __iter__(self) -> Iterator[ParkedPrefix]:
        return chain(self._pinned, self._prefixes)

    @property
    def cells(self) -> int:
        """Tokens of all parked prefixes."""
        return sum(len(prefix.tokens) for prefix in self)

    @property
    def pinned_cells(self) -> int:
        """Tokens of pinned prefixes."""
        return sum(len(prefix.tokens) for prefix in self._pinned)

    def wants(self, tokens: list[int], scope: str = "") -> bool:
        """Whether the prefix fits and no parked prefix covers it."""
        return len(tokens) <= self._max_cells - self.pinned_cells and not any(
            prefix.answers_for(tokens, scope) for prefix in self
        )

    def wants_pinned(self, tokens: list[int], scope: str = "") -> bool:
        """Whether the prefix fits and is not pinned already."""
        is_new = all((prefix.tokens, prefix.scope) != (tokens, scope) for prefix in self._pinned)
        return is_new and len(tokens) <= self._max_pinned

    def pin(self, prefix: ParkedPrefix) -> None:
        """Pins a prefix until newer pins displace it. Call `wants_pinned` first."""
        while self.pinned_cells + len(prefix.tokens) > self._max_pinned:
            del self._pinned[0]
        self.make_room(len(prefix.tokens))
        self._pinned.append(prefix)

    def add(self, prefix: ParkedPrefix) -> None:
        """Adds a prefix and drops those that it covers. Call `make_room` first."""
        kept = (other for other in self._prefixes if not prefix.answers_for(other.tokens, other.scope))
        self._prefixes = [*kept, prefix]

    def make_room(self, cells: int) -> None:
        """Drops the oldest prefixes until `cells` more tokens fit.

        Call it before the backend copies the state.
        """
        while self._prefixes and self.cells + cells > self._max_cells:
            del self._prefixes[0]

    def touch(self, prefix: ParkedPrefix) -> None:
        """Marks the prefix as just used. A prefix that was dropped meanwhile is ignored."""
        if prefix in self._prefixes:
            self._prefixes.remove(prefix)
            self._prefixes.append(prefix)

    def drop(self, prefix: ParkedPrefix) -> None:
        """Removes the prefix."""
        if prefix in self._prefixes:
            self._prefixes.remove(prefix)
