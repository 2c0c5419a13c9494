"""Decode: the prompt, then the last token of the answer in each step, which brings the next token."""

from xapp.backend.base import Batch
from xapp.engine.sequence import Sequence


class Decode:
    """A Strategy without state: `DECODE` serves all sequences."""

    draws = True
    may_share = True
    keeps_answer = True
    shares_step = False
    most_tokens = 0
    num_beside = 0
    num_spare = 0
    num_drafted = 0
    num_accepted = 0
    num_draft_steps = 0

    @property
    def gain(self) -> float:
        """No token takes less than a step."""
        return 1.0

    def plan(self, sequence: Sequence, batch: Batch, room: int) -> int:
        """Adds the next tokens without cells, with an output after the last token of the prompt."""
        tokens, start, seq_id = sequence.tokens, sequence.num_computed, sequence.seq_id
        assert seq_id is not None
        left = len(tokens) - start
        if left == 1:  # the path of every decoding sequence in every step: further calls would cost time
            batch.outputs.append(len(batch.tokens))
            batch.tokens.append(tokens[-1])
            batch.positions.append(start)
            batch.seq_ids.append(seq_id)
            return 1
        count = min(room, left)
        batch.extend(tokens[start : start + count], start, seq_id)
        if count == left:
            batch.want_output()
        return count

    def update(self, sequence: Sequence, drawn: list[int], read: list[list[float]]) -> list[int]:
        """The token that was drawn."""
        return drawn

    def prompt_left(self, sequence: Sequence) -> int:
        """Tokens that were generated before an eviction count as prompt."""
        return len(sequence.tokens) - sequence.num_computed

    def num_completion(self, sequence: Sequence) -> int:
        """Tokens behind the prompt."""
        return len(sequence.tokens) - len(sequence.request.prompt)

    def restart(self, sequence: Sequence) -> None:
        """Does nothing: no state depends on cells."""

    def give_back(self, sequence: Sequence) -> None:
        """Does nothing: the strategy holds no cells."""


DECODE = Decode()
