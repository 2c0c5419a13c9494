"""How the node's energy is divided: nothing is invented, nothing is counted twice."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from xapp.domain.messages import FinishReason, SequenceFinished
from xapp.telemetry.power.ledger import MAX_WATTS, MIN_IDLE_INTERVALS, Ledger
from xapp.telemetry.power.series import MAX_POINTS, Series

IDLE_W, BUSY_W = 2.0, 8.0
SHARES = st.just(0.0) | st.floats(0.01, 1.0)
"""Of the time, that a model computes."""


def end(started_at: float, at: float, part: float = 1.0, whole: float = 1.0) -> SequenceFinished:
    return SequenceFinished(
        1, at, FinishReason.STOP, 0, 9, started_at=started_at, steps_s=part, all_steps_s=whole
    )


class Run:
    """Reads every half a second."""

    def __init__(self, *models: str) -> None:
        self.ledger = Ledger()
        self.at, self.joules = 100.0, 0.0
        self.steps_s = dict.fromkeys(models, 0.0)
        self.ledger.read(self.at, self.joules, self.steps_s)

    def take(self, seconds: float, watts: float, **busy: float) -> None:
        for _ in range(round(seconds * 2)):
            self.at += 0.5
            self.joules += watts / 2
            for name, share in busy.items():
                self.steps_s[name] += share / 2
            self.ledger.read(self.at, self.joules, self.steps_s)


def test_a_request_alone_has_all_of_the_energy() -> None:
    run = Run("m")
    run.take(5, IDLE_W)
    run.take(10, BUSY_W, m=1.0)
    energy = run.ledger.energy_of("m", end(105.0, 115.0))
    assert energy is not None
    assert (energy.gross_j, energy.above_idle_j) == pytest.approx((80.0, 60.0))


def test_requests_together_share_by_their_parts_of_the_steps() -> None:
    run = Run("m")
    run.take(10, BUSY_W, m=1.0)
    parts = [run.ledger.energy_of("m", end(100.0, 110.0, part, 10.0)) for part in (6.0, 3.0, 1.0)]
    assert [each.gross_j for each in parts if each] == pytest.approx([48.0, 24.0, 8.0])


def test_models_share_by_their_step_time() -> None:
    run = Run("big", "small")
    run.take(10, BUSY_W, big=0.75, small=0.25)
    totals = [run.ledger.total_of(name) for name in ("big", "small")]
    assert [each.gross_j for each in totals if each] == pytest.approx([60.0, 20.0])


def test_the_idle_power_must_be_measured_before_it_is_taken_off() -> None:
    run = Run("m")
    run.take(5, BUSY_W, m=1.0)
    before = run.ledger.energy_of("m", end(100.0, 105.0))
    assert before is not None
    assert before.gross_j == pytest.approx(40.0)
    assert before.above_idle_j is None
    run.take((MIN_IDLE_INTERVALS + 1) / 2, IDLE_W)
    assert run.ledger.idle_watts == IDLE_W
    total = run.ledger.total_of("m")
    assert total is not None
    assert total.above_idle_j == pytest.approx(30.0)


def test_a_request_too_short_for_the_meter_has_no_energy() -> None:
    run = Run("m")
    run.take(10, BUSY_W, m=1.0)
    assert run.ledger.energy_of("m", end(109.6, 110.0)) is None
    assert run.ledger.energy_of("m", end(108.9, 110.0)) is not None


def test_a_request_whose_end_the_meter_has_not_seen_has_none() -> None:
    run = Run("m")
    run.take(10, BUSY_W, m=1.0)
    held = run.ledger.energy_of("m", end(100.0, 110.4))
    assert held is not None
    assert held.gross_j == pytest.approx(10.4 * BUSY_W)
    assert run.ledger.energy_of("m", end(100.0, 113.0)) is None


@pytest.mark.parametrize("fault", ["failed", "paused", "set back", "jumped"])
def test_over_a_fault_nothing_is_known(fault: str) -> None:
    run = Run("m")
    run.take(5, BUSY_W, m=1.0)
    if fault == "failed":
        run.ledger.read(run.at + 0.1, None, run.steps_s)
        assert run.ledger.watts is None
    run.at += 60 * (fault == "paused")
    run.joules += {"set back": -30.0, "jumped": 2 * MAX_WATTS}.get(fault, 0.0)
    run.take(5, BUSY_W, m=1.0)
    assert run.ledger.energy_of("m", end(102.0, run.at)) is None
    assert run.ledger.energy_of("m", end(run.at - 3.0, run.at)) is not None
    assert run.ledger.node.last <= 10 * BUSY_W


def test_a_worker_that_is_started_again_counts_from_zero() -> None:
    run = Run("m")
    run.take(5, BUSY_W, m=1.0)
    run.steps_s["m"] = 0.0
    run.take(5, BUSY_W, m=1.0)
    total = run.ledger.total_of("m")
    assert total is not None
    assert total.gross_j == pytest.approx(80.0)


def test_an_unknown_model_has_no_energy() -> None:
    run = Run("m")
    run.take(5, BUSY_W, m=1.0)
    assert run.ledger.total_of("other") is None
    assert run.ledger.energy_of("other", end(100.0, 105.0)) is None


@given(
    st.lists(
        st.tuples(st.floats(0.5, 20.0), SHARES, SHARES, st.booleans()),
        min_size=3,
        max_size=60,
    )
)
def test_the_models_never_have_more_than_the_node(turns: list[tuple[float, float, float, bool]]) -> None:
    run = Run("a", "b")
    for watts, a, b, works in turns:
        run.take(0.5, watts, **({"a": a, "b": b} if works else {}))
    totals = [run.ledger.total_of(name) for name in ("a", "b")]
    parts = [each.gross_j for each in totals if each]
    assert all(part >= 0 for part in parts)
    assert sum(parts) <= run.ledger.node.last * (1 + 1e-9)
    busy = sum(watts / 2 for watts, a, b, works in turns if works and a + b > 0)
    assert sum(parts) == pytest.approx(busy)


def test_a_series_forgets_its_older_half() -> None:
    series = Series()
    for at in range(3 * MAX_POINTS):
        series.add(float(at), 2.0 * at)
    assert series.num_within(-1, 1e9) <= MAX_POINTS
    assert series.between(3 * MAX_POINTS - 100, 3 * MAX_POINTS - 50) == pytest.approx(100.0)
    assert series.between(0.0, 10.0) is None
