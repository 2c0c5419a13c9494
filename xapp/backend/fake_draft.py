"""A DraftModel without a model: it guesses by a rule, from the content of its own cells."""

from collections.abc import Callable, Sequence

from xapp.backend.base import DecodeError


class FakeDraft:
    """Guesses what `rule` says of the tokens so far. Wrong positions and too many cells are a DecodeError.
    `spend` gets the seconds that its work takes.
    """

    def __init__(
        self,
        rule: Callable[[Sequence[int]], int],
        *,
        num_sequences: int = 4,
        num_cells: int = 4096,
        context_length: int = 4096,
        token_s: float = 0.0001,
        probability: float = 0.9,
        spend: Callable[[float], None] = lambda _: None,
    ) -> None:
        self._rule = rule
        self.num_sequences, self.num_cells = num_sequences, num_cells
        self.context_length = context_length
        self.token_s, self.prompt_token_s = token_s, token_s / 4
        self.cells: list[list[int]] = [[] for _ in range(num_sequences)]
        self._probability = probability
        self._spend = spend

    def read(self, seq_id: int, tokens: list[int], start: int) -> None:
        """See DraftModel."""
        cells = self.cells[seq_id]
        if start != len(cells):
            raise DecodeError(-1)
        cells += tokens
        self._spend(len(tokens) * self.prompt_token_s)
        if sum(map(len, self.cells)) > self.num_cells:
            raise DecodeError(1)

    def guess(self, seq_id: int, token: int, position: int, most: int) -> list[tuple[int, float]]:
        """See DraftModel."""
        found: list[tuple[int, float]] = []
        self._spend(most * self.token_s)
        for count in range(most):
            self.read(seq_id, [token], position + count)
            token = self._rule(self.cells[seq_id])
            found.append((token, self._probability))
        return found

    def remove(self, seq_id: int, start: int = 0) -> None:
        """See DraftModel."""
        del self.cells[seq_id][start:]
