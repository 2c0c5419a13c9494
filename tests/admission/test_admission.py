"""Places: counted right, never lost, and taken by those only who can be served in time."""

import asyncio
from contextlib import ExitStack
from types import SimpleNamespace
from typing import cast
from unittest.mock import patch

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.engine.harness import Clock
from xapp.admission.admission import Admission
from xapp.admission.admitted_request import AdmittedRequest
from xapp.admission.averages import WAIT_FRESH_S, FinishRate
from xapp.admission.open_request import AdmissionRequest
from xapp.admission.predict import Predictor
from xapp.admission.quota import Quota, Quotas
from xapp.backend.fake import fake_info
from xapp.config import EngineSettings
from xapp.domain.answers import Finished
from xapp.domain.messages import (
    FinishReason,
    ModelInfo,
    Priority,
    Stats,
    StepCurve,
    StepPrices,
    Submit,
)
from xapp.errors import DeadlineExceeded, Exhausted, Unavailable
from xapp.workers.token_stream import TokenStream

STATS = Stats(prices=StepPrices())
CURVE = StepCurve((1, 2), (0.006, 0.007), (1, 2), (0.010, 0.015))
INFO: ModelInfo = msgspec.structs.replace(fake_info(EngineSettings(slots=2, kv_cells=4096)), curve=CURVE)


class Gate:
    """An Admission on a clock that stands still; a step takes 10 ms, or 15 ms with two in it."""

    def __init__(self, capacity: int = 9, *, by_deadline: bool = True, **quotas: Quota) -> None:
        self.clock = Clock()
        predictor = Predictor(lambda: INFO, lambda: STATS, self.clock)
        self.admission = Admission(
            "tiny", capacity, predictor, Quotas(quotas, self.clock), by_deadline=by_deadline, clock=self.clock
        )

    def ask(self, within_s: float = 600.0, max_tokens: int = 101, **fields: object) -> AdmissionRequest:
        now = self.clock.now
        return AdmissionRequest(now, now + within_s, max_tokens, exact=True, **fields)  # type: ignore[arg-type]

    def enter(self, stack: ExitStack, request: AdmissionRequest, prompt: int = 100) -> AdmittedRequest:
        admitted = stack.enter_context(self.admission.enter(request))
        admitted.tokenized([7 + self.admission.num_open] * prompt, request.max_tokens)
        return admitted

    def refused(self, request: AdmissionRequest, prompt: int = 100) -> Exhausted:
        with pytest.raises(Exhausted) as caught, ExitStack() as stack:
            self.enter(stack, request, prompt)
        return caught.value


async def test_beyond_the_capacity_nobody_comes_in() -> None:
    gate = Gate(2)
    with ExitStack() as stack:
        for _ in range(2):
            stack.enter_context(gate.admission.enter(gate.ask()))
        error = gate.refused(gate.ask())
        assert (error.reason, error.retry_after_s) == ("QUEUE_FULL", 1.0)
        assert "2 requests" in error.message
    with gate.admission.enter(gate.ask()):
        assert gate.admission.num_open == 1


async def test_lower_classes_take_no_place_from_higher_ones() -> None:
    gate = Gate(1)
    with ExitStack() as stack:
        for priority in (Priority.BATCH, Priority.INTERACTIVE, Priority.CRITICAL):
            gate.enter(stack, gate.ask(priority=priority))
        assert gate.admission.num_open == 3
        for priority in Priority:
            assert gate.refused(gate.ask(priority=priority)).reason == "QUEUE_FULL"


async def test_an_error_inside_gives_the_place_back() -> None:
    gate = Gate()
    with pytest.raises(KeyError), gate.admission.enter(gate.ask()):
        raise KeyError
    assert (gate.admission.num_open, gate.admission.predictor.open_requests) == (0, set())


@pytest.mark.parametrize("within_s", [0.0, -0.001, -1e9])
async def test_a_passed_deadline_takes_no_place(within_s: float) -> None:
    gate = Gate()
    with pytest.raises(DeadlineExceeded), gate.admission.enter(gate.ask(within_s)):
        raise AssertionError
    assert gate.admission.num_open == 0


async def test_draining_waits_for_those_inside() -> None:
    gate = Gate()
    with gate.admission.enter(gate.ask()):
        gate.admission.drain()
        with pytest.raises(Unavailable) as caught, gate.admission.enter(gate.ask()):
            raise AssertionError
        assert caught.value.reason == "DRAINING"
        idle = asyncio.create_task(gate.admission.wait_idle())
        await asyncio.sleep(0)
        assert not idle.done()
    await idle


async def test_an_empty_one_is_idle() -> None:
    await Gate().admission.wait_idle()


# ---- deadlines


def test_who_cannot_be_served_in_time_is_refused() -> None:
    gate = Gate()
    with ExitStack() as stack:
        gate.enter(stack, gate.ask(priority=Priority.BATCH), prompt=1)
        # 0.1 s for the prompt, 1 to 1.5 s for the answer, and a quarter more as long as nothing was measured.
        error = gate.refused(gate.ask(1.3))
        assert error.reason == "DEADLINE_UNREACHABLE"
        assert error.retry_after_s is not None
        assert error.retry_after_s >= 0.1
        gate.enter(stack, gate.ask(2.1))


