"""How tokens are drawn."""

import msgspec

MAX_SEED = 2**32 - 2
"""The seed above means "draw a seed" to llama.cpp, and would not give the same answer twice."""


class SamplingParams(msgspec.Struct, frozen=True, array_like=True):
    """How the next token is drawn; ranges are checked before they come here.

    `grammar` is a `grammar.program.Program`, encoded: it was checked as well.
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
        """Whether the plain argmax is the answer, or with a grammar the likeliest token that it allows."""
        return self.temperature == 0 and self.repeat_penalty == 1.0
