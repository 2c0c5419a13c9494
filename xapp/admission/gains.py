"""Learns how much faster than one token a step the answers of a kind of request are decoded.

Drafts pay where an answer repeats its prompt or itself, which depends on the kind of request. Expectations
count on the learned gain. Promises do not: the next answer may repeat nothing.
"""

from collections import OrderedDict

MAX_KINDS = 256
"""Number of kinds that are remembered. The least recently used kind is forgotten first."""
FORGET = 0.9
"""Decay of an answer's weight: about the last 10 answers of its kind decide."""
DOUBT_TOKENS = 128
"""Prior: so many tokens were decoded without a gain."""


class Gains:
    """The gains by `kind`, which is any text."""

    def __init__(self) -> None:
        self._kinds: OrderedDict[str, tuple[float, float]] = OrderedDict()
        """Tokens, and the steps without drafts that take as long as they took."""

    def record(self, kind: str, gain: float, num_tokens: int) -> None:
        """Records an ended answer that was decoded `gain` times as fast as without drafts."""
        if kind not in self._kinds and len(self._kinds) >= MAX_KINDS:
            self._kinds.popitem(last=False)
        tokens, steps = self._kinds.get(kind, (0.0, 0.0))
        self._kinds[kind] = (FORGET * tokens + num_tokens, FORGET * steps + num_tokens / gain)
        self._kinds.move_to_end(kind)

    def expected(self, kind: str) -> float:
        """The gain to expect; 1 for an unknown kind."""
        tokens, steps = self._kinds.get(kind, (0.0, 0.0))
        return (tokens + DOUBT_TOKENS) / (steps + DOUBT_TOKENS)
