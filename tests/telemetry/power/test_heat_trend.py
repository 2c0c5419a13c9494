"""When a node will lower its clock, as it learns from how it warms up."""

import math
import random

import pytest

from xapp.domain.power import NEVER_S
from xapp.telemetry.power.heat_trend import HeatTrend

AIR, TIME_CONSTANT_S = 25.0, 40.0


def warm_up(trend: HeatTrend, steady: float, seconds: float, start: float = 45.0, at: float = 0.0) -> float:
    """Under a load that leads to the temperature `steady`; returns the temperature at the end."""
    celsius = start
    for tick in range(round(seconds * 2)):
        trend.see(at + tick / 2, round(celsius * 2) / 2, throttled=False, busy=True)
        celsius = steady + (celsius - steady) * math.exp(-0.5 / TIME_CONSTANT_S)
    return celsius


def test_before_anything_was_seen_it_is_never() -> None:
    trend = HeatTrend(80.0)
    assert trend.outlook.throttles_in_s == NEVER_S
    trend.see(0.0, 50.0, throttled=False, busy=False)
    assert trend.outlook.throttles_in_s == NEVER_S


def test_a_node_that_warms_up_foresees_the_limit_and_never_too_late() -> None:
    trend = HeatTrend(80.0)
    celsius = warm_up(trend, 95.0, 10.0)
    left_s = TIME_CONSTANT_S * math.log((95 - celsius) / (95 - 80))
    assert 0.3 * left_s <= trend.outlook.throttles_in_s <= left_s


def test_once_seen_an_idle_node_knows_how_long_it_would_take() -> None:
    trend = HeatTrend(80.0)
    warm_up(trend, 95.0, 45.0)
    trend.see(100.0, 45.0, throttled=False, busy=False)
    left_s = TIME_CONSTANT_S * math.log((95 - 45) / (95 - 80))
    assert trend.outlook.throttles_in_s == pytest.approx(left_s, rel=0.25)


def test_a_node_that_stays_cool_enough_promises_in_full() -> None:
    trend = HeatTrend(80.0)
    warm_up(trend, 70.0, 600.0)
    assert trend.outlook.throttles_in_s > 600


def test_a_sensor_that_jitters_is_no_heat() -> None:
    trend, rng = HeatTrend(80.0), random.Random(0)
    outlooks = []
    for tick in range(1200):
        trend.see(tick / 2, round(70 + rng.uniform(-1, 1)), throttled=False, busy=True)
        outlooks.append(trend.outlook.throttles_in_s)
    assert min(outlooks[100:]) > 60


def test_a_throttled_node_is_throttled_now() -> None:
    trend = HeatTrend(None)
    trend.see(0.0, 81.0, throttled=True, busy=True)
    assert (trend.outlook.throttled, trend.outlook.throttles_in_s) == (True, 0.0)
    trend.see(1.0, 79.0, throttled=False, busy=True)
    assert trend.outlook.throttles_in_s == NEVER_S, "nobody knows the limit of this board"


@pytest.mark.parametrize("celsius", [None, 50.0])
def test_readings_that_stop_and_come_back_are_no_slope(celsius: float | None) -> None:
    trend = HeatTrend(80.0)
    trend.see(0.0, 30.0, throttled=False, busy=True)
    trend.see(1.0, celsius, throttled=None, busy=True)
    trend.see(100.0, 79.5, throttled=False, busy=True)
    assert trend.outlook.throttles_in_s in {0.0, NEVER_S}