@pytest.mark.parametrize("within_s", [0.34, 0.9, 1.3])
def test_with_nothing_open_a_probe_is_let_in(within_s: float) -> None:
    gate = Gate()
    with ExitStack() as stack:
        gate.enter(stack, gate.ask(within_s))
        assert gate.refused(gate.ask(within_s)).reason in {"DEADLINE_UNREACHABLE", "DEADLINE_TOO_SHORT"}


def test_what_takes_three_times_as_long_at_best_is_no_probe_and_waiting_does_not_help() -> None:
    gate = Gate()
    error = gate.refused(gate.ask(0.33))
    assert (error.reason, error.retry_after_s) == ("DEADLINE_TOO_SHORT", None)
    with ExitStack() as stack:
        gate.enter(stack, gate.ask())
        error = gate.refused(gate.ask(0.33))
        assert (error.reason, error.retry_after_s) == ("DEADLINE_TOO_SHORT", None)


def ended(gate: Gate, within_s: float, reason: FinishReason, decode_s: float) -> None:
    """A request is let in, and so it ends."""
    with ExitStack() as stack:
        request = gate.ask(within_s)
        admitted = gate.enter(stack, request)
        submit = Submit(1, [1] * 100, 101, arrival=request.arrival)
        stream = SimpleNamespace(
            request=submit, started=None, finished=None, first_at=None, num_tokens=0, joined_at=None
        )
        stack.enter_context(admitted.following(cast("TokenStream", stream)))
        gate.clock.now += decode_s
        admitted.finished = Finished(reason, 100, 0, 101, 0.0, 0.1, decode_s, 0.1)


def test_a_probe_that_is_late_puts_the_next_off_longer_each_time() -> None:
    gate = Gate()
    waits = []
    for _ in range(8):
        ended(gate, 1.0, FinishReason.DEADLINE, 1.0)
        error = gate.refused(gate.ask(1.3))
        assert error.reason == "DEADLINE_UNREACHABLE"
        waits.append(error.retry_after_s)
        gate.clock.now += 60.0
    assert waits == [5, 5, 5, 8, 16, 30, 30, 30]


def test_a_probe_that_is_in_time_lets_the_next_come_at_once() -> None:
    gate = Gate()
    for _ in range(3):
        ended(gate, 1.2, FinishReason.LENGTH, 0.9)
        gate.clock.now += 0.1
    ended(gate, 5.0, FinishReason.LENGTH, 0.9)
    assert gate.refused(gate.ask(1.0)).reason == "DEADLINE_TOO_SHORT"


def test_the_queue_counts_and_retry_info_is_the_predicted_wait() -> None:
    gate = Gate()
    with ExitStack() as stack:
        for _ in range(4):
            gate.enter(stack, gate.ask())
        # Two at a time: 1.6 s each, so two others end before this one begins at 3.3 s.
        error = gate.refused(gate.ask(2.0, priority=Priority.BATCH))
        assert error.reason == "DEADLINE_UNREACHABLE"
        assert error.retry_after_s == pytest.approx(3.0, abs=1.5)
        gate.enter(stack, gate.ask(8.0, priority=Priority.BATCH))


def test_hopeless_requests_are_not_even_tokenized() -> None:
    gate = Gate()
    with ExitStack() as stack:
        for _ in range(4):
            gate.enter(stack, gate.ask())
        with pytest.raises(Exhausted), gate.admission.enter(gate.ask(1.0, priority=Priority.BATCH)):
            raise AssertionError


def test_a_higher_class_does_not_wait() -> None:
    gate = Gate()
    with ExitStack() as stack:
        for _ in range(6):
            gate.enter(stack, gate.ask(priority=Priority.BATCH))
        gate.enter(stack, gate.ask(2.5, priority=Priority.CRITICAL))


def test_who_would_make_another_one_late_is_refused() -> None:
    gate = Gate()
    with ExitStack() as stack:
        for _ in range(3):
            gate.enter(stack, gate.ask(5.8))
        gate.enter(stack, gate.ask(5.2, 201))
        error = gate.refused(gate.ask(5.2, 201))
        assert error.reason == "DEADLINE_UNREACHABLE"
        assert "another request" in error.message
        gate.enter(stack, gate.ask(5.2, 201, priority=Priority.CRITICAL))


def test_who_is_before_it_in_order_is_not_made_late_either() -> None:
    """Its prompt would take its share of the steps in which the other one decodes."""
    gate = Gate()
    with ExitStack() as stack:
        gate.enter(stack, gate.ask(2.5))
        assert "another request" in gate.refused(gate.ask(), prompt=2000).message
        gate.enter(stack, gate.ask(), prompt=10)


def test_who_is_late_already_keeps_nobody_out() -> None:
    gate = Gate()
    with ExitStack() as stack:
        gate.enter(stack, gate.ask(1.5))
        gate.clock.now += 1.0
        gate.enter(stack, gate.ask(), prompt=2000)


