"""Sentences: cuts text into pieces to speak, as it arrives.

A piece ends with a sentence. The first piece may end with a clause, or before a word such as "which", and is
short, so that the first audio comes early. A piece that is too long is cut at a clause, or at a space.
"""

import re
from collections.abc import Iterator

MAX_CHARS = 300
"""Limit of a piece: the longest audio of a piece is some 25 s."""
_AT_ONCE = 1000
_FIRST_CHARS = 24
"""The first piece may end with a clause of at least so many characters."""
_FIRST_MOST = 80
"""Limit of a first piece that comes early: five seconds of audio, in which the next piece is generated."""

_SENTENCE = re.compile(r"[.!?…]+[\"'”’)\]*_`]*\s|[。！？]|\n\s*")
_CLAUSE = re.compile(r"[,;:–—]\s|\s[–—-]\s")
_BREATH = re.compile(r"\s(?=(?:and|or|but|because|so|which|that|who|when|while|where|if)\s)")
_TITLE = re.compile(r"(?:\b(?:Mr|Mrs|Ms|Dr|Prof|St|vs|e\.g|i\.e|No|approx)|\b[A-Z]|^\s*\d+)\.$")
_UNSPOKEN = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff]")
_CITATION = re.compile(r"\s*\[\d{1,3}(?:\s*,\s*\d{1,3})*\]")
_MARKS = re.compile(r"[*_`#<>|~^\\\[\]{}]+")


def speakable(text: str) -> str:
    """The text without control characters and without the marks of Markdown and of tags."""
    return _MARKS.sub(" ", _UNSPOKEN.sub(" ", text))


def said(piece: str) -> str:
    """A piece of an answer as it is spoken: speakable, and without the numbers of passages that it cites."""
    return speakable(_CITATION.sub("", piece)).strip()


class Sentences:
    """Fed with text, it gives the pieces that are whole. What waits is bounded by MAX_CHARS."""

    def __init__(self, *, early: bool = False) -> None:
        self._rest = ""
        self._early = early

    def feed(self, text: str) -> Iterator[str]:
        """The pieces that are whole after this text."""
        self._rest += text
        while (end := self._end()) is not None:
            piece, self._rest = self._rest[:end], self._rest[end:]
            if piece := piece.strip():
                self._early = False
                yield piece

    def end(self) -> Iterator[str]:
        """The last piece."""
        yield from self.feed("\n")

    def _end(self) -> int | None:
        """The end of the first piece; None where it is not whole."""
        ends = (self._end_of_sentence(), self._end_of_clause() if self._early else None)
        most = _FIRST_MOST if self._early else MAX_CHARS
        if whole := [end for end in ends if end is not None and end <= most]:
            return min(whole)
        return self._cut(most) if len(self._rest) > most else None

    def _end_of_sentence(self) -> int | None:
        for match in _SENTENCE.finditer(self._rest, 0, MAX_CHARS + 1):
            if not _TITLE.search(self._rest[max(0, match.start() - 8) : match.start() + 1]):
                return match.end()
        return None

    def _end_of_clause(self) -> int | None:
        found = [each.search(self._rest, _FIRST_CHARS, MAX_CHARS) for each in (_CLAUSE, _BREATH)]
        return min((match.end() for match in found if match), default=None)

    def _cut(self, most: int) -> int:
        clauses = [match.end() for match in _CLAUSE.finditer(self._rest, 0, most)]
        if clauses and clauses[-1] > most // 3:
            return clauses[-1]
        space = self._rest.rfind(" ", 1, most)
        return space if space > 0 else most


def sentences(text: str) -> list[str]:
    """The pieces of a whole text."""
    pieces = Sentences()
    found = [each for at in range(0, len(text), _AT_ONCE) for each in pieces.feed(text[at : at + _AT_ONCE])]
    return [*found, *pieces.end()]
