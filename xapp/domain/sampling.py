"""Sampling: how tokens are drawn."""

import msgspec

MAX_SEED = 2**32 - 2
"""llama.cpp draws a seed for the next larger value, so that the answer could not be repeated."""


class SamplingParams(msgspec.Struct, frozen=True, array_like=True):
    """How the next token is drawn. The ranges have been checked.

    `grammar` is an encoded `grammar.program.Program`, also checked.
    """

    temperature: float = 0.0
    top_k: int = 0
    top_p: float = 1.0
    min_p: float = 0.0
    repeat_penalty: float = 1.0
    seed: int = 0
    grammar: bytes | None = None

    @property
    def greedy(self) -> bool:
        """Whether each token is the most likely token, or the most likely token that a grammar allows."""
        return self.temperature == 0 and self.repeat_penalty == 1.0
