"""The window of latencies."""

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from xapp.domain.answers import Latencies
from xapp.telemetry.observe import LatencyWindow, ModelProbe, NullObserver


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


class Observed(NullObserver):
    """Counts calls and gaps."""

    def __init__(self) -> None:
        self.calls: list[int] = []

    def on_tokens(self, model: str, gaps_s: Sequence[float]) -> None:
        self.calls.append(len(gaps_s))


def test_gaps_are_told_some_dozens_at_a_time_and_none_is_lost() -> None:
    observed = Observed()
    probe = ModelProbe("tiny", observed)
    for _ in range(50):
        probe.on_gaps([0.01, 0.02])
    assert sum(observed.calls) < 100
    assert len(observed.calls) < 5
    assert probe.inter_token_latency.p50 == 0.01
    assert sum(observed.calls) == 100
