"""What a model's steps take on this node now, from what its worker measures."""

from dataclasses import dataclass

from xapp.engine.messages import ModelInfo, Stats
from xapp.engine.step_time import MIN_CHUNK


@dataclass(frozen=True, slots=True)
class Speeds:
    """Times in seconds. `decode_s[n]` is a step of n decoding sequences alone, n up to the slots."""

    prompt_token_s: float
    decode_s: tuple[float, ...]
    budget_s: float
    num_cells: int

    @property
    def num_slots(self) -> int:
        """Sequences that run at once."""
        return len(self.decode_s) - 1

    def chunk(self, num_decode: int) -> float:
        """Prompt tokens that go into a step beside `num_decode` decoding sequences."""
        return max(float(MIN_CHUNK), (self.budget_s - self.decode_s[num_decode]) / self.prompt_token_s)


def speeds(info: ModelInfo, stats: Stats) -> Speeds:
    """As measured; where nothing was, from what the load measured."""
    price = stats.prompt_token_s or info.prompt_token_s
    known = {0: 0.0, 1: info.decode_step_s or price} | stats.decode_s
    table = tuple(_between(known, count, price) for count in range(info.num_slots + 1))
    return Speeds(price, table, info.step_budget_s, info.kv_cells_total)


def _between(known: dict[int, float], count: int, price: float) -> float:
    """On the line between the neighbours that are known; beyond the last one more costs a prompt token."""
    if count in known:
        return known[count]
    below = max(n for n in known if n < count)
    above = min((n for n in known if n > count), default=None)
    if above is None:
        return known[below] + (count - below) * price
    share = (count - below) / (above - below)
    return known[below] + share * (known[above] - known[below])
