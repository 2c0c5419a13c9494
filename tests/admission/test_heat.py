"""Promises of a node that warms up, lowers its clock, and raises it again."""

import random
from functools import cache

import pytest

from tests.admission.test_overload import capacity, draw
from tests.service.hot_node import HotNode
from xapp.admission.heat import PRIOR, SETTLE_STEPS, SOON_S, Heat
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
    assert [stretch(each) for each in (5.0, 10.0, 20.0)] == pytest.approx([5.0, 10.0, 10 + 10 * PRIOR])
    assert stretch(float("inf")) == float("inf")
    assert heat.slowdown == PRIOR
    weather.now = HeatOutlook(throttles_in_s=SOON_S + 1)
    assert heat.slowdown == 1.0


def test_prices_that_have_followed_are_not_raised_again() -> None:
    weather = Weather()
    heat = Heat(weather)
    heat.see(1.0, 10)
    weather.now = HeatOutlook(throttled=True, throttles_in_s=0.0)
    for scale, factor in ((1.0, PRIOR), (1.25, PRIOR / 1.25)):
        heat.see(scale, 20)
        stretch = heat.stretch()
        assert stretch is not None
        assert stretch(1.0) == pytest.approx(factor)
    heat.see(PRIOR, 30)
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


# ---- on virtual time


@cache
def hot(seed: int, *, foresees: bool) -> HotNode:
    rng = random.Random(seed)
    at, coming = 0.0, []
    while (at := at + rng.expovariate(capacity(seed))) < 180.0:
        coming.append(draw(rng, at))
    return HotNode(foresees=foresees).serve(coming)


SEEDS = range(4)
