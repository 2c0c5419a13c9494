"""Closed and open loops on virtual time: what a stalled, slow or full server looks like."""

import asyncio
from collections.abc import Sequence

import pytest

from perf.load.arrivals import schedule
from perf.load.load_figures import bottleneck
from perf.load.load_samples import Loop, Request
from perf.load.load_step import Plan, Ran, run_step
from perf.load.prompt_maker import Prompts
from perf.load.request_supply import Shape, Supply
from perf.load.requests_in_flight import Bounds
from perf.targets.fake_target import Behaviour, FakeTarget
from perf.targets.target import Answer, CompletionRequest, TargetError
from perf.targets.virtual_time import VirtualTimeLoop
from tests.perf.virtual import run

LEAD_S = 0.1
"""The schedule starts so long after the step does."""


def nothing(*_: object) -> None:
    """Nobody listens."""


async def step(
    target: FakeTarget,
    plan: Plan,
    *,
    bounds: Bounds | None = None,
    shapes: Sequence[Shape] = (Shape(10, 20),),
) -> Ran:
    supply = Supply(shapes, Prompts(target.count_tokens), 0, ignore_eos=True)
    return await run_step(target, plan, supply, 1, bounds or Bounds(), advance=nothing, keep=nothing)


def open_plan(rate: float, duration_s: float) -> Plan:
    times = schedule(rate, seed=3, duration_s=duration_s)
    return Plan("rate", Loop.OPEN, rate, times=times, schedule_s=duration_s)


def closed_plan(concurrency: int, num_requests: int | None = None, duration_s: float | None = None) -> Plan:
    return Plan("concurrency", Loop.CLOSED, concurrency, num_requests, duration_s)


def open_step(
    behaviour: Behaviour, rate: float, duration_s: float, bounds: Bounds | None = None
) -> tuple[FakeTarget, Ran]:
    target = FakeTarget(behaviour)
    return target, run(step(target, open_plan(rate, duration_s), bounds=bounds))


def ttft(request: Request) -> float:
    assert request.ttft_s is not None
    return request.ttft_s


def test_a_stall_shows_in_every_request_that_was_due_in_it() -> None:
    """The point of it all: a client that waited for answers would have sent, and counted, one."""
    stall = (20.0 + LEAD_S, 50.0 + LEAD_S)
    _, ran = open_step(Behaviour(num_slots=64, stalls=[stall]), rate=2, duration_s=100)
    due = [request for request in ran.requests if 20 <= request.scheduled_s < 49.9]
    assert len(due) > 40
    for request in due:
        assert ttft(request) == pytest.approx(50 - request.scheduled_s, abs=0.02)
    assert max(ttft(request) for request in due) > 29
    others = [request for request in ran.requests if request.scheduled_s > 50]
    assert max(map(ttft, others)) < 0.1


def test_the_schedule_waits_for_no_answer() -> None:
    target, ran = open_step(Behaviour(num_slots=1, decode_token_s=5.0), rate=5, duration_s=10)
    assert [request.sent_s for request in ran.requests] == [request.scheduled_s for request in ran.requests]
    assert target.most_at_once == ran.step.most_in_flight > 40


def test_waiting_in_a_queue_counts_from_the_scheduled_arrival() -> None:
    """One slot, 1 s a request, arrivals twice as fast: the n-th waits for about n / 2 seconds."""
    _, ran = open_step(Behaviour(num_slots=1, decode_token_s=0.1), rate=2, duration_s=60)
    last = ran.requests[-1]
    assert ttft(last) == pytest.approx(len(ran.requests) - 1 + 0.1 - last.scheduled_s, abs=3)
    assert ttft(last) > 25


def test_beyond_the_bound_nothing_is_sent_and_each_counts_as_an_error() -> None:
    target, ran = open_step(
        Behaviour(num_slots=64, stalls=[(5.0, 35.0)]), rate=4, duration_s=40, bounds=Bounds(max_in_flight=8)
    )
    overflow = [request for request in ran.requests if request.error == "overflow"]
    assert target.most_at_once == 8
    assert len(overflow) > 80
    assert len(ran.requests) == len(open_plan(4, 40).times)
    assert all(request.sent_s is None for request in overflow)
    assert all(5 <= request.scheduled_s + LEAD_S < 35 for request in overflow)
    assert "8 requests" in overflow[0].message


def test_patience_has_an_end() -> None:
    _, ran = open_step(Behaviour(stalls=[(0.0, 1e9)]), rate=1, duration_s=5, bounds=Bounds(timeout_s=30.0))
    assert {request.error for request in ran.requests} == {"timeout"}
    assert ran.step.whole


