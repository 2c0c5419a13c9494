"""Numbered clauses, as specifications of 3GPP, ETSI and the O-RAN Alliance have them.

5           Procedures
5.1         General
Annex A (normative): Messages
"""

import re
from collections.abc import Iterator, Sequence

from xapp.retrieval.documents.parsed import Outline, Parsed

MIN_CLAUSES = 3
"""Fewer numbered lines are a list, and no clauses."""
_MOST_SKIPPED = 3
_CLAUSE = re.compile(
    r"^[ \t]*(?:(?P<number>[1-9]\d{0,2}(?:\.\d{1,3}[a-z]?){0,7}|[A-Z](?:\.\d{1,3}){1,7})[ \t]+(?=[A-Z(])"
    r"|Annex (?P<annex>[A-Z])\b(?P<kind>[^:\n]{0,30}):?[ \t]*)(?P<title>[^\n]{0,120}?)[ \t]*$",
    re.MULTILINE,
)
_CONTENTS = re.compile(r"(\.{3,}|\t| {3,})[ \t]*\d+$")
"""The end of a line of a table of contents."""


def parse(text: str, title: str = "") -> Parsed | None:
    """The text in its clauses; None where it has none."""
    found = _clauses(text)
    if len(found) < MIN_CLAUSES:
        return None
    outline = Outline()
    for number, name, start, end in found:
        outline.heading(len(number), f"{_shown(number)} {name}".strip(), start, min(end + 1, len(text)))
    outline.close(len(text))
    return Parsed(text, tuple(outline.sections), title)


def _shown(number: Sequence[str]) -> str:
    return f"Annex {number[0]}" if len(number) == 1 and number[0].isalpha() else ".".join(number)


def _clauses(text: str) -> list[tuple[list[str], str, int, int]]:
    """Number, title, and place of each clause. A number that does not follow is text of a table or a list."""
    clauses: list[tuple[list[str], str, int, int]] = []
    for number, match in _candidates(text):
        if not clauses or _follows(clauses[-1][0], number):
            clauses.append((number, match["title"].rstrip(), match.start(), match.end()))
    return clauses


def _candidates(text: str) -> Iterator[tuple[list[str], re.Match[str]]]:
    for match in _CLAUSE.finditer(text):
        title = match["title"]
        if not _CONTENTS.search(match[0].rstrip()) and not title.endswith((".", ",", ";", ":")):
            yield ([match["annex"]] if match["annex"] else match["number"].split(".")), match


def _follows(before: Sequence[str], number: Sequence[str]) -> bool:
    """Whether a clause may come after another: one deeper, or a little further on the same level or above."""
    if len(number) > len(before) + 1:
        return False
    depth = len(number) - 1
    if list(number[:depth]) != list(before[:depth]):
        return False
    if len(before) == depth:
        return _order(number[depth]) <= _MOST_SKIPPED
    first, then = before[depth], number[depth]
    if first.isalpha() != then.isalpha():
        return then in {"A", "B"}
    return 0 < _order(then) - _order(first) <= _MOST_SKIPPED


def _order(part: str) -> float:
    """The place of `5a` is behind `5` and before `6`."""
    digits = re.match(r"\d+", part)
    if digits is None:
        return ord(part[0]) - ord("A") + 1
    rest = part[digits.end() :]
    return int(digits[0]) + (ord(rest[0]) - ord("a") + 1) / 32 if rest else int(digits[0])
