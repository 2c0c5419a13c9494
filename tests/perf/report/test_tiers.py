"""Where a node stands, and at how many users the next one costs the others too much."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from perf.record.result_schema import Figure, Mode
from perf.report.gather_runs import Run
from perf.report.tier_curves import Curve, Step, cost, curves
from perf.report.tiers_section import section
from tests.perf import results


def engine(**together: float) -> Run:
    summary = [
        Figure("decode_tokens_per_second", rate, "tok/s", f"client/{users.strip('_')}")
        for users, rate in together.items()
    ]
    return Run(Path("r.json"), results.result(Mode.ENGINE, summary), "pi-1")


def test_users_that_share_the_weights_cost_nothing() -> None:
    assert cost(Step(1, 10.0), Step(2, 10.0)) == 0


def test_users_that_share_the_time_cost_what_they_get() -> None:
    assert cost(Step(2, 10.0), Step(4, 5.0)) == pytest.approx(1.0)
    assert cost(Step(2, 10.0), Step(4, 4.0)) > 1


@given(st.integers(1, 64), st.integers(1, 64), st.floats(0.1, 1e3), st.floats(0.1, 1e3))
def test_above_one_all_together_get_less(users: int, more: int, before: float, after: float) -> None:
    first, second = Step(users, before), Step(users + more, after)
    if abs(gain := second.together - first.together) > 1e-6:
        assert (cost(first, second) > 1) == (gain < 0)


def test_the_knee_is_the_last_number_of_users_that_pays() -> None:
    (curve,) = curves([engine(_1=10.0, _2=19.0, _4=30.0, _8=32.0)])
    assert [step.rate for step in curve.steps] == pytest.approx([10.0, 9.5, 7.5, 4.0])
    assert curve.knee == Step(4, 7.5)
    assert Curve("x", "m", curve.steps[:2]).knee is None


def test_a_run_of_load_counts_by_concurrency() -> None:
    summary = [Figure("tpot.p50", 0.1 * users, "s", f"concurrency={users}") for users in (1, 4)]
    summary.append(Figure("tpot.p50", 0.5, "s", "rate=0.5"))
    run = Run(Path("r.json"), results.result(Mode.LOAD, summary), "pi-1")
    (curve,) = curves([run])
    assert [step.users for step in curve.steps] == [1, 4]
    assert [step.rate for step in curve.steps] == pytest.approx([10, 2.5])


def test_the_section_has_the_tiers_this_node_and_a_verdict() -> None:
    found = section([engine(_1=10.0, _2=19.0, _4=30.0, _8=32.0)])
    assert found is not None
    text = repr(found)
    assert "cloud: an H100" in text
    assert "this node: pi-1, bench engine" in text
    assert "with 4 users, the next one costs the others too much" in text


def test_without_two_numbers_of_users_there_is_none() -> None:
    assert section([engine(_1=10.0)]) is None
    assert section([]) is None
