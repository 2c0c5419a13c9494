"""Cuts long runs of characters of one class before native code reads them.

Tokenizers split text with regular expressions. A match over tens of thousands of characters uses stack for
each of them. No language has words of this length.
"""

import re
from collections.abc import Callable, Iterator
from unicodedata import category

WINDOW = 1000
"""Characters. A run of twice this length is always cut, a shorter run than this is never cut."""
_MARKS = re.compile(r"[^\w\s]+")
_MIXED = re.compile(r"[^\s\x00-/:-@\[-\^`{-\x7f]+")
"""Characters of words, and all beyond ASCII but space. One class: two overlapping classes would backtrack."""


def _is_word(window: str) -> bool:
    """Whether all are letters or combining marks. Chinese text has punctuation in between."""
    return bool(_MIXED.fullmatch(window)) and all(
        category(char)[0] in "LMN" or char == "_" for char in window
    )


_CLASSES: tuple[Callable[[str], object], ...] = (
    str.isalpha,
    str.isspace,
    str.isalnum,
    _MARKS.fullmatch,
    _is_word,
)


def cut_runs(text: str) -> Iterator[str]:
    """The text in parts; the whole text where it has no such run. A few characters decide most windows."""
    start = 0
    if len(text) >= 2 * WINDOW:
        for begin in range(0, len(text) - WINDOW + 1, WINDOW):
            window = text[begin : begin + WINDOW]
            if any(is_all(window) for is_all in _CLASSES):
                if begin > start:
                    yield text[start:begin]
                yield window
                start = begin + WINDOW
    if start < len(text) or not text:
        yield text[start:]
