"""Markdown: sections by its headings. What stands in a code block is no heading."""

import re
from collections.abc import Iterator

from xapp.retrieval.documents.parsed import Outline, Parsed

_HEADING = re.compile(r" {0,3}(#{1,6})[ \t]+(.*?)[ \t]*#*[ \t]*$")
_FENCE = re.compile(r" {0,3}(`{3,}|~{3,})")
_UNDERLINE = re.compile(r" {0,3}(=+|-{2,})[ \t]*$")


def parse(text: str) -> Parsed:
    """The text as it is, and its sections."""
    outline = Outline()
    fence, previous, previous_start = "", "", 0
    for start, line in _lines(text):
        end = start + len(line) + 1
        if (found := _FENCE.match(line)) and (not fence or found[1].startswith(fence)):
            fence = "" if fence else found[1]
            previous = ""
            continue
        if fence:
            continue
        if found := _HEADING.match(line):
            outline.heading(len(found[1]), found[2], start, min(end, len(text)))
            previous = ""
        elif previous and (found := _UNDERLINE.match(line)):
            level = 1 if found[1].startswith("=") else 2
            outline.heading(level, previous, previous_start, min(end, len(text)))
            previous = ""
        else:
            previous, previous_start = _title_of(line), start
    outline.close(len(text))
    return Parsed(text, tuple(outline.sections), outline.first_title)


def _title_of(line: str) -> str:
    """The line, where a line below may make it a heading: tables, lists and quotes are none."""
    stripped = line.strip()
    return "" if not stripped or stripped[0] in "|->*+" else stripped


def _lines(text: str) -> Iterator[tuple[int, str]]:
    start = 0
    while start < len(text):
        end = text.find("\n", start)
        end = len(text) if end < 0 else end
        yield start, text[start:end]
        start = end + 1
