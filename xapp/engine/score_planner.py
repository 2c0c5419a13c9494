"""ScorePlanner: which tokens of a scoring sequence the next step computes."""

from xapp.engine.branches import Branches
from xapp.engine.plan import Plan
from xapp.engine.score import Branch, ScoreSequence
from xapp.engine.sequence import Sequence
from xapp.steps.pace import MIN_CHUNK


class ScorePlanner:
    """At most `num_probes` probes a step, of all sequences together: logits take memory.

    A step that scores has no more tokens than a steady batch, `num_steady` if not 0.
    """

    def __init__(self, branches: Branches, num_probes: int, num_steady: int) -> None:
        assert num_probes > 0, "without probes nothing is ever scored"
        self._branches = branches
        self._num_probes = num_probes
        self._num_steady = num_steady

    def steady_room(self, prompts: list[Sequence], room: int, num_decode: int) -> int:
        """What is left of a step's room when one of those that have prompts to compute is scoring."""
        if not self._num_steady or not any(isinstance(each, ScoreSequence) for each in prompts):
            return room
        return min(room, max(MIN_CHUNK, self._num_steady - num_decode))

    def add(self, plan: Plan, sequence: ScoreSequence, room: int) -> int:
        """Puts at most `room` of its tokens into the batch; returns how many."""
        if sequence.in_one_step and not sequence.num_computed:
            if self._must_wait(plan, sequence, room):
                return 0
            if sequence.num_to_prefill <= room and self._branches.open_all(sequence):
                return self._add_whole(plan, sequence)
        return self._add_some(plan, sequence, room)

    def _must_wait(self, plan: Plan, sequence: ScoreSequence, room: int) -> bool:
        """Whether it fits a step, and does not fit this one for those before it."""
        num_tokens = sequence.num_to_prefill
        num_probes = num_tokens - sequence.num_prompt + 1
        too_many = num_tokens > room or num_probes > self._probes_left(plan)
        return too_many and plan.num_prefill > 0 and num_tokens <= room + plan.num_prefill

    def _add_whole(self, plan: Plan, sequence: ScoreSequence) -> int:
        """The prompt for all choices at once, and all of them behind it."""
        before, count = len(plan.batch), sequence.num_to_prefill
        self._add_own(plan, sequence, count)
        seq_ids = [branch.seq_id for branch in sequence.branches]
        if seq_ids:
            prompt = range(before, before + sequence.num_prompt)
            plan.batch.shared |= dict.fromkeys(prompt, seq_ids)
        for branch in sequence.branches:
            self._add_branch(plan, sequence, branch, count)
        return count

    def _add_some(self, plan: Plan, sequence: ScoreSequence, room: int) -> int:
        before = len(plan.batch)
        if sequence.num_left == 0 and sequence.pending:
            self._branches.rewind(sequence)
            sequence.next_choice()
        may_branch = sequence.has_prompt
        self._add_own(plan, sequence, room)
        for branch in sequence.branches:
            self._add_branch(plan, sequence, branch, room + before - len(plan.batch))
        while may_branch and self._fits(plan, room + before) and (opened := self._branches.open(sequence)):
            self._add_branch(plan, sequence, opened, room + before - len(plan.batch))
        return len(plan.batch) - before

    def _fits(self, plan: Plan, most: int) -> bool:
        return len(plan.batch) < most and self._probes_left(plan) > 0

    def _probes_left(self, plan: Plan) -> int:
        return self._num_probes - len(plan.batch.probes)

    def _add_own(self, plan: Plan, sequence: ScoreSequence, room: int) -> None:
        """The prompt, and the choice behind it."""
        assert sequence.seq_id is not None
        start = sequence.num_computed
        unasked = max(0, sequence.num_unasked - start)
        count = min(room, sequence.num_left, unasked + self._probes_left(plan))
        asked_from = start + min(unasked, count)
        plan.batch.extend(sequence.tokens[start:asked_from], start, sequence.seq_id)
        for position in range(asked_from, start + count):
            plan.batch.add(sequence.tokens[position], position, sequence.seq_id)
            plan.add_probe(sequence, *sequence.asked(position))
        plan.prefills.append((sequence, count))

    def _add_branch(self, plan: Plan, sequence: ScoreSequence, branch: Branch, room: int) -> None:
        count = max(0, min(room, branch.num_left, self._probes_left(plan)))
        start = branch.num_computed
        for index in range(start, start + count):
            plan.batch.add(branch.tokens[index], sequence.num_prompt + index, branch.seq_id)
            plan.add_probe(sequence, [branch.choice], [branch.tokens[index + 1]])
        plan.prefills.append((branch, count))