def test_a_refusal_is_an_error_with_its_code() -> None:
    _, ran = open_step(Behaviour(num_slots=1, queue=1, decode_token_s=0.5), rate=2, duration_s=20)
    errors = {request.error for request in ran.requests}
    assert errors == {"", "refused"}


def test_a_deadline_counts_from_the_scheduled_arrival() -> None:
    target = FakeTarget(Behaviour(num_slots=1, decode_token_s=0.1))
    plan = Plan("rate", Loop.OPEN, 1, times=[0.0, 0.0, 0.0], schedule_s=1)
    ran = run(step(target, plan, shapes=[Shape(10, 20, priority="critical", deadline_s=1.5)]))
    assert [request.error for request in ran.requests] == ["", "deadline", "deadline"]
    assert ran.requests[1].end_s == pytest.approx(1.5)
    assert target.requests[0].priority == "critical"


class BusyTarget(FakeTarget):
    """Sending costs the client's thread a quarter of a second."""

    async def complete(self, request: CompletionRequest) -> Answer:
        loop = _loop()
        loop.busy(0.25)
        return await super().complete(request)


def _loop() -> VirtualTimeLoop:
    loop = asyncio.get_running_loop()
    assert isinstance(loop, VirtualTimeLoop)
    return loop


def test_a_slow_client_is_found_out_and_its_lateness_is_in_the_latencies() -> None:
    ran = run(step(BusyTarget(), open_plan(8, 10)))
    assert max(request.lag_s or 0 for request in ran.requests) > 5
    assert max(map(ttft, ran.requests)) > 5
    assert "late" in bottleneck(ran.step, ran.requests)


def test_a_deadline_that_passed_before_sending_is_told_from_one_that_passed_after() -> None:
    target = BusyTarget(Behaviour(num_slots=64))
    ran = run(step(target, open_plan(8, 10), shapes=[Shape(10, 20, deadline_s=2.0)]))
    expired = [request for request in ran.requests if request.error == "expired"]
    assert expired
    assert len(target.requests) == len(ran.requests) - len(expired)


def test_a_closed_loop_keeps_so_many_callers_busy() -> None:
    target = FakeTarget(Behaviour(num_slots=8, decode_token_s=0.1))
    ran = run(step(target, closed_plan(3, num_requests=12)))
    assert target.most_at_once == ran.step.most_in_flight == 3
    assert [request.index for request in ran.requests] == list(range(12))
    assert ran.step.duration_s == pytest.approx(4.0)


def test_a_closed_loop_ends_by_its_duration_and_waits_for_what_is_under_way() -> None:
    ran = run(step(FakeTarget(Behaviour(decode_token_s=0.1)), closed_plan(2, duration_s=5.5)))
    assert len(ran.requests) == 12
    assert not any(request.error for request in ran.requests)
    assert ran.step.duration_s == pytest.approx(6.0)


def test_a_closed_loop_does_not_hammer_a_server_that_refuses() -> None:
    ran = run(step(FakeTarget(Behaviour(num_slots=0, queue=0)), closed_plan(1, duration_s=10.0)))
    assert {request.error for request in ran.requests} == {"refused"}
    assert 10 <= len(ran.requests) <= 11


def test_a_target_that_ends_breaks_the_step_off_and_keeps_what_was_measured() -> None:
    _, ran = open_step(Behaviour(decode_token_s=0.1, lost_at=10.0), rate=1, duration_s=60)
    whole = [request for request in ran.requests if not request.error]
    assert not ran.step.whole
    assert "gone" in ran.lost
    assert whole
    assert {request.error for request in ran.requests} <= {"", "lost", "unreachable", "cut"}
    assert max(request.scheduled_s for request in ran.requests) < 20


class Shaky(FakeTarget):
    """Loses every third stream and stays."""

    async def complete(self, request: CompletionRequest) -> Answer:
        answer = await super().complete(request)
        if len(self.requests) % 3 == 0:
            raise TargetError("lost", "the worker ended")
        return answer


def test_a_lost_stream_is_an_error_of_one_request() -> None:
    ran = run(step(Shaky(), closed_plan(1, num_requests=9)))
    assert ran.step.whole
    assert sum(request.error == "lost" for request in ran.requests) == 3


def test_prompts_of_a_step_differ() -> None:
    target = FakeTarget()
    run(step(target, closed_plan(4, num_requests=40)))
    assert len({ask.input for ask in target.requests}) == 40
