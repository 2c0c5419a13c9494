"""Which texts of a vocabulary open turns, call tools or end answers, so that a message must not write them.

A file says of each token what it is, and files are wrong about it: what the template uses and what looks
like markup is guarded whatever the file says. Not for use after the vocabulary is closed.
"""

import re
from collections.abc import Iterable
from itertools import groupby

from xapp.backend.tokenizer import Control, Tokenizer

MARK = "\ufdd0\ufdd1\ufdd2"
"""Put into guarded text that a message contains; in no real text."""

_MARKUP = re.compile(r"[<\[{(].+[>\]})]", re.DOTALL)
_PLAIN_MARKUP = re.compile(r"<[|｜].+[|｜]>", re.DOTALL)
"""Ordinary tokens, learned from text, are often `</div>` or `[0]`: they must look more like markup."""


class Guard:
    """The guarded texts of one vocabulary.

    `controls` are those that llama.cpp parses by itself, also where it was asked not to: control tokens,
    and those that the model's author added. `tokens` are the ids of all that are guarded.
    """

    def __init__(self, tokenizer: Tokenizer) -> None:
        template = tokenizer.chat_template or ""
        self.controls: dict[str, Control] = {
            **{text: token for text, token in tokenizer.added.items() if _added_markup(text, template)},
            **tokenizer.controls,
        }
        plain = {text: token for text, token in tokenizer.markup.items() if _plain_markup(text, template)}
        self.tokens = frozenset({*map(int, self.controls.values()), *map(int, plain.values())})
        self.control = re.compile(_any_of(self.controls))
        texts = {*self.controls, *plain}
        self._any = re.compile(_any_of(texts))
        self._begin = re.compile(f"(?={self._any.pattern})(.)", re.DOTALL)
        self._prefixes = {text[:end] for text in texts for end in range(1, len(text))}
        self._longest = max(map(len, texts), default=0)

    def concerns(self, content: str) -> bool:
        """Whether a message has guarded text, or ends in what could become such text with what follows."""
        return self._any.search(content) is not None or self._ends_open(content)

    def mark(self, content: str) -> str:
        """A message with a mark inside of each guarded text, so that it is none any more."""
        content = content.replace(MARK, "")
        if self._any.search(content):
            content = self._begin.sub(rf"\1{MARK}", content)
        return content + MARK if self._ends_open(content) else content

    def _ends_open(self, content: str) -> bool:
        return any(content[-length:] in self._prefixes for length in range(1, self._longest))


def looks_like_markup(text: str) -> bool:
    """Whether it stands in brackets."""
    return _MARKUP.fullmatch(text) is not None


def _added_markup(text: str, template: str) -> bool:
    """White space and single letters are added too, and are text."""
    return looks_like_markup(text) or (len(text.strip(" \t\n\r▁")) > 1 and text in template)


def _plain_markup(text: str, template: str) -> bool:
    return _PLAIN_MARKUP.fullmatch(text) is not None or (looks_like_markup(text) and text in template)


def _any_of(texts: Iterable[str]) -> str:
    """A pattern of the longest that fits. In groups: some vocabularies have thousands of control tokens."""
    longest_first = sorted(texts, key=lambda text: (len(text) > 1, text[:2], len(text)), reverse=True)
    groups = groupby(longest_first, key=lambda text: text[:2])
    return "|".join(f"{re.escape(start)}(?:{_ends(group)})" for start, group in groups) or r"(?!)"


def _ends(texts: Iterable[str]) -> str:
    return "|".join(re.escape(text[2:]) for text in texts)
