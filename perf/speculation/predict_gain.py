"""What n-gram drafts would gain on other hardware: the recorded answers are played again with other prices.

A node's price of a step of k rows follows from two public figures of its model: a step of one row takes the
time of a decoded token, and each further row takes at least the time of a token of a prompt. So the predicted
gain is an upper bound: small batches use a kernel worse than a prompt does.
"""

from collections.abc import Mapping

from xapp.backend.base import Batch
from xapp.domain.decoding import Ngram
from xapp.domain.messages import StepCurve
from xapp.domain.prefix import common_prefix
from xapp.engine.strategies.break_even import BreakEven
from xapp.engine.strategies.ngram import NgramProposer
from xapp.engine.strategies.source import Source
from xapp.steps.step_cost import StepCost

HERE = "this node"
_ROWS = tuple(range(1, 34))


def bound_curve(decode_rate: float, prefill_rate: float) -> StepCost:
    """From tokens a second."""
    seconds = tuple(1 / decode_rate + (rows - 1) / prefill_rate for rows in _ROWS)
    return StepCost(StepCurve(_ROWS, seconds, _ROWS, seconds))


def measured_curve(seconds: Mapping[int, float]) -> StepCost:
    """From measured seconds by rows."""
    rows = tuple(sorted(seconds))
    values = tuple(seconds[each] for each in rows)
    return StepCost(StepCurve(rows, values, rows, values))


HARDWARE = {
    "Pi 5, Qwen2.5-0.5B Q4_0": bound_curve(33.8, 290),
    "Pi 5, Qwen2.5-1.5B Q8_0": bound_curve(5.79, 21.9),
    "Pi 5, Qwen2.5-3B Q8_0": bound_curve(2.94, 10.5),
}
"""Public figures, each at its best threads: llama.cpp discussion #30069 (0.5B), edge-llm-leaderboard."""


def predicted_speedup(prompt: list[int], answer: list[int], cost: StepCost) -> float:
    """The time of the answer at one token a step ÷ its time with drafts, at these prices."""
    source = Source(NgramProposer(), BreakEven(cost), Ngram().max_drafts)
    tokens, spent = [*prompt, *answer[:1]], 0.0
    while left := answer[len(tokens) - len(prompt) :]:
        drafts = source.drafts(tokens, Batch(num_decode=1), 0, len(left) - 1)
        accepted = left[: common_prefix(drafts, left) + 1]
        spent += cost.predict(1 + len(drafts), 0) / cost.predict(1, 0)
        source.learn(accepted)
        tokens += accepted
    return (len(answer) - 1) / spent if spent else 1.0
