"""Cuts a text into passages: at the end of a paragraph, else of a line, a sentence, a word.

A passage never spans two sections. It repeats the end of the passage before it, so that no sentence
is without its neighbours.
"""

import re
from collections.abc import Iterator

from xapp.domain.documents import TITLES, Passage
from xapp.retrieval.documents.parsed import Parsed, Section

MIN_CHARS = 2
_BREAKS = tuple(map(re.compile, (r"\n[ \t]*\n\s*", r"\n", r"[.!?][\"')\]]?\s+", r"\s+")))
"""From the best place for a cut to the worst."""


def cut(parsed: Parsed, passage_chars: int, overlap_chars: int) -> list[Passage]:
    """Passages of at most `passage_chars`, in the order of the text."""
    return [
        _passage(parsed.text, section, start, end)
        for section in parsed.sections
        for start, end in _pieces(parsed.text, section, passage_chars, overlap_chars)
    ]


def _passage(text: str, section: Section, start: int, end: int) -> Passage:
    return Passage(text[start:end], TITLES.join(section.titles), start, end)


def _pieces(text: str, section: Section, most: int, overlap: int) -> Iterator[tuple[int, int]]:
    """The places of the passages, without the white space around them."""
    start, section_end = _stripped(text, section.start, section.end)
    while section_end - start > most:
        end = _cut_before(text, start, start + most)
        piece = _stripped(text, start, end)
        yield piece
        start = _stripped(text, _resume(text, start, end, overlap), section_end)[0]
    if section_end - start >= MIN_CHARS:
        yield start, section_end


def _stripped(text: str, start: int, end: int) -> tuple[int, int]:
    while start < end and text[start].isspace():
        start += 1
    while start < end and text[end - 1].isspace():
        end -= 1
    return start, end


def _cut_before(text: str, start: int, limit: int) -> int:
    """The last good place in the second half of a passage; `limit` where there is none."""
    least = start + (limit - start) // 2
    for pattern in _BREAKS:
        ends = [match.end() for match in pattern.finditer(text, least, limit)]
        if ends:
            return ends[-1]
    return limit


def _resume(text: str, start: int, end: int, overlap: int) -> int:
    """Where the next passage begins: at a word, at most `overlap` characters before the end of this one."""
    if not overlap:
        return end
    least = max(start + 1, end - overlap)
    for pattern in _BREAKS[2:]:
        if match := pattern.search(text, least, end):
            return match.end()
    return end
