"""What a model's steps take on this node now, as its worker measures, and how the worker plans them."""

from dataclasses import dataclass, field

from xapp.engine.messages import ModelInfo, Stats
from xapp.engine.pace import Beside, Pace
from xapp.engine.step_cost import DEFAULT_CURVE, StepCost


@dataclass(frozen=True, slots=True)
class Speeds:
    """A step's `cost`, the `pace` at which prompts get on, and how much runs at once."""

    cost: StepCost
    pace: Pace
    num_slots: int
    num_cells: int
    _chunks: dict[tuple[int, int, float | None], int] = field(default_factory=dict, init=False)

    def decode_s(self, num_decode: int, cells: float) -> float:
        """A step of sequences that read so many cells together, and nothing else."""
        return self.cost.predict(num_decode, 0, cells)

    def chunk(self, beside: Beside) -> int:
        """Prompt tokens that go into such a step.

        Found once for each number of decoding and of waiting requests and each bound: cells and position of
        the first time stand for all.
        """
        key = (beside.num_decode, beside.num_waiting, beside.max_gap_s)
        if key not in self._chunks:
            self._chunks[key] = self.pace.chunk(self.cost, beside)
        return self._chunks[key]

    def step_s(self, num_decode: int, cells: float, prompt: float, position: float) -> float:
        """A step with so many prompt tokens from `position` on, beside sequences that read `cells`."""
        return self.cost.predict(num_decode, max(1, round(prompt)), cells + prompt * (position + prompt / 2))


def speeds(info: ModelInfo, stats: Stats) -> Speeds:
    """As measured; before anything was, from what the load measured."""
    cost = StepCost(info.curve or DEFAULT_CURVE, stats.prices)
    pace = Pace(info.step_budget_s, info.prefill_share, info.batch_tokens)
    return Speeds(cost, pace, info.num_slots, info.kv_cells_total)
