"""Cuts long runs of characters of one class, before native code sees them.

Tokenizers split text with regular expressions, and a match over tens of thousands of characters costs
stack for each of them. No language has words so long.
"""

import re
from collections.abc import Callable, Iterator
from unicodedata import category

WINDOW = 1000
"""Characters. A run of twice as many is cut for certain, one of fewer is never cut."""
_MARKS = re.compile(r"[^\w\s]+")
_MIXED = re.compile(r"[^\s\x00-/:-@\[-\^`{-\x7f]+")
"""What words are made of, and all beyond ASCII but space. One class: two that overlap would take for ever."""


def _is_word(window: str) -> bool:
    """Letters together with the marks above and below them. A text in Chinese has its punctuation."""
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
    """The text in parts; whole where it has no such run. Most windows are told by a few characters."""
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