@pytest.mark.parametrize("fields", [{"best_effort": True}, {}])
def test_who_does_not_mind_and_who_is_not_asked_come_in(fields: dict[str, bool]) -> None:
    gate = Gate(by_deadline=bool(fields))
    with ExitStack() as stack:
        for _ in range(5):
            gate.enter(stack, gate.ask(0.1, **fields))


@pytest.mark.parametrize("others", [0, 1], ids=["idle", "busy"])
def test_a_refused_request_says_nothing_of_the_budgets(others: int) -> None:
    """Else a caller with tiny deadlines makes a node look late, and balancers leave it."""
    gate = Gate()
    with ExitStack() as stack:
        for _ in range(others):
            gate.enter(stack, gate.ask(100))
        before = gate.admission.budget_s
        for within_s in (-1.0, 0.0, 0.001, 0.01):
            with pytest.raises((Exhausted, DeadlineExceeded)):
                gate.enter(stack, gate.ask(within_s))
        assert gate.admission.budget_s == before
        gate.enter(stack, gate.ask(50))
        assert gate.admission.budget_s < 100


def test_the_wait_for_reports_is_predicted_ten_times_a_second_at_most() -> None:
    gate = Gate()
    with patch.object(gate.admission.predictor, "wait_s", side_effect=[1.0, 2.0]) as predicted:
        assert [gate.admission.recent_wait_s() for _ in range(50)] == [1.0] * 50
        gate.clock.now += WAIT_FRESH_S
        assert gate.admission.recent_wait_s() == 2.0
    assert predicted.call_count == 2


def test_estimating_takes_nothing() -> None:
    gate = Gate(default=Quota(requests_per_s=0.1, burst_s=10))
    predictor = gate.admission.predictor
    for _ in range(3):
        opened = predictor.open(gate.ask(0.3))
        predictor.tokenized(opened, [1] * 100, 101)
        prediction, error = gate.admission.refusal(opened)
        assert prediction.median.first_s == pytest.approx(0.105)
        assert prediction.median.end_s == pytest.approx(1.105)
        assert error is not None
        assert error.reason == "DEADLINE_TOO_SHORT"
    with ExitStack() as stack:
        gate.enter(stack, gate.ask())
        assert gate.admission.num_open == 1


# ---- quotas


def test_a_refused_request_leaves_its_quota_as_it_was() -> None:
    gate = Gate(1, default=Quota(concurrent=2))
    with ExitStack() as stack:
        gate.enter(stack, gate.ask())
        for _ in range(5):
            assert gate.refused(gate.ask()).reason == "QUEUE_FULL"
    for _ in range(5):
        with ExitStack() as stack:
            gate.enter(stack, gate.ask())


def test_ten_thousand_requests_of_one_client() -> None:
    gate = Gate(100, default=Quota(concurrent=8), planner=Quota())
    reasons = []
    with ExitStack() as stack:
        for _ in range(10_000):
            try:
                gate.enter(stack, gate.ask(client="greedy"))
            except Exhausted as error:
                reasons.append(error.reason)
        assert gate.admission.num_open == 8
        assert reasons == ["QUOTA_EXCEEDED"] * 9992
        gate.enter(stack, gate.ask(client="modest"))


# ---- the rest


def test_the_rate_is_measured() -> None:
    rate = FinishRate()
    assert rate.seconds_each(0.0) == 1.0
    for at in range(11):
        rate.record(at * 0.5)
    assert rate.seconds_each(5.5) == pytest.approx(0.5)
    assert rate.seconds_each(1000.0) == 1.0


@given(st.lists(st.floats(0, 1000), max_size=300), st.floats(0, 2000))
def test_the_advice_is_always_sensible(finished: list[float], now: float) -> None:
    rate = FinishRate()
    for at in sorted(finished):
        rate.record(at)
    assert 0.1 <= rate.seconds_each(max([now, *finished])) <= 60.0


@given(st.integers(1, 5), st.lists(st.tuples(st.booleans(), st.integers(0, 9)), max_size=60))
def test_no_place_is_ever_lost(capacity: int, orders: list[tuple[bool, int]]) -> None:
    async def run() -> None:
        gate = Gate(capacity)
        inside: list[ExitStack] = []
        for come, which in orders:
            if come and len(inside) < capacity:
                inside.append(ExitStack())
                gate.enter(inside[-1], gate.ask())
            elif come:
                assert gate.refused(gate.ask()).reason == "QUEUE_FULL"
            elif inside:
                inside.pop(which % len(inside)).close()
            assert gate.admission.num_open == len(inside) == len(gate.admission.predictor.open_requests)

    asyncio.run(run())


async def test_without_admission_only_as_much_is_foreseen_as_estimates_learn_from() -> None:
    gate = Gate(by_deadline=False)
    with ExitStack() as stack, patch.object(gate.admission.predictor, "predict") as predict:
        admitted = gate.enter(stack, gate.ask(within_s=0.001))
        assert admitted._opened.expected is not None
        assert admitted._opened.expected.end_s > 0.001
        predict.assert_not_called()
