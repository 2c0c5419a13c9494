"""Score: the probability of each of several continuations of one prompt.

The prompt is prefilled as usual. The logits of its last token give the probability of the first token of
every choice. A choice of n tokens needs n - 1 more tokens computed. The choices are computed one after the
other in the sequence's own cells, behind the prompt. Admission reserves these cells, so that scoring always
advances. Where sequence ids and cells are free, further choices are computed in parallel as branches that
share the prompt's cells.
"""

from xapp.backend.base import Backend, Batch
from xapp.domain.messages import SequenceScored, Submit
from xapp.engine.branches import Branch
from xapp.engine.kv_cache import KVCache
from xapp.engine.sequence import Sequence, Status
from xapp.engine.strategies.choices import Choices, fits_one_step


class Score:
    """A Strategy. `sequence.tokens` is the prompt and the choice that is computed in the sequence's own
    cells.

    A step has at most `num_probes` probes of all sequences together: logits take memory. A step that scores
    has no more tokens than a steady batch, where the backend has such a size.

    `in_one_step`: prompt and choices are computed in one step, without cached cells. The result then does not
    depend on other sequences or earlier steps, not even by float noise.
    """

    draws = False
    keeps_answer = False
    shares_step = True
    num_spare = 0
    num_drafted = 0
    num_accepted = 0
    num_draft_steps = 0
    gain = 1.0

    def __init__(self, request: Submit, backend: Backend, kv_cache: KVCache) -> None:
        assert backend.num_probes > 0, "without probes nothing is ever scored"
        self.in_one_step = fits_one_step(request, backend)
        self.may_share = not self.in_one_step
        self.most_tokens = backend.num_steady
        self.choices = Choices(request.choices)
        self.num_beside = self.choices.num_following
        self.branches: list[Branch] = []
        self._backend = backend
        self._kv_cache = kv_cache
        self._probes: list[list[int]] = []
        """The choices that asked for each probe of the step."""

    def plan(self, sequence: Sequence, batch: Batch, room: int) -> int:
        """Adds the prompt and its choices, at once where they fit a step."""
        self._probes = []
        if self.choices.current is None:
            self._put_next_behind(sequence)
        if self.in_one_step and sequence.num_computed == 0:
            if self._must_wait(sequence, batch, room):
                return 0
            if self._num_tokens(sequence) <= room and self._open_all(sequence):
                return self._add_whole(sequence, batch)
        return self._add_some(sequence, batch, room)

    def update(self, sequence: Sequence, drawn: list[int], read: list[list[float]]) -> list[int]:
        """Returns no tokens: the result is `sequence.result`."""
        sequence.status = Status.SCORE
        for choices, log_probabilities in zip(self._probes, read, strict=True):
            self.choices.learn(choices, log_probabilities)
        for branch in self.branches:
            self._kv_cache.branches.computed(sequence, branch)
        self._close([branch for branch in self.branches if branch.num_left == 0])
        if self.choices.done:
            sequence.result = SequenceScored(sequence.request.request_id, self.choices.log_probabilities)
        return []

    def prompt_left(self, sequence: Sequence) -> int:
        """Tokens of the prompt and of all choices that are still to compute."""
        return max(0, sequence.num_prompt - sequence.num_computed) + self.choices.num_without_probe

    def num_completion(self, sequence: Sequence) -> int:
        """Tokens of choices whose probability is known."""
        return self.choices.num_known

    def restart(self, sequence: Sequence) -> None:
        """Starts all choices again."""
        self.choices.begin()
        sequence.tokens = list(sequence.request.prompt)

    def give_back(self, sequence: Sequence) -> None:
        """Closes all branches."""
        self._close(list(self.branches))

    def _close(self, branches: list[Branch]) -> None:
        for branch in branches:
            self.branches.remove(branch)
            self._kv_cache.branches.close(branch)

    def _put_next_behind(self, sequence: Sequence) -> None:
        """Puts the next choice behind the prompt, in place of the last one."""
        if self.choices.pending:
            sequence.tokens = [*sequence.request.prompt, *self.choices.next()]

    # ---- what goes into the step

    def _num_tokens(self, sequence: Sequence) -> int:
        return sequence.num_prompt + self.num_beside

    def _must_wait(self, sequence: Sequence, batch: Batch, room: int) -> bool:
        """Whether the sequence fits a step, but not this step beside the sequences before it."""
        num_tokens, num_prefill = self._num_tokens(sequence), len(batch) - batch.num_decode
        too_many = num_tokens > room or self.num_beside + 1 > self._probes_left(batch)
        return too_many and num_prefill > 0 and num_tokens <= room + num_prefill

    def _open_all(self, sequence: Sequence) -> bool:
        branches = self._kv_cache.branches.open_all(sequence, list(self.choices.pending))
        if branches is None:
            return False
        self.branches = branches
        self.choices.pending.clear()
        return True

    def _add_whole(self, sequence: Sequence, batch: Batch) -> int:
        """Adds the prompt for all choices at once, and all choices behind it."""
        before, room = len(batch), self._num_tokens(sequence)
        count = self._add_own(sequence, batch, room)
        seq_ids = [branch.seq_id for branch in self.branches]
        if seq_ids:
            prompt = range(before, before + sequence.num_prompt)
            batch.shared |= dict.fromkeys(prompt, seq_ids)
        for branch in self.branches:
            self._add_branch(sequence, batch, branch, room)
        return count

    def _add_some(self, sequence: Sequence, batch: Batch, room: int) -> int:
        most = len(batch) + room
        if self._num_left(sequence) == 0 and self.choices.pending:
            self._rewind(sequence)
        may_branch = sequence.num_computed >= sequence.num_prompt
        count = self._add_own(sequence, batch, room)
        for branch in self.branches:
            self._add_branch(sequence, batch, branch, most - len(batch))
        while may_branch and self._fits(batch, most) and (opened := self._open(sequence)):
            self._add_branch(sequence, batch, opened, most - len(batch))
        return count

    def _rewind(self, sequence: Sequence) -> None:
        """Removes the choice behind the prompt.

        A model whose state cannot be cut computes the prompt again.
        """
        cut = self._backend.info.shares_prefixes
        self._kv_cache.trim(sequence, sequence.num_prompt if cut else 0)
        self._put_next_behind(sequence)

    def _open(self, sequence: Sequence) -> Branch | None:
        """Starts the next pending choice as a branch.

        None without a pending choice, a free id or enough cells.
        """
        pending = self.choices.pending
        branch = self._kv_cache.branches.open(sequence, pending[0]) if pending else None
        if branch is not None:
            pending.popleft()
            self.branches.append(branch)
        return branch

    def _fits(self, batch: Batch, most: int) -> bool:
        return len(batch) < most and self._probes_left(batch) > 0

    def _probes_left(self, batch: Batch) -> int:
        return self._backend.num_probes - len(batch.probes)

    def _num_left(self, sequence: Sequence) -> int:
        """Tokens to compute in the sequence's own cells before the next choice can start there."""
        return max(sequence.num_prompt, len(sequence.tokens) - 1) - sequence.num_computed

    def _num_without_probe(self, sequence: Sequence) -> int:
        """Tokens at the start without a probe behind them. First tokens of choices are probed once."""
        return sequence.num_prompt if self.choices.begun else sequence.num_prompt - 1

    def _add_own(self, sequence: Sequence, batch: Batch, room: int) -> int:
        """Adds tokens of the prompt and of the choice behind it."""
        assert sequence.seq_id is not None
        start = sequence.num_computed
        unasked = max(0, self._num_without_probe(sequence) - start)
        count = min(room, self._num_left(sequence), unasked + self._probes_left(batch))
        first_probe = start + min(unasked, count)
        batch.extend(sequence.tokens[start:first_probe], start, sequence.seq_id)
        for position in range(first_probe, start + count):
            batch.add(sequence.tokens[position], position, sequence.seq_id)
            self._add_probe(sequence, batch, position)
        return count

    def _add_probe(self, sequence: Sequence, batch: Batch, position: int) -> None:
        """Adds a probe after the token at `position` for each choice that continues there."""
        if position == sequence.num_prompt - 1:
            self._probes.append(list(range(len(sequence.request.choices))))
            batch.want_log_probabilities(self.choices.first_tokens)
            return
        assert self.choices.current is not None
        self._probes.append([self.choices.current])
        batch.want_log_probabilities([sequence.tokens[position + 1]])

    def _add_branch(self, sequence: Sequence, batch: Batch, branch: Branch, room: int) -> None:
        count = max(0, min(room, branch.num_left, self._probes_left(batch)))
        start = branch.num_computed
        for index in range(start, start + count):
            batch.add(branch.tokens[index], sequence.num_prompt + index, branch.seq_id)
            batch.want_log_probabilities([branch.tokens[index + 1]])
            self._probes.append([branch.choice])
        branch.num_planned = count
