"""What the fake model says: the next token, and probabilities, as functions of all tokens before them."""

import zlib
from array import array
from collections.abc import Sequence

END_TOKEN = 257
VOCAB_SIZE = 260
HIDDEN_SIZE = 16
_WORDS = b"the cell load is fine and no handover is due \xc3\xa9 \xe2\x82\xac. "
_SPACE = ord(" ")
_SPACES = b"    ,;:-+*/=<>~|"
"""A space of the words becomes one of these: an answer shows of which content it is a function."""


def next_token(tokens: Sequence[int]) -> int:
    """The token after `tokens`: words, and an end about every 200 tokens."""
    digest = zlib.crc32(array("i", tokens).tobytes())
    if digest % 200 == 0:
        return END_TOKEN
    token = _WORDS[len(tokens) % len(_WORDS)]
    return token if token != _SPACE else _SPACES[(digest >> 8) % len(_SPACES)]


def log_probability(tokens: Sequence[int], token: int) -> float:
    """Log-probability of `token` after `tokens`: from -8 to 0, and different after other tokens."""
    return -(zlib.crc32(array("i", [*tokens, token]).tobytes()) % 8000) / 1000


def hidden_state(tokens: Sequence[int]) -> list[float]:
    """The hidden state of the last token: how often each value modulo HIDDEN_SIZE is among all tokens."""
    counts = [0.0] * HIDDEN_SIZE
    for token in tokens:
        counts[token % HIDDEN_SIZE] += 1.0
    return counts
