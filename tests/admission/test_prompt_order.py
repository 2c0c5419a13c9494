"""Shortest first and Estimate on virtual time, where one client asks for short and long answers."""

import random
import statistics
from dataclasses import replace

import pytest

from tests.service.virtual_node import Answer, VirtualNode, Wanted
from xapp.admission.turn import Order

MOST = 400
NUM_BURSTS, BURST, GAP_S = 6, 48, 25.0
LONG = 100


def bursts(seed: int, *, telling: bool) -> list[Wanted]:
    """Of five answers one is long. Where prompts are `telling`, those of long answers are long."""
    draw = random.Random(seed)
    made = []
    for number in range(NUM_BURSTS):
        for _ in range(BURST):
            long = draw.random() < 0.2
            tokens = draw.randint(200, 400) if long else draw.randint(8, 40)
            shown = long if telling else draw.random() < 0.2
            text = (
                "Explain in detail why " + "cell " * draw.randint(40, 60) if shown else "Which cell is down?"
            )
            prompt = draw.randint(8, 60)
            made.append(Wanted(number * GAP_S + draw.random(), prompt, tokens, most=MOST, text=text))
    return sorted(made, key=lambda wanted: wanted.at)


def played(wanted: list[Wanted], order: Order, *, by_prompt: bool) -> VirtualNode:
    node = VirtualNode(by_deadline=False, order=order, by_prompt=by_prompt)
    node.open_loop(wanted)
    assert node.num_refused == 0
    return node


def late(node: VirtualNode) -> list[Answer]:
    """Answers of the last two bursts: by then the node has learned."""
    return [answer for answer in node.answers if answer.wanted.at >= (NUM_BURSTS - 2) * GAP_S]


def mean_s(node: VirtualNode) -> float:
    return statistics.mean(answer.took_s for answer in late(node))


def latest_long_s(node: VirtualNode) -> float:
    return max(answer.took_s for answer in late(node) if answer.wanted.tokens >= LONG)


@pytest.mark.parametrize("seed", [1, 2])
def test_prompts_that_tell_are_nearly_worth_as_much_as_known_lengths(seed: int) -> None:
    wanted = bursts(seed, telling=True)
    by_prompt = played(wanted, "auto", by_prompt=True)
    first_come = played(wanted, "auto", by_prompt=False)
    known = played([replace(each, most=0) for each in wanted], "shortest", by_prompt=False)
    assert mean_s(by_prompt) <= 1.1 * mean_s(known)
    assert mean_s(by_prompt) <= 0.9 * mean_s(first_come)
    assert latest_long_s(by_prompt) <= 1.3 * latest_long_s(first_come)


@pytest.mark.parametrize("seed", [1, 2])
def test_prompts_that_tell_nothing_leave_the_order_of_arrival(seed: int) -> None:
    wanted = bursts(seed, telling=False)
    by_prompt = played(wanted, "auto", by_prompt=True)
    assert mean_s(by_prompt) <= 1.02 * mean_s(played(wanted, "arrival", by_prompt=False))


@pytest.mark.parametrize("seed", [1, 2])
def test_estimates_know_long_answers_by_their_prompts(seed: int) -> None:
    node = played(bursts(seed, telling=True), "arrival", by_prompt=True)
    told = {
        long: statistics.median(
            answer.estimated.num_completion_tokens
            for answer in late(node)
            if (answer.wanted.tokens >= LONG) is long
        )
        for long in (False, True)
    }
    assert told[False] <= 40
    assert told[True] >= 200
