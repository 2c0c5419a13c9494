import pytest

from tests.engine.harness import Clock
from xapp.server.load_meter import LONGEST_S, LoadMeter, Rates


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def meter(clock: Clock) -> LoadMeter:
    return LoadMeter(clock)


def steady(meter: LoadMeter, clock: Clock, *, seconds: float, each_s: float, failed: bool = False) -> None:
    """One call after the other."""
    for _ in range(round(seconds / each_s)):
        meter.begin()
        clock.now += each_s
        meter.end(failed=failed)


def test_nothing_came(meter: LoadMeter, clock: Clock) -> None:
    assert meter.rates() == Rates()
    clock.now += 1000
    assert meter.rates() == Rates()


def test_one_call_after_the_other(meter: LoadMeter, clock: Clock) -> None:
    steady(meter, clock, seconds=10, each_s=0.1)
    rates = meter.rates()
    assert rates.ended == pytest.approx(10, rel=0.1)
    assert rates.failed == 0
    assert rates.mean_open == pytest.approx(1)


def test_at_the_same_fullness_half_the_speed_ends_half_the_calls() -> None:
    rates = []
    for each_s in (0.5, 1.0):
        clock = Clock()
        meter = LoadMeter(clock)
        steady(meter, clock, seconds=60, each_s=each_s)
        rates.append(meter.rates())
    fast, slow = rates
    assert slow.mean_open == pytest.approx(fast.mean_open)
    assert slow.ended == pytest.approx(fast.ended / 2, rel=0.1)


def test_failures_are_calls_as_well(meter: LoadMeter, clock: Clock) -> None:
    steady(meter, clock, seconds=5, each_s=0.1, failed=True)
    rates = meter.rates()
    assert rates.failed == rates.ended > 0


def test_what_changed_is_seen_within_seconds(meter: LoadMeter, clock: Clock) -> None:
    steady(meter, clock, seconds=60, each_s=0.05)
    steady(meter, clock, seconds=4, each_s=0.1)
    assert meter.rates().ended == pytest.approx(10, rel=0.1)


def test_a_slow_node_is_judged_by_a_minute_at_most(meter: LoadMeter, clock: Clock) -> None:
    steady(meter, clock, seconds=20, each_s=0.01)
    steady(meter, clock, seconds=LONGEST_S + 5, each_s=5)
    assert meter.rates().ended == pytest.approx(0.2, rel=0.15)


def test_a_call_that_goes_on_for_minutes_is_load(meter: LoadMeter, clock: Clock) -> None:
    meter.begin()
    clock.now += 5 * LONGEST_S
    assert meter.rates() == Rates(mean_open=1)


def test_memory_is_bounded(meter: LoadMeter, clock: Clock) -> None:
    steady(meter, clock, seconds=3600, each_s=0.3)
    assert len(meter._past) <= 241
