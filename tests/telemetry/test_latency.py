"""Windows and histograms of latencies."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from xapp.domain.answers import Latencies
from xapp.telemetry.latency import WINDOW_S, LatencyHistogram, LatencyWindow, ModelLatencies


def test_nothing_seen_is_none() -> None:
    assert LatencyWindow().latencies(0.0) == Latencies(None, None, None)


def test_percentiles_by_nearest_rank() -> None:
    window = LatencyWindow()
    for value in range(1, 101):
        window.add(float(value), now=10.0)
    assert window.latencies(20.0) == Latencies(50.0, 95.0, 99.0)


def test_old_values_leave() -> None:
    window = LatencyWindow()
    window.add(9.0, now=0.0)
    window.add(1.0, now=50.0)
    assert window.latencies(60.0).p99 == 9.0
    assert window.latencies(60.5).p99 == 1.0
    assert window.latencies(111.0).p99 is None


@given(st.lists(st.floats(0, 100), min_size=1, max_size=50), st.integers(1, 10))
def test_only_the_last_are_kept(values: list[float], size: int) -> None:
    window = LatencyWindow(size)
    for value in values:
        window.add(value, now=1.0)
    kept = values[-size:]
    assert window.latencies(1.0).p99 == max(kept)
    assert window.latencies(1.0).p50 == pytest.approx(sorted(kept)[(len(kept) + 1) // 2 - 1])


@given(st.lists(st.floats(0, 30), min_size=1, max_size=30), st.integers(1, 10))
def test_values_leave_in_the_order_of_their_times(pauses: list[float], size: int) -> None:
    window, now, times = LatencyWindow(size), 0.0, list[float]()
    for pause in pauses:
        now += pause
        times.append(now)
        window.add(now, now)
    kept = [each for each in times[-size:] if each >= now - WINDOW_S]
    assert window.latencies(now).p99 == max(kept)
    assert window.latencies(now).p50 == sorted(kept)[(len(kept) + 1) // 2 - 1]


def test_gaps_are_put_together_and_none_is_lost() -> None:
    latencies = ModelLatencies()
    for _ in range(50):
        latencies.add_gaps([0.01, 0.02])
    assert latencies.inter_token_latency.p50 == 0.01
    assert sum(latencies.inter_token_latency_histogram.counts) == 100


@given(st.lists(st.floats(0, 20), max_size=50))
def test_a_histogram_counts_each_value_under_the_first_bound_that_holds_it(values: list[float]) -> None:
    bounds = (0.5, 1.0, 10.0)
    histogram = LatencyHistogram(bounds)
    for value in values:
        histogram.add(value)
    seen = histogram.now
    assert sum(seen.counts) == len(values)
    assert seen.sum_s == pytest.approx(sum(values))
    for index, bound in enumerate(bounds):
        assert sum(seen.counts[: index + 1]) == sum(value <= bound for value in values)
