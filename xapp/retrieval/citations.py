"""Citations: the sources that an answer names, read from its text as it comes."""

import re

_CITED = re.compile(r"\[(\d{1,3}(?:\s*,\s*\d{1,3})*)\]")
_KEPT_CHARS = 64


class Citations:
    """`feed` every piece of the answer. `num_sources`: greater numbers are no citations."""

    def __init__(self, num_sources: int) -> None:
        self._num_sources = num_sources
        self._rest = ""
        self._found: dict[int, None] = {}

    def feed(self, text: str) -> None:
        """The next piece. A citation may span two pieces."""
        whole = self._rest + text
        end = 0
        for match in _CITED.finditer(whole):
            end = match.end()
            numbers = map(int, match[1].split(","))
            self._found |= dict.fromkeys(each for each in numbers if 1 <= each <= self._num_sources)
        self._rest = whole[end:][-_KEPT_CHARS:]

    @property
    def cited(self) -> tuple[int, ...]:
        """Numbers of sources, in the order of their first citation."""
        return tuple(self._found)
