"""Deadlines on real worker processes that follow a script."""

import asyncio
from collections import Counter
from time import monotonic

import pytest

from tests.service.nodes import Node, collect, finished_of, text_of
from tests.workers.workers import until
from xapp.domain.messages import FinishReason, Priority
from xapp.domain.requests import DeadlinePolicy, Request
from xapp.errors import DeadlineExceeded, Exhausted, XappError
from xapp.service.service import NodeService

BEST_EFFORT = DeadlinePolicy.BEST_EFFORT


def endless(within_s: float, policy: DeadlinePolicy = BEST_EFFORT, **fields: object) -> Request:
    values = {"max_tokens": 1_000_000, "ignore_eos": True, **fields}
    return Request("abc", deadline=monotonic() + within_s, deadline_policy=policy, **values)  # type: ignore[arg-type]


def is_empty(service: NodeService) -> bool:
    serving = service._registry.find("").serving
    assert serving is not None
    return serving.admission.num_open == 0 and not serving.admission.predictor.open_requests


async def test_an_answer_is_cut_at_the_deadline_less_the_margin(node: Node) -> None:
    async with node.serving(deadline_margin_ms=50, max_output_tokens=1_000_000) as service:
        request = endless(0.4)
        assert request.deadline is not None
        events = await collect(service, request)
        assert monotonic() < request.deadline + 5
        finished = finished_of(events)
        assert finished.reason is FinishReason.DEADLINE
        assert finished.num_completion_tokens >= len(text_of(events)) > 0
        assert is_empty(service)


async def test_who_never_starts_gets_an_empty_answer(node: Node) -> None:
    async with node.serving() as service:
        finished = finished_of(
            await collect(
                service, Request("!silent", deadline=monotonic() + 0.2, deadline_policy=BEST_EFFORT)
            )
        )
    assert (finished.reason, finished.num_completion_tokens) == (FinishReason.DEADLINE, 0)


async def test_the_worker_says_that_it_is_late(node: Node) -> None:
    async with node.serving() as service:
        request = Request("!expire", deadline_policy=BEST_EFFORT)
        finished = finished_of(await collect(service, request))
        assert (finished.reason, finished.num_completion_tokens) == (FinishReason.DEADLINE, 2)
        with pytest.raises(DeadlineExceeded):
            await collect(service, Request("!expire"))


@pytest.mark.parametrize("policy", DeadlinePolicy)
@pytest.mark.parametrize("within_s", [0.0, -1.0, -1e12])
async def test_a_deadline_in_the_past(node: Node, policy: DeadlinePolicy, within_s: float) -> None:
    async with node.serving() as service:
        with pytest.raises(DeadlineExceeded):
            await collect(service, endless(within_s, policy))
        estimate = await service.estimate(endless(within_s, policy))
    assert estimate.reason == "DEADLINE_EXCEEDED"


@pytest.mark.parametrize("within_s", [1e18, float("inf")])
async def test_a_deadline_in_centuries_is_cut_down(node: Node, within_s: float) -> None:
    async with node.serving(max_deadline_s=0.3) as service:
        with pytest.raises((DeadlineExceeded, Exhausted)):
            await collect(service, endless(within_s, DeadlinePolicy.REJECT))
        assert text_of(await collect(service, Request("fine", deadline=within_s, max_tokens=4))) == "fine"


async def test_what_can_never_be_done_in_time_is_refused_without_a_time_to_try_again(node: Node) -> None:
    async with node.serving() as service:
        with pytest.raises(Exhausted) as caught:
            await collect(service, endless(1.0, DeadlinePolicy.REJECT, max_tokens=2000))
        assert caught.value.reason == "DEADLINE_TOO_SHORT"
        assert caught.value.retry_after_s is None
        assert is_empty(service)
    async with node.serving(deadline_admission=False) as service:
        request = endless(30.0, DeadlinePolicy.REJECT, max_tokens=20)
        assert finished_of(await collect(service, request)).num_completion_tokens == 20


async def test_an_estimate_runs_nothing(node: Node) -> None:
    async with node.serving() as service:
        estimate = await service.estimate(Request("hello", max_tokens=10, ignore_eos=True))
        assert (estimate.num_prompt_tokens, estimate.num_completion_tokens) == (5, 10)
        assert estimate.admitted
        queue, first, whole = estimate.queue, estimate.time_to_first_token, estimate.completion
        assert queue.p50 is not None
        assert first.p50 is not None
        assert whole.p50 is not None
        assert whole.p95 is not None
        assert 0 <= queue.p50 <= first.p50 <= whole.p50 <= whole.p95
        assert is_empty(service)
        assert service.samples()[0].stats.total_steps == 0


async def test_an_estimate_knows_the_quota_and_the_deadline(node: Node) -> None:
    quotas = '{"planner": {"requests_per_s": 0.001, "burst_s": 1}}'
    async with node.serving(quotas=quotas) as service:
        request = Request("hello", max_tokens=10, client="planner")
        assert (await service.estimate(request)).admitted
        await collect(service, request)
        estimate = await service.estimate(request)
        assert estimate.reason == "QUOTA_EXCEEDED"
        assert estimate.retry_after_s is not None
        with pytest.raises(Exhausted) as caught:
            await collect(service, request)
        assert caught.value.reason == "QUOTA_EXCEEDED"
        assert (await service.estimate(Request("hello", client="other"))).admitted


async def outcome(service: NodeService, request: Request, patience_s: float) -> str:
    try:
        async with asyncio.timeout(patience_s):
            return finished_of(await collect(service, request)).reason.value
    except TimeoutError:
        return "cancelled"
    except XappError as error:
        return error.reason


async def test_a_storm_of_cancel_and_resubmit_loses_nothing(node: Node) -> None:
    """By hundreds; a minute of it is what `tests/e2e/test_storm.py` has on a real engine."""
    async with node.serving(max_queue=8) as service:
        seen: Counter[str] = Counter()

        async def client(number: int) -> None:
            for turn in range(12):
                priority = Priority((number + turn) % 3)
                request = endless(
                    0.5 + turn % 3, BEST_EFFORT, priority=priority, max_tokens=5 + 40 * (turn % 3)
                )
                seen[await outcome(service, request, 0.01 * (turn % 5))] += 1

        async with asyncio.TaskGroup() as group:
            for number in range(30):
                group.create_task(client(number))
        assert seen.total() == 360
        # A machine that stalls for half a second sends a request whose deadline is over.
        possible = {"stop", "length", "cancelled", "deadline", "QUEUE_FULL", "DEADLINE_EXCEEDED"}
        assert seen.keys() <= possible
        assert is_empty(service)
        client_ = service._registry.find("").supervisor._client
        assert client_ is not None
        await until(lambda: client_.num_open == 0)
