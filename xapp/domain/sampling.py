"""Sampling: how tokens are drawn."""

import msgspec

MAX_SEED = 2**32 - 2
"""llama.cpp draws a seed for the next larger value, so that the answer could not be repeated."""

MAX_TOP = 20
"""Largest number of tokens that are reported beside a drawn token."""
MAX_BIASES = 300
MAX_BIAS = 100.0
MAX_PENALTY = 2.0


class SamplingParams(msgspec.Struct, frozen=True, array_like=True):
    """How the next token is drawn. The ranges have been checked.

    `grammar` is an encoded `grammar.program.Program`, also checked. `logit_bias` has pairs of a token and the
    number that is added to its logit. `top_log_probabilities` is how many of the most likely tokens are
    reported beside each drawn token, at most MAX_TOP; None reports nothing. After `max_reasoning_tokens` the
    model's reasoning is closed; None is no limit.
    """

    temperature: float = 0.0
    top_k: int = 0
    top_p: float = 1.0
    min_p: float = 0.0
    repeat_penalty: float = 1.0
    seed: int = 0
    grammar: bytes | None = None
    presence_penalty: float = 0.0
    frequency_penalty: float = 0.0
    logit_bias: tuple[tuple[int, float], ...] = ()
    top_log_probabilities: int | None = None
    max_reasoning_tokens: int | None = None

    @property
    def greedy(self) -> bool:
        """Whether each token is the most likely token, or the most likely token that a grammar allows."""
        return self.temperature == 0 and not self.shifts_logits

    @property
    def shifts_logits(self) -> bool:
        """Whether penalties or a bias change which token is the most likely."""
        penalties = self.repeat_penalty != 1.0 or self.presence_penalty or self.frequency_penalty
        return bool(penalties or self.logit_bias)
