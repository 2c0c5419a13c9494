"""Speeds: the time of a model's steps on this node now, and how the worker plans its steps."""

from dataclasses import dataclass, field

from xapp.domain.messages import ModelInfo, Stats
from xapp.steps.pace import Beside, Candidates, Pace
from xapp.steps.step_cost import DEFAULT_CURVE, StepCost

MANY_CELLS = 1 << 40


@dataclass(frozen=True, slots=True)
class Speeds:
    """The `cost` of a step, the `pace` of prompts, and the limits of concurrency."""

    cost: StepCost
    pace: Pace
    num_slots: int
    num_cells: int
    _candidates: dict[int, Candidates] = field(default_factory=dict, init=False)

    def decode_s(self, num_decode: int, cells: float) -> float:
        """Seconds of a step in which `num_decode` sequences, reading `cells` together, decode, without
        prompts.
        """
        return self.cost.predict(num_decode, 0, cells)

    def chunk(self, beside: Beside) -> int:
        """Prompt tokens of such a step.

        The candidates are computed once for each number of decoding requests, with the cells and the
        position of the first call.
        """
        count = beside.num_decode
        if count not in self._candidates:
            self._candidates[count] = self.pace.candidates(self.cost, beside)
        return self.pace.choose(self._candidates[count], beside)

    def step_s(self, num_decode: int, cells: float, prompt: float, position: float) -> float:
        """Seconds of a step with `prompt` tokens from `position` on, beside sequences that read `cells`."""
        return self.cost.predict(num_decode, max(1, round(prompt)), cells + prompt * (position + prompt / 2))


def speeds(info: ModelInfo, stats: Stats) -> Speeds:
    """Speeds as the worker measures them now, or as measured at the load before the first step."""
    cost = StepCost(info.curve or DEFAULT_CURVE, stats.prices, info.apart_from)
    pace = Pace(info.step_budget_s, info.prefill_share, info.batch_tokens)
    # A model that makes vectors keeps no cells, so that they are never short.
    return Speeds(cost, pace, info.num_slots, info.kv_cells_total or MANY_CELLS)
