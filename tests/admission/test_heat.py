"""Promises of a node that warms up, lowers its clock, and raises it again."""

import random
from dataclasses import replace
from functools import cache

import pytest

from tests.service.hot_node import Board, HotNode
from tests.service.virtual_node import SLOTS, Wanted
from xapp.admission.heat import MARGIN, PRIOR, SETTLE_STEPS, SOON_S, Heat
from xapp.domain.power import HeatOutlook


class Weather:
    """An outlook that the test sets."""

    def __init__(self) -> None:
        self.now = HeatOutlook()

    def __call__(self) -> HeatOutlook:
        return self.now


def test_a_cool_node_changes_nothing() -> None:
    heat = Heat(Weather())
    heat.see(1.0, 10)
    assert heat.stretch() is None
    assert heat.slowdown == 1.0


def test_what_runs_into_the_heat_ends_later() -> None:
    weather = Weather()
    heat = Heat(weather)
    heat.see(1.0, 10)
    weather.now = HeatOutlook(throttles_in_s=10.0)
    stretch = heat.stretch()
    assert stretch is not None
    assert [stretch(each) for each in (5.0, 10.0, 20.0)] == pytest.approx(
        [5.0, 10.0, 10 + 10 * MARGIN * PRIOR]
    )
    assert stretch(float("inf")) == float("inf")
    assert heat.slowdown == PRIOR
    weather.now = HeatOutlook(throttles_in_s=SOON_S + 1)
    assert heat.slowdown == 1.0


def test_prices_that_have_followed_are_not_raised_again() -> None:
    weather = Weather()
    heat = Heat(weather)
    heat.see(1.0, 10)
    weather.now = HeatOutlook(throttled=True, throttles_in_s=0.0)
    for scale, factor in ((1.0, MARGIN * PRIOR), (1.25, MARGIN * PRIOR / 1.25), (PRIOR, MARGIN)):
        heat.see(scale, 20)
        stretch = heat.stretch()
        assert stretch is not None
        assert stretch(1.0) == pytest.approx(factor)
    heat.see(MARGIN * PRIOR, 30)
    assert heat.stretch() is None


def test_the_loss_is_learned_from_settled_prices() -> None:
    weather = Weather()
    heat = Heat(weather)
    heat.see(1.0, 10)
    weather.now = HeatOutlook(throttled=True, throttles_in_s=0.0)
    heat.see(1.1, 20)
    assert heat.loss == PRIOR, "the first steps say little"
    for step in range(200):
        heat.see(1.3, 20 + SETTLE_STEPS + step)
    assert heat.loss == pytest.approx(1.3)
    heat.see(1.3, 0)
    assert heat.loss == pytest.approx(1.3), "a new worker begins to count anew"


def test_prices_that_fall_slowly_after_the_heat_are_not_those_of_the_full_clock() -> None:
    weather = Weather()
    heat = Heat(weather)
    heat.see(1.0, 10)
    weather.now = HeatOutlook(throttled=True, throttles_in_s=0.0)
    heat.see(1.6, 200)
    weather.now = HeatOutlook(throttles_in_s=50.0)
    for step in range(SETTLE_STEPS):
        heat.see(1.5, 201 + step)
    heat.see(1.0, 300)
    stretch = heat.stretch()
    assert stretch is not None
    assert stretch(100.0) == pytest.approx(50 + 50 * MARGIN * PRIOR)


def test_a_board_that_always_says_it_throttles_is_as_fast_as_it_is() -> None:
    heat = Heat(lambda: HeatOutlook(throttled=True, throttles_in_s=0.0))
    for step in range(100):
        heat.see(1.2, step)
    assert (heat.stretch(), heat.slowdown) == (None, 1.0)


# ---- on virtual time

SEEDS = (1, 2)


def draw(seed: int) -> list[Wanted]:
    """Long answers, due after 1.1 to 2 times the time that they take with all slots in use."""
    rng = random.Random(seed)
    at, coming = 0.0, []
    while (at := at + rng.expovariate(0.7)) < 150.0:
        tokens = rng.randint(150, 400)
        coming.append(Wanted(at, rng.randint(20, 200), tokens, 0.034 * tokens * rng.uniform(1.1, 2.0)))
    return coming


@cache
def hot(seed: int, *, foresees: bool) -> HotNode:
    """After a load under which a Raspberry Pi goes from 2.4 to 1.5 GHz, and back, and again."""
    board = Board(time_constant_s=20.0)
    return HotNode(board=board, foresees=foresees).serve(draw(seed))


def test_a_node_that_throttles_under_load_breaks_no_promise() -> None:
    nodes = [hot(seed, foresees=True) for seed in SEEDS]
    assert all(node.board.throttled_s > 30 for node in nodes)
    assert all(len(node.answers) > 40 and node.num_refused for node in nodes)
    assert sum(node.num_broken for node in nodes) == 0


def test_the_same_node_breaks_promises_where_it_only_follows_the_clock() -> None:
    assert sum(hot(seed, foresees=False).num_broken for seed in SEEDS) > 0


def test_the_price_of_steps_follows_the_clock() -> None:
    prices = []
    for celsius, watts in ((30.0, 0.0), (79.9, 9.0)):
        node = HotNode(board=Board(celsius, full_watts=watts, low_watts=watts))
        node.closed_loop([Wanted(0, 20, 300)] * SLOTS, SLOTS)
        assert node.board.throttled is (watts > 0)
        prices.append(node.engine._step_time.predict(SLOTS, 0))
    assert 1.4 <= prices[1] / prices[0] <= 2.2


def test_foresight_costs_few_answers() -> None:
    answered = {sees: sum(len(hot(seed, foresees=sees).answers) for seed in SEEDS) for sees in (True, False)}
    assert answered[True] >= 0.9 * answered[False]


def test_a_node_with_good_cooling_refuses_nobody_for_heat() -> None:
    cool = Board(full_watts=3.0, time_constant_s=20.0)
    plain, watched = (
        HotNode(board=replace(cool), foresees=sees).serve(draw(0)[:60]) for sees in (False, True)
    )
    assert watched.board.throttled_s == 0
    assert len(watched.answers) == len(plain.answers)
