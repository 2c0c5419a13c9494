"""What a model's steps take on this node now, as its worker measures, and how the worker plans them."""

from dataclasses import dataclass, field

from xapp.domain.messages import ModelInfo, Stats
from xapp.steps.pace import Beside, Candidates, Pace
from xapp.steps.step_cost import DEFAULT_CURVE, StepCost


@dataclass(frozen=True, slots=True)
class Speeds:
    """A step's `cost`, the `pace` at which prompts get on, and how much runs at once."""

    cost: StepCost
    pace: Pace
    num_slots: int
    num_cells: int
    _candidates: dict[int, Candidates] = field(default_factory=dict, init=False)

    def decode_s(self, num_decode: int, cells: float) -> float:
        """A step of sequences that read so many cells together, and nothing else."""
        return self.cost.predict(num_decode, 0, cells)

    def chunk(self, beside: Beside) -> int:
        """Prompt tokens that go into such a step.

        Candidates are found once for each number of decoding requests: cells and position of the first time
        stand for all.
        """
        count = beside.num_decode
        if count not in self._candidates:
            self._candidates[count] = self.pace.candidates(self.cost, beside)
        return self.pace.choose(self._candidates[count], beside)

    def step_s(self, num_decode: int, cells: float, prompt: float, position: float) -> float:
        """A step with so many prompt tokens from `position` on, beside sequences that read `cells`."""
        return self.cost.predict(num_decode, max(1, round(prompt)), cells + prompt * (position + prompt / 2))


def speeds(info: ModelInfo, stats: Stats) -> Speeds:
    """As measured; before anything was, from what the load measured."""
    cost = StepCost(info.curve or DEFAULT_CURVE, stats.prices)
    pace = Pace(info.step_budget_s, info.prefill_share, info.batch_tokens)
    return Speeds(cost, pace, info.num_slots, info.kv_cells_total)
