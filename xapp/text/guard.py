"""Guard: the texts of a vocabulary that open turns, call tools or end answers. A message must not contain
them.

A file states the type of each token, and files have wrong types. Texts that the template uses, and texts that
look like markup, are guarded with any type. Not for use after the vocabulary is closed.
"""

import re
from bisect import bisect_left
from collections.abc import Iterable
from itertools import groupby

from xapp.backend.tokenizer import Control, Tokenizer

MARK = "\ufdd0\ufdd1\ufdd2"
"""Inserted into guarded text of a message. No real text contains it."""

_MARKUP = re.compile(r"[<\[{(].+[>\]})]", re.DOTALL)
_SPECIAL = re.compile(r"<[|｜].+[|｜]>", re.DOTALL)
_TAG = re.compile(r"<[^\s<>'\"]*[^\W\d_][^\s<>'\"]*>|\[/?[A-Z][A-Z_]*\]")
"""Ordinary tokens, learned from text, are often `</div>` or `[0]`. They are guarded only in the template."""
_SPACE = " \t\n\r▁"


class Guard:
    """The guarded texts of one vocabulary.

    `controls` are the texts that llama.cpp parses in any case: control tokens, and tokens that the model's
    author added. `tokens` are the ids of all guarded texts.
    """

    def __init__(self, tokenizer: Tokenizer) -> None:
        template = tokenizer.chat_template or ""
        self.controls: dict[str, Control] = {
            **{text: token for text, token in tokenizer.added.items() if is_added_markup(text, template)},
            **tokenizer.controls,
        }
        plain = {text: token for text, token in tokenizer.markup.items() if is_plain_markup(text, template)}
        self.tokens = frozenset({*map(int, self.controls.values()), *map(int, plain.values())})
        self.control = re.compile(_any_of(self.controls))
        texts = {*self.controls, *plain}
        self._any = re.compile(_any_of(texts))
        self._begin = re.compile(f"(?={self._any.pattern})(.)", re.DOTALL)
        self._sorted = sorted(texts)
        self._longest = max(map(len, texts), default=0)

    def concerns(self, content: str) -> bool:
        """Whether a message has guarded text, or may have it together with the next text."""
        return self._any.search(content) is not None or self._ends_open(content.rstrip())

    def mark(self, content: str) -> str:
        """A message with a mark inside each guarded text, so that it is plain text."""
        content = content.replace(MARK, "")
        if self._any.search(content):
            content = self._begin.sub(rf"\1{MARK}", content)
        # Templates strip white space, so the mark stands where the next text would follow.
        end = len(content.rstrip())
        return content[:end] + MARK + content[end:] if self._ends_open(content[:end]) else content

    def _ends_open(self, content: str) -> bool:
        longest = min(self._longest - 1, len(content))
        return any(self._begins_one(content[-length:]) for length in range(1, longest + 1))

    def _begins_one(self, text: str) -> bool:
        at = bisect_left(self._sorted, text)
        found = self._sorted[at : at + 2]
        return any(each != text and each.startswith(text) for each in found)


def looks_like_markup(text: str) -> bool:
    """Whether the text stands in brackets."""
    return _MARKUP.fullmatch(text) is not None


def is_added_markup(text: str, template: str) -> bool:
    """Whether a token that the model's author added is markup.

    White space, single characters and rows of signs are added too, and are plain text.
    """
    if looks_like_markup(text):
        return True
    stripped = text.strip(_SPACE)
    return len(stripped) > 1 and (_is_mixed(stripped) or stripped in template)


def is_plain_markup(text: str, template: str) -> bool:
    """Whether any other token is markup."""
    return _SPECIAL.fullmatch(text) is not None or (_TAG.fullmatch(text) is not None and text in template)


def _is_mixed(text: str) -> bool:
    """Whether the text begins or ends with a sign and has a letter or digit: `#user`, `>>TITLE<<`."""
    return any(map(str.isalnum, text)) and not (text[0].isalnum() and text[-1].isalnum())


def _any_of(texts: Iterable[str]) -> str:
    """A pattern that finds the longest text.

    It has groups: some vocabularies have thousands of control tokens.
    """
    longest_first = sorted(texts, key=lambda text: (len(text) > 1, text[:2], len(text)), reverse=True)
    groups = groupby(longest_first, key=lambda text: text[:2])
    return "|".join(f"{re.escape(start)}(?:{_ends(group)})" for start, group in groups) or r"(?!)"


def _ends(texts: Iterable[str]) -> str:
    return "|".join(re.escape(text[2:]) for text in texts)
