"""Totals: what an engine has done since it began."""

from dataclasses import dataclass

from xapp.domain.messages import Stats
from xapp.engine.kv_cache import KVCache
from xapp.engine.plan import Plan
from xapp.engine.scheduler import Scheduler
from xapp.engine.sequence import Sequence
from xapp.engine.step_time import StepTime
from xapp.engine.strategies.strategy import Strategy


@dataclass(slots=True)
class Totals:
    """Tokens, steps and drafts. They only grow."""

    prefill_tokens: int = 0
    cached_tokens: int = 0
    decode_tokens: int = 0
    steps: int = 0
    interrupted_steps: int = 0
    step_seconds: float = 0.0
    drafted: int = 0
    accepted: int = 0
    draft_steps: int = 0

    def count_step(self, plan: Plan, seconds: float) -> None:
        """Counts a computed step."""
        self.prefill_tokens += plan.num_prefill
        self.steps += 1
        self.step_seconds += seconds

    def count_drafts(self, strategy: Strategy[Sequence]) -> None:
        """Counts the drafts of a sequence that ended."""
        self.drafted += strategy.num_drafted
        self.accepted += strategy.num_accepted
        self.draft_steps += strategy.num_draft_steps

    def stats(self, scheduler: Scheduler, kv_cache: KVCache, step_time: StepTime) -> Stats:
        """The totals and the current state."""
        return Stats(
            len(scheduler.queues.running),
            len(scheduler.queues.waiting),
            kv_cache.used,
            kv_cache.total,
            self.prefill_tokens,
            self.cached_tokens,
            self.decode_tokens,
            self.steps,
            self.step_seconds,
            num_paused=scheduler.queues.num_paused,
            num_prefill_left=scheduler.queues.num_prefill_left,
            prices=step_time.prices,
            total_preemptions=scheduler.preemption.num_preemptions,
            total_evictions=scheduler.preemption.num_evictions,
            kv_cells_parked=kv_cache.parked,
            total_interrupted=self.interrupted_steps,
            total_drafted=self.drafted,
            total_accepted=self.accepted,
            total_draft_steps=self.draft_steps,
        )
