"""The memory that a model takes to turn texts into vectors, in addition to its weights, and its threads."""

MOST_HEADS, MOST_WIDTH = 16, 1024
"""Of a model whose file does not say its own numbers."""
STEP_TOKENS = 512
"""Tokens of a step without settings, and of a text."""
_ROWS = 16
"""Vectors of a token that a step keeps at once: inputs and outputs of a layer, four times as wide inside."""
_FLOAT_BYTES = 4
_SMALL_BYTES = 250 * 1024 * 1024
"""Weights up to this size are computed by one thread: a second thread mostly waits for the first."""


def step_bytes(heads: int | None, width: int | None, tokens: int = STEP_TOKENS) -> int:
    """A step keeps the attention of all of its tokens to each other, for every head, and some rows."""
    attention = (heads or MOST_HEADS) * tokens * tokens
    return _FLOAT_BYTES * (attention + _ROWS * tokens * (width or MOST_WIDTH))


def compute_threads(weights_bytes: int, cores: int) -> int:
    """Threads of a model without settings."""
    return 1 if weights_bytes <= _SMALL_BYTES else cores
