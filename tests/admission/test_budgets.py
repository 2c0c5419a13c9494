"""Budgets of power and energy: who is refused, and how long to wait."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.engine.harness import Clock
from xapp.admission.admission import Admission
from xapp.admission.budgets import SHARES, Budgets, budgets_of
from xapp.admission.open_request import AdmissionRequest
from xapp.admission.predict import Predictor
from xapp.admission.quota import Quotas
from xapp.backend.fake import fake_info
from xapp.config import EngineSettings
from xapp.domain.messages import Priority, Stats, StepPrices
from xapp.errors import Exhausted

BUSY_W, IDLE_W = 10.0, 2.0


class Used:
    """The node has taken `watts` for the last `since_s` seconds, and its idle power before."""

    def __init__(self, watts: float = IDLE_W, since_s: float = 1e9) -> None:
        self.watts, self.since_s = watts, since_s
        self.busy_watts: float | None = BUSY_W
        self.idle_watts: float | None = IDLE_W

    def joules_since(self, seconds: float) -> float | None:
        worked = min(seconds, self.since_s)
        return self.watts * worked + IDLE_W * (seconds - worked)


def refusal(budgets: Budgets, priority: Priority, busy_s: float) -> Exhausted | None:
    try:
        budgets.check(priority, busy_s)
    except Exhausted as error:
        return error
    return None


@pytest.mark.parametrize("priority", Priority)
def test_within_the_budget_every_class_comes_in(priority: Priority) -> None:
    assert refusal(budgets_of(20.0, 40_000.0, Used()), priority, 100.0) is None


def test_batch_goes_first_then_interactive() -> None:
    """An idle node at 2 W; each request takes 10 W for 20 s: 4.7 W over the minute."""
    for budget_w, let_in in ((4.6, ""), (4.8, "C"), (5.2, "CI"), (6.2, "CIB")):
        budgets = budgets_of(budget_w, None, Used())
        assert let_in == "".join(each.name[0] for each in Priority if not refusal(budgets, each, 20.0))


def test_a_refusal_says_which_budget_and_when_to_come_again() -> None:
    budgets = budgets_of(6.0, None, Used(BUSY_W, 30.0))
    error = refusal(budgets, Priority.BATCH, 5.0)
    assert error is not None
    assert (error.code, error.reason) == ("RESOURCE_EXHAUSTED", "POWER_BUDGET")
    assert error.metadata == {"budget": "XAPP_POWER_BUDGET_W", "class": "batch"}
    assert "80% of it for batch requests" in error.message
    assert error.retry_after_s is not None
    assert 0 < error.retry_after_s <= 60


def test_where_waiting_never_helps_there_is_no_time_to_retry() -> None:
    error = refusal(budgets_of(6.0, None, Used()), Priority.CRITICAL, 60.0)
    assert error is not None
    assert error.retry_after_s is None


def test_joules_of_an_hour_are_a_budget_of_their_own() -> None:
    budgets = budgets_of(50.0, 3600 * 3.0, Used(BUSY_W, 600.0))
    error = refusal(budgets, Priority.INTERACTIVE, 10.0)
    assert error is not None
    assert (error.reason, error.metadata["budget"]) == ("ENERGY_BUDGET", "XAPP_POWER_BUDGET_J_PER_HOUR")
    assert error.retry_after_s is not None


def test_a_meter_that_does_not_answer_refuses_nobody() -> None:
    silent = Used()
    silent.joules_since = lambda seconds: None  # type: ignore[method-assign]
    assert refusal(budgets_of(0.1, 1.0, silent), Priority.BATCH, 100.0) is None
    new = Used()
    new.busy_watts = None
    assert refusal(budgets_of(0.1, 1.0, new), Priority.BATCH, 100.0) is None


@given(
    st.floats(0.5, 30.0),
    st.floats(0, 200.0),
    st.floats(IDLE_W, BUSY_W),
    st.floats(0, 90.0),
    st.sampled_from(Priority),
)
def test_who_comes_in_keeps_the_budget_at_every_moment(
    budget_w: float, busy_s: float, before_w: float, since_s: float, priority: Priority
) -> None:
    used = Used(before_w, since_s)
    if refusal(budgets_of(budget_w, None, used), priority, busy_s) is not None:
        return
    for step in range(25):
        at = busy_s * step / 24
        past = (used.joules_since(60 - at) or 0.0) if at < 60 else 0.0
        # The work is looked at in twelve places: between two of them, the mean may be this much higher.
        between = BUSY_W * busy_s / 12
        assert past + BUSY_W * min(at, 60.0) <= SHARES[priority] * budget_w * 60 + between + 1e-6


# ---- in admission


def admission(budget_w: float, used: Used) -> Admission:
    clock = Clock()
    info = fake_info(EngineSettings(slots=2, kv_cells=4096))
    predictor = Predictor(lambda: info, lambda: Stats(prices=StepPrices()), clock)
    check = budgets_of(budget_w, None, used).check
    return Admission("tiny", 9, predictor, Quotas({}, clock), check_power=check, clock=clock)


def asked(gate: Admission, priority: Priority, max_tokens: int = 1000) -> AdmissionRequest:
    now = gate._clock()
    return AdmissionRequest(now, now + 600.0, max_tokens, priority=priority, exact=True)


@pytest.mark.parametrize("by_deadline", [True, False])
def test_the_predicted_time_of_a_request_counts(by_deadline: bool) -> None:
    """1,000 tokens take about 5 s: 50 J, of which a minute at 2.5 W has 30 to spare beside idling."""
    gate = admission(2.5, Used())
    gate.deadlines.on = by_deadline
    with gate.enter(asked(gate, Priority.CRITICAL, 100)) as admitted:
        admitted.tokenized([1] * 10, 100)
    with gate.enter(asked(gate, Priority.CRITICAL)) as admitted, pytest.raises(Exhausted) as caught:
        admitted.tokenized([1] * 10, 1000)
    assert caught.value.reason == "POWER_BUDGET"
    assert gate.num_open == 0


def test_a_node_over_its_budget_refuses_before_any_work_and_says_so_in_estimates() -> None:
    gate = admission(5.0, Used(BUSY_W, 60.0))
    with pytest.raises(Exhausted) as caught, gate.enter(asked(gate, Priority.CRITICAL)):
        raise AssertionError
    assert caught.value.reason == "POWER_BUDGET"
    opened = gate.predictor.open(asked(gate, Priority.BATCH))
    gate.predictor.tokenized(opened, [1] * 10, 10)
    _, error = gate.refusal(opened)
    assert error is not None
    assert error.reason == "POWER_BUDGET"
