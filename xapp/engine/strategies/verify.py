"""Verify: what the model says to drafts that another model wrote, in one pass over all of them.

The prompt is prefilled as usual, and the drafts follow it in the same steps. Each place has an output: the
model's own token there. The cells stay as a cached prefix, so that the next verification of the same text
computes only its new tokens.
"""

from xapp.backend.base import NOT_DRAWN, Backend, Batch
from xapp.domain.messages import END_OF_ANSWER, SequenceScored, Submit
from xapp.engine.sequence import Sequence
from xapp.engine.strategies.decode import Decode


class Verify(Decode):
    """Belongs to one sequence. `sequence.tokens` is the prompt and the drafts.

    `exact`: the sampler draws until it draws another token than the draft. Otherwise the likeliest token of
    every place is drawn, and the log-probability of every draft is read.

    A step has at most `num_probes` outputs of drafts: logits take memory. More drafts take more steps. An
    evicted sequence computes its cells again, and keeps the results that it has.
    """

    keeps_answer = False
    shares_step = True

    def __init__(self, request: Submit, backend: Backend) -> None:
        assert request.verify is not None
        self._backend = backend
        self._drafts = request.verify.drafts
        self._exact = request.verify.exact
        self._drawn: list[int] = []
        self._log_probabilities: list[float] = []
        self._first_place = 0
        self.num_beside = self.num_spare = len(self._drafts)

    @property
    def _num_places(self) -> int:
        return len(self._drafts) + 1

    def plan(self, sequence: Sequence, batch: Batch, room: int) -> int:
        """Adds the prompt without outputs but for its last token, then the drafts with an output each."""
        sequence.tokens = [*sequence.request.prompt, *self._drafts]
        self._first_place = len(self._drawn)
        start, first_output = sequence.num_computed, sequence.num_prompt - 1 + self._first_place
        unasked = max(0, first_output - start)
        count = max(0, min(room, len(sequence.tokens) - start, unasked + self._rows_left(batch)))
        before = min(unasked, count)
        assert sequence.seq_id is not None
        batch.extend(sequence.tokens[start : start + before], start, sequence.seq_id)
        for position in range(start + before, start + count):
            batch.add(sequence.tokens[position], position, sequence.seq_id)
            self._want(batch, position - sequence.num_prompt + 1)
        return count

    def _rows_left(self, batch: Batch) -> int:
        """Rows of logits for prompts that the step has room for."""
        return self._backend.num_probes - len(batch.probes) - (len(batch.outputs) - batch.num_decode)

    def _want(self, batch: Batch, place: int) -> None:
        """An output after the batch's last token, which is before place `place`."""
        # In a later step the draft before the first place is known to be right.
        if self._exact and place > self._first_place:
            batch.drafts.add(len(batch) - 1)
        batch.want_output()
        if not self._exact and place < len(self._drafts):
            batch.want_log_probabilities([self._drafts[place]])

    def update(self, sequence: Sequence, drawn: list[int], read: list[list[float]]) -> list[int]:
        """Returns no tokens: the result is `sequence.result`."""
        self._drawn += drawn[: drawn.index(NOT_DRAWN)] if NOT_DRAWN in drawn else drawn
        self._log_probabilities += [value for values in read for value in values]
        if len(self._drawn) == self._num_places or self._is_refuted:
            kept = self._num_right if self._exact else len(self._drafts)
            # The cells of wrong drafts are freed with the sequence.
            sequence.tokens = [*sequence.request.prompt, *self._drafts[:kept]]
            sequence.result = self._result(sequence.request)
        return []

    @property
    def _num_right(self) -> int:
        pairs = zip(self._drafts, self._drawn, strict=False)
        return next(
            (place for place, (draft, token) in enumerate(pairs) if draft != token), len(self._drafts)
        )

    @property
    def _is_refuted(self) -> bool:
        return self._exact and self._num_right < len(self._drawn) <= len(self._drafts)

    def _result(self, request: Submit) -> SequenceScored:
        is_end = self._backend.is_end
        ends = not request.ignore_eos
        tokens = [END_OF_ANSWER if ends and is_end(token) else token for token in self._drawn]
        return SequenceScored(request.request_id, [self._log_probabilities], tokens)

    def prompt_left(self, sequence: Sequence) -> int:
        """Tokens of the prompt and drafts that are still to compute."""
        return sequence.num_prompt + len(self._drafts) - sequence.num_computed

    def num_completion(self, sequence: Sequence) -> int:
        """Places whose token is known."""
        return len(self._drawn)
