"""The schedule is the seed's, and its mean rate is the one asked for."""

import statistics
from itertools import islice

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from perf.load.arrivals import MAX_ARRIVALS, gaps, schedule
from tests.scale import examples

RATES = st.floats(0.05, 50)
SHAPES = st.floats(0.25, 8)
SEEDS = st.integers(0, 2**32)


@settings(max_examples=examples(50))
@given(rate=RATES, burstiness=SHAPES, seed=SEEDS)
def test_the_mean_gap_and_its_spread_are_those_of_the_distribution(
    rate: float, burstiness: float, seed: int
) -> None:
    found = list(islice(gaps(rate, burstiness, seed), 4000))
    cv = statistics.stdev(found) / statistics.fmean(found)
    # The mean of n gaps has a standard error of 1 / √(n · burstiness): at least 6 of them.
    assert statistics.fmean(found) * rate == pytest.approx(1.0, abs=6 / (4000 * burstiness) ** 0.5)
    assert cv * burstiness**0.5 == pytest.approx(1.0, rel=0.35)


@given(rate=RATES, burstiness=SHAPES, seed=SEEDS)
def test_a_schedule_is_sorted_reproducible_and_within_its_duration(
    rate: float, burstiness: float, seed: int
) -> None:
    found = schedule(rate, seed=seed, burstiness=burstiness, duration_s=20.0)
    assert found == sorted(found)
    assert all(0 <= at < 20.0 for at in found)
    assert found == schedule(rate, seed=seed, burstiness=burstiness, duration_s=20.0)


def test_a_schedule_ends_by_number_or_by_time_whichever_is_first() -> None:
    assert len(schedule(10, seed=1, num_requests=5)) == 5
    assert len(schedule(10, seed=1, num_requests=5, duration_s=1e6)) == 5
    assert len(schedule(10, seed=1, num_requests=1000, duration_s=1.0)) < 50


def test_a_schedule_has_an_end() -> None:
    with pytest.raises(ValueError, match="duration or a number"):
        schedule(1, seed=0)
    with pytest.raises(ValueError, match=str(MAX_ARRIVALS)):
        schedule(1e6, seed=0, duration_s=10)
