"""What a model's steps take on this node now, from what its worker measures."""

from dataclasses import dataclass

from xapp.engine.messages import ModelInfo, Stats, StepPrices
from xapp.engine.scheduler import IDLE_FACTOR
from xapp.engine.step_time import MIN_CHUNK, starting_prices


@dataclass(frozen=True, slots=True)
class Speeds:
    """A step's `prices`, what it may take, s, and how much runs at once."""

    prices: StepPrices
    budget_s: float
    num_slots: int
    num_cells: int

    def decode_s(self, num_decode: int, cells: float) -> float:
        """A step of sequences that read so many cells together, and nothing else."""
        prices = self.prices
        return prices.step_s + prices.sequence_s * num_decode + prices.cell_s * cells

    def prompt_token_s(self, position: float) -> float:
        """A prompt token there, beside other things."""
        return self.prices.prompt_token_s + self.prices.cell_s * position

    def chunk(self, decode_s: float, prompt_token_s: float, *, patient: bool) -> float:
        """Prompt tokens at that price that go into a step beside decoding sequences, or, `patient`, alone."""
        budget_s = self.budget_s * IDLE_FACTOR if patient else self.budget_s
        return max(float(MIN_CHUNK), (budget_s - decode_s) / prompt_token_s)


def speeds(info: ModelInfo, stats: Stats) -> Speeds:
    """As measured; before anything was, from what the load measured."""
    prices = stats.prices or starting_prices(info.prompt_token_s, info.decode_step_s or None)
    return Speeds(prices, info.step_budget_s, info.num_slots, info.kv_cells_total)
