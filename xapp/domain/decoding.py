"""Decoding strategies: how the tokens of an answer are found. They change the time of an answer, not its
content.
"""

from typing import TypeAlias

import msgspec

MAX_DRAFTS = 32
"""Largest number of drafts of a sequence in a step."""


class Plain(msgspec.Struct, frozen=True, array_like=True, tag="plain"):
    """One token a step."""


class Ngram(msgspec.Struct, frozen=True, array_like=True, tag="ngram"):
    """Drafts from the sequence's own tokens, `max_drafts` a step: 1 to MAX_DRAFTS."""

    max_drafts: int = 16


class Drafted(msgspec.Struct, frozen=True, array_like=True, tag="draft"):
    """Drafts from the draft model beside the model, `max_drafts` a step: 1 to MAX_DRAFTS."""

    max_drafts: int = 8


class Auto(msgspec.Struct, frozen=True, array_like=True, tag="auto"):
    """Drafts from every source that pays."""


PLAIN = Plain()
Decoding: TypeAlias = Plain | Ngram | Drafted | Auto

BY_NAME: dict[str, Decoding] = {"plain": PLAIN, "ngram": Ngram(), "draft": Drafted(), "auto": Auto()}
"""The strategies with their default parameters, by the names that settings and commands use."""
