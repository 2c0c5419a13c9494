"""ReasoningBudget: a sampler that closes the model's reasoning after a number of tokens.

Reasoning stands between `<think>` and `</think>` at the beginning of an answer, or the prompt opens it.
"""

from collections.abc import Callable, Iterable, Sequence
from typing import cast

from xapp.backend.base import Outcome, Sampler

OPEN, CLOSE = b"<think>", b"</think>"
CLOSING = CLOSE + b"\n\n"
"""The text that ends reasoning whose budget is used up."""
_TAIL_TOKENS = 8


class ReasoningBudget:
    """Wraps the sampler that draws. `piece` returns a token's bytes, `closing` are the tokens of CLOSING."""

    def __init__(
        self,
        inner: Sampler,
        piece: Callable[[int], bytes],
        closing: Sequence[int],
        *,
        budget: int,
        prompt: Sequence[int],
    ) -> None:
        self.inner = inner
        self._piece = piece
        self._closing = closing
        self._left = budget
        tail = b"".join(map(piece, prompt[-_TAIL_TOKENS:])).rstrip()
        self._is_inside = tail.endswith(OPEN)
        self._is_done = False
        self._text = b""
        self._num_forced = 0

    @property
    def outcome(self) -> Outcome:
        """See Sampler."""
        return self.inner.outcome

    def forced(self) -> int | None:
        """The token that has to come next; None where the inner sampler draws."""
        used_up = self._is_inside and self._left <= 0
        if self._is_done or not (used_up or self._num_forced):
            return None
        return self._closing[self._num_forced]

    def take(self, token: int) -> None:
        """Notes a token that was drawn or forced."""
        if self._is_done:
            return
        if self.forced() is not None:
            self._num_forced += 1
            self._is_done = self._num_forced == len(self._closing)
            return
        self._text += self._piece(token)
        if self._is_inside:
            self._left -= 1
            self._is_done = CLOSE in self._text
            self._text = self._text[-len(CLOSE) :]
        else:
            self._begin()

    def _begin(self) -> None:
        text = self._text.lstrip()
        if text.startswith(OPEN):
            self._is_inside, self._text = True, text[len(OPEN) :]
        elif not OPEN.startswith(text):
            self._is_done = True

    def accept(self, token: int) -> bool:
        """See Sampler."""
        if not self.inner.accept(token):
            return False
        self.take(token)
        return True

    def mark(self) -> object:
        """See Sampler."""
        state = (self._left, self._is_inside, self._is_done, self._text, self._num_forced)
        return self.inner.mark(), state

    def rollback(self, mark: object) -> None:
        """See Sampler."""
        inner, state = cast(tuple[object, tuple[int, bool, bool, bytes, int]], mark)
        self.inner.rollback(inner)
        self._left, self._is_inside, self._is_done, self._text, self._num_forced = state

    def close(self) -> None:
        """See Sampler."""
        self.inner.close()


def closing_tokens(pieces: Iterable[bytes]) -> list[int]:
    """The tokens of CLOSING, each as long as possible. `pieces` has the bytes of each token of a vocabulary.

    [] where the vocabulary cannot write it.
    """
    fitting = {piece: token for token, piece in enumerate(pieces) if piece and piece in CLOSING}
    tokens: list[int] = []
    rest = CLOSING
    while rest:
        longest = max((piece for piece in fitting if rest.startswith(piece)), key=len, default=b"")
        if not longest:
            return []
        tokens.append(fitting[longest])
        rest = rest[len(longest) :]
    return tokens
