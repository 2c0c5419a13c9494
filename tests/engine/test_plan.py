"""How a batch is split."""

import pytest

from xapp.backend.base import Batch
from xapp.domain.messages import StepCurve
from xapp.engine.plan import Plan
from xapp.steps.step_cost import StepCost

POOR_AT_8 = StepCurve((1, 8, 64), (0.02, 0.16, 0.6), (1, 4, 8), (0.03, 0.09, 0.22))


def planned(num_decode: int, num_prompt: int) -> Batch:
    batch = Batch(num_decode=num_decode)
    for seq_id in range(num_decode):
        batch.add(100 + seq_id, 5, seq_id)
        batch.want_output()
    batch.extend(list(range(num_prompt)), 0, num_decode)
    return batch


@pytest.mark.parametrize(
    ("num_decode", "num_prompt", "apart", "split"),
    [(8, 0, False, [4, 4]), (8, 8, False, []), (8, 56, True, [4, 4]), (0, 100, False, [])],
)
def test_answers_are_split_unless_they_are_computed_with_prompts(
    num_decode: int, num_prompt: int, apart: bool, split: list[int]
) -> None:
    plan = Plan(planned(num_decode, num_prompt))
    plan.compute_in_parts(StepCost(POOR_AT_8, apart_from=64))
    assert (plan.batch.apart, plan.batch.split) == (apart, split)


def test_probes_are_read_from_one_batch() -> None:
    plan = Plan(planned(4, 60))
    plan.batch.want_log_probabilities([1, 2])
    plan.compute_in_parts(StepCost(POOR_AT_8, apart_from=64))
    assert not plan.batch.apart


def test_parts_have_all_tokens_and_outputs() -> None:
    batch = planned(3, 5)
    batch.want_output()
    batch.extend([7, 8], 4, 9)
    batch.split = [2, 1]
    answers = batch.answers()
    assert (answers.tokens, answers.outputs, answers.split) == ([100, 101, 102], [0, 1, 2], [2, 1])
    first, second = batch.prompts()
    assert (first.tokens, first.positions) == ([0, 1, 2, 3, 4], [0, 1, 2, 3, 4])
    assert (first.seq_ids, first.outputs, first.split) == ([3] * 5, [4], [])
    assert (second.tokens, second.positions, second.seq_ids, second.outputs) == ([7, 8], [4, 5], [9, 9], [])
    assert batch.all_prompts().tokens == first.tokens + second.tokens
