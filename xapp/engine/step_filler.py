"""StepFiller: what the running sequences put into the next step.

Decoding sequences go first, with one token each. Prompts follow one after the other at full speed, with as
many tokens as `pace` allows.
"""

from xapp.engine.isolated_cache import IsolatedCache
from xapp.engine.plan import Plan
from xapp.engine.queues import Queues
from xapp.engine.sequence import Sequence, Status
from xapp.engine.step_time import StepTime
from xapp.engine.turns import Turns, is_critical
from xapp.steps.pace import MIN_CHUNK, Beside, Pace

RELIEF_CHUNK = 16
"""Prompt tokens of the first lower-class sequence in such a step, before the critical prompts."""


class StepFiller:
    """A step has at most `num_drafts` drafts."""

    def __init__(
        self, queues: Queues, isolated: IsolatedCache, step_time: StepTime, pace: Pace, num_drafts: int
    ) -> None:
        self._queues = queues
        self._isolated = isolated
        self._step_time = step_time
        self._pace = pace
        self._num_drafts = num_drafts
        self._turns = Turns()

    def fill(self, plan: Plan, now: float) -> None:
        """Adds the parts of all sequences that advance."""
        advancing = self._turns.advancing(self._queues.running, now)
        shared, isolated = self._turns.split(advancing, self._isolated.sequence)
        self._add_decodes(plan, shared, now)
        self._add_prefills(plan, shared, now)
        if isolated is not None and not len(plan.batch):
            self._isolated.add_to(plan)
            isolated.advanced_at = now
        self._turns.record(isolated=plan.batch.isolated)

    def _add_decodes(self, plan: Plan, advancing: list[Sequence], now: float) -> None:
        decoding = []
        for sequence in advancing:
            if sequence.status is Status.DECODE:
                sequence.advanced_at = now
                decoding.append(sequence)
        plan.add_decoding(decoding, self._room_for_drafts(len(advancing), len(decoding)))

    def _room_for_drafts(self, num_advancing: int, num_decoding: int) -> int:
        """Drafts that a step may have. Beside prompts there are none: requests that wait for their first
        token need the room more.
        """
        if num_decoding < num_advancing:
            return 0
        return min(self._num_drafts, self._pace.max_batch - num_decoding)

    def _add_prefills(self, plan: Plan, advancing: list[Sequence], now: float) -> None:
        prompts = self._due(plan, [each for each in advancing if each.status is not Status.DECODE])
        if not prompts:
            return
        chunk = self._pace.chunk(self._step_time, self._beside(plan, prompts, now))
        room = self._room_for_prompts(prompts, min(chunk, self._pace.max_batch - plan.num_decode), plan)
        # A lower class stands before a critical prompt only in the step that ends its pause.
        before_critical = not is_critical(prompts[0]) and any(map(is_critical, prompts))
        relieved = prompts[0] if before_critical else None
        for sequence in prompts:
            if room <= 0:
                return
            share = min(room, RELIEF_CHUNK) if sequence is relieved else room
            if added := plan.add(sequence, share):
                sequence.advance_prompt(now)
            room -= added

    @staticmethod
    def _room_for_prompts(prompts: list[Sequence], room: int, plan: Plan) -> int:
        """The room for prompt tokens, within the limits of the strategies in the step."""
        bounds = [each.strategy.most_tokens for each in prompts if each.strategy.most_tokens]
        return min([room, *(max(MIN_CHUNK, bound - plan.num_decode) for bound in bounds)])

    def _due(self, plan: Plan, prompts: list[Sequence]) -> list[Sequence]:
        """The prompts that take part in this step."""
        if plan.awaits_prefix or self._queues.is_quiet:
            return prompts
        return [each for each in prompts if not each.request.pin]

    def _beside(self, plan: Plan, prompts: list[Sequence], now: float) -> Beside:
        bounds = [each.request.max_gap_s for each in plan.outputs if each.request.max_gap_s is not None]
        first = prompts[0]
        return Beside(
            plan.num_decode,
            cells=plan.batch.num_read,
            position=first.num_computed,
            num_waiting=len(prompts) + len(self._queues.waiting),
            max_gap_s=min(bounds, default=None),
            left=first.prompt_left,
            # Small requests with choices share a step: the step continues with the next prompt.
            shares_step=first.strategy.shares_step,
            waited_s=first.waited_s if first.waited_s is not None else now - first.request.arrival,
            time_left_s=first.ends_by - now,
            interrupted=first.interrupted,
        )
