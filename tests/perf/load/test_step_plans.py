"""Steps follow from the options."""

import pytest

from perf.data.traces import TraceRequest
from perf.load import step_plans
from perf.load.load_samples import Loop
from perf.load.run_options import Options

TRACE = [TraceRequest(4, at, 20, None, "", None) for at in (0.0, 1.0, 2.5, 7.0)]


def test_the_sweep_is_closed_then_open() -> None:
    found = step_plans.steps(Options(seed=1, concurrency=[1, 8], rates=[0.5, 2], duration_s=100), [])
    assert [plan.name for plan in found] == ["concurrency=1", "concurrency=8", "rate=0.5", "rate=2"]
    assert [plan.loop for plan in found] == [Loop.CLOSED, Loop.CLOSED, Loop.OPEN, Loop.OPEN]
    assert found[2].schedule_s == 100
    assert len(found[3].times) == pytest.approx(200, abs=60)


def test_a_schedule_of_so_many_requests_is_as_long_as_its_last_arrival() -> None:
    (plan,) = step_plans.steps(Options(seed=1, rates=[2.0], num_requests=10), [])
    assert plan.schedule_s == plan.times[-1]
    assert plan.size == 10


def test_a_rate_at_which_nothing_arrives_is_refused() -> None:
    with pytest.raises(ValueError, match="nothing arrives within 1 s"):
        step_plans.steps(Options(seed=1, rates=[0.001], duration_s=1.0), [])


def test_a_probe_has_enough_requests_to_tell() -> None:
    plan = step_plans.probe_step(Options(seed=1, duration_s=1.0), 0.1)
    assert len(plan.times) == step_plans.MIN_PROBE_REQUESTS
    assert len(step_plans.probe_step(Options(seed=1, num_requests=5), 0.1).times) == 5


def test_a_trace_is_replayed_as_far_as_asked() -> None:
    (whole,) = step_plans.steps(Options(seed=1, replay=True), TRACE)
    assert whole.times == [0.0, 1.0, 2.5, 7.0]
    (cut,) = step_plans.steps(Options(seed=1, replay=True, duration_s=5.0, num_requests=2), TRACE)
    assert cut.times == [0.0, 1.0]


def test_a_trace_in_a_closed_loop_is_walked_through_once() -> None:
    (plan,) = step_plans.steps(Options(seed=1, concurrency=[2]), TRACE)
    assert plan.num_requests == 4
