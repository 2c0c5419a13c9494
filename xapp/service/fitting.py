"""Texts within the limits of a request and of a model: their number, their size, what is cut off."""

from collections.abc import Sequence
from dataclasses import dataclass

from xapp.domain.embedding import MAX_TEXT_BYTES, MAX_TEXTS, MAX_TOKENS, Truncation
from xapp.domain.text_frames import TextTokens
from xapp.errors import InvalidArgument


@dataclass(frozen=True, slots=True)
class Fitted:
    """The tokens of a text that the model reads, and the number of those that were cut off."""

    tokens: list[int]
    num_lost: int = 0


def check_texts(field: str, texts: Sequence[str], most: int = MAX_TEXTS) -> None:
    """Raises InvalidArgument for no text, too many, too much text, or an empty text."""
    if not 1 <= len(texts) <= most:
        raise InvalidArgument(field, f"has {len(texts)} texts, 1 to {most:,} are allowed")
    size = 0
    for index, text in enumerate(texts):
        if not text:
            raise InvalidArgument(f"{field}[{index}]", "is empty")
        size += len(text) if text.isascii() else len(text.encode(errors="replace"))
    if size > MAX_TEXT_BYTES:
        raise InvalidArgument(field, f"has {size:,} bytes of text, {MAX_TEXT_BYTES:,} are allowed")


def fit(field: str, text: TextTokens, room: int, truncation: Truncation, num_prefix: int = 0) -> Fitted:
    """At most `room` of the tokens. The first `num_prefix` of them, the model's prefix, stay. A text that
    lacks its middle has at least `room` tokens at both ends.

    Raises InvalidArgument, reason TEXT_TOO_LONG, where nothing may be cut.
    """
    tokens, num_lost = text.tokens, len(text) - room
    if num_lost <= 0:
        return Fitted(tokens)
    if truncation is Truncation.NONE or room <= num_prefix:
        what = f"has {len(text)} tokens, and the model reads {max(0, room)} of a text: ask for truncation"
        raise InvalidArgument(field, what, reason="TEXT_TOO_LONG")
    if truncation is Truncation.END:
        return Fitted(tokens[:room], num_lost)
    return Fitted([*tokens[:num_prefix], *tokens[len(tokens) - room + num_prefix :]], num_lost)


def check_tokens(field: str, texts: Sequence[list[int]]) -> int:
    """The number of tokens of all texts. Raises InvalidArgument for too many, or for a text without any."""
    for index, tokens in enumerate(texts):
        if not tokens:
            raise InvalidArgument(f"{field}[{index}]", "has no tokens", reason="EMPTY_TEXT")
    total = sum(map(len, texts))
    if total > MAX_TOKENS:
        raise InvalidArgument(field, f"come to {total:,} tokens, at most {MAX_TOKENS:,} are allowed")
    return total
