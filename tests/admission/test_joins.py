"""Identical requests on real worker processes that follow a script: computed once, told to each."""

import asyncio
import os
import signal
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing, asynccontextmanager
from dataclasses import replace
from time import monotonic
from typing import Any

import pytest

from tests.service.nodes import Node, collect, finished_of, pid_of, text_of
from tests.workers.workers import until
from xapp.domain.answers import Event, Started
from xapp.domain.format_kinds import Choices
from xapp.domain.messages import FinishReason, Priority, SamplingParams
from xapp.domain.requests import DeadlinePolicy, Request
from xapp.errors import DeadlineExceeded, Exhausted, Unavailable, XappError
from xapp.served.serving import Serving
from xapp.service.service import NodeService

LONG = Request("abcdefgh", ignore_eos=True, max_tokens=2000)
ENDLESS = Request("abcdefgh", ignore_eos=True, max_tokens=1_000_000)
Events = AsyncGenerator[Event, None]


def serving_of(service: NodeService) -> Serving:
    serving = service._registry.find("").serving
    assert serving is not None
    return serving


def num_submitted(service: NodeService) -> int:
    """Requests that a worker was given."""
    client = service._registry.find("").supervisor._client
    assert client is not None
    return client.num_open


def is_empty(service: NodeService) -> bool:
    serving = serving_of(service)
    admission = serving.admission
    return not (admission.num_open or admission.predictor.open_requests or len(serving.joins))


async def begun(events: Events) -> Started:
    first = await anext(events)
    assert isinstance(first, Started)
    return first


async def text_until(events: Events, length: int) -> str:
    """Reads on until so much text has come."""
    text = ""
    while len(text) < length:
        text += text_of([await anext(events)])
    return text


async def rest_of(events: Events) -> list[Event]:
    return [event async for event in events]


@asynccontextmanager
async def two(
    node: Node, first: Request, second: Request, **settings: Any
) -> AsyncIterator[tuple[NodeService, Events, Events]]:
    """Two streams, the first one with text on its way, the second not yet asked for.

    Their deadlines count from when the node serves: how long it loads depends on the machine.
    """
    begun_at = monotonic()
    async with node.serving(max_output_tokens=1_000_000, **settings) as service:
        loaded_s = monotonic() - begun_at
        first, second = (later(request, loaded_s) for request in (first, second))
        async with both(service, first, second) as (one, other):
            yield service, one, other


def later(request: Request, seconds: float) -> Request:
    return request if request.deadline is None else replace(request, deadline=request.deadline + seconds)


@asynccontextmanager
async def both(service: NodeService, first: Request, second: Request) -> AsyncIterator[tuple[Events, Events]]:
    async with aclosing(service.generate(first)) as one, aclosing(service.generate(second)) as other:
        assert not (await begun(one)).joined
        await text_until(one, 20)
        yield one, other


async def test_half_way_through_it_gets_all_of_it(node: Node) -> None:
    async with two(node, LONG, replace(LONG, correlation_id="mine", client="me")) as (service, one, other):
        started = await begun(other)
        assert (started.joined, started.correlation_id) == (True, "mine")
        assert num_submitted(service) == 1
        second = [started, *await rest_of(other)]
        first = await rest_of(one)
        assert text_of(second) == "abcdefgh" * 250
        finished = finished_of(second)
        assert (finished.reason, finished.num_completion_tokens) == (FinishReason.LENGTH, 2000)
        assert finished.num_prompt_tokens == 8
        last = first[-1]
        assert finished.provenance == last.provenance  # type: ignore[union-attr]
        # What had come before it came took it no time.
        assert finished.prefill_s == 0
        assert finished.queue_s == pytest.approx(finished.time_to_first_token_s)
        assert finished.decode_s < last.decode_s  # type: ignore[union-attr]
        assert is_empty(service)


@pytest.mark.parametrize(
    "change",
    [
        {"prompt": "abcdefgi"},
        {"max_tokens": 1999},
        {"scope": "principal other"},
        {"stop": ("x",)},
        {"ignore_eos": False},
        {"sampling": SamplingParams(repeat_penalty=1.1)},
        {"sampling": SamplingParams(temperature=0.5)},
        {"ignore_eos": False, "format": Choices(("a",))},
    ],
    ids=str,
)
async def test_what_differs_is_computed_by_itself(node: Node, change: dict[str, Any]) -> None:
    async with two(node, LONG, replace(LONG, **change)) as (service, _, other):
        assert not (await begun(other)).joined
        assert num_submitted(service) == 2


@pytest.mark.parametrize(
    "change",
    [
        {"correlation_id": "x", "client": "y", "task_label": "z@1"},
        {"deadline_policy": DeadlinePolicy.BEST_EFFORT},
        {"priority": Priority.BATCH},
        {"sampling": SamplingParams(top_k=5, top_p=0.5), "seed": 7},
    ],
    ids=str,
)
async def test_what_does_not_matter_joins(node: Node, change: dict[str, Any]) -> None:
    async with two(node, LONG, replace(LONG, **change)) as (service, _, other):
        assert (await begun(other)).joined
        assert num_submitted(service) == 1


@pytest.mark.parametrize("which", [(True, True), (True, False), (False, True)])
async def test_a_deterministic_one_joins_nobody_and_nobody_joins_it(
    node: Node, which: tuple[bool, bool]
) -> None:
    first, second = (replace(LONG, deterministic=each) for each in which)
    async with two(node, first, second) as (service, _, other):
        assert not (await begun(other)).joined
        assert num_submitted(service) == 2


async def test_nobody_who_draws_joins(node: Node) -> None:
    warm = replace(LONG, sampling=SamplingParams(temperature=1.0), seed=7)
    async with two(node, warm, warm) as (_, _, other):
        assert not (await begun(other)).joined


async def test_off_by_the_setting(node: Node) -> None:
    async with two(node, LONG, LONG, join_identical=False) as (_, _, other):
        assert not (await begun(other)).joined


async def test_a_higher_class_does_not_wait_behind_a_lower_one(node: Node) -> None:
    urgent = replace(LONG, priority=Priority.CRITICAL)
    async with two(node, replace(LONG, priority=Priority.BATCH), urgent) as (service, _, other):
        assert not (await begun(other)).joined
        # And those who come now join the more urgent one.
        async with aclosing(service.generate(urgent)) as third:
            assert (await begun(third)).joined


async def test_the_first_one_leaves_and_the_other_goes_on(node: Node) -> None:
    async with two(node, LONG, LONG) as (service, one, other):
        assert (await begun(other)).joined
        await one.aclose()
        admission = serving_of(service).admission
        assert (admission.num_open, len(admission.predictor.open_requests)) == (1, 1)
        async with aclosing(service.generate(LONG)) as third:
            assert (await begun(third)).joined
            assert text_of(await rest_of(other)) == text_of(await rest_of(third)) == "abcdefgh" * 250
        assert is_empty(service)


async def test_the_last_one_who_leaves_cancels_it(node: Node) -> None:
    async with two(node, ENDLESS, ENDLESS) as (service, one, other):
        await begun(other)
        await other.aclose()
        await text_until(one, 50)
        assert num_submitted(service) == 1
        await one.aclose()
        await until(lambda: num_submitted(service) == 0)
        assert is_empty(service)


async def test_who_comes_before_it_has_begun_is_told_at_once(node: Node) -> None:
    async with node.serving(slots=1) as service, aclosing(service.generate(Request("!silent"))) as silent:
        blocked = asyncio.create_task(anext(silent))
        await until(lambda: service.samples()[0].stats.num_running == 1)
        waiting = asyncio.create_task(collect(service, Request("hello")))
        await until(lambda: num_submitted(service) == 2)
        async with aclosing(service.generate(Request("hello"))) as events:
            started = await begun(events)
            assert (started.joined, started.num_cached_tokens) == (True, 0)
            blocked.cancel()
            await asyncio.wait([blocked])
            rest = await rest_of(events)
        finished = finished_of([started, *rest])
        assert text_of(rest) == text_of(await waiting) == "hello"
        assert finished.queue_s > started.queue_s
        assert finished.queue_s + finished.prefill_s == pytest.approx(finished.time_to_first_token_s)
        assert is_empty(service)


# ---- deadlines


def within(seconds: float, request: Request = ENDLESS, **fields: Any) -> Request:
    return replace(request, deadline=monotonic() + seconds, **fields)


BEST_EFFORT = DeadlinePolicy.BEST_EFFORT


@pytest.mark.parametrize("policy", DeadlinePolicy)
async def test_each_ends_at_its_own_deadline(node: Node, policy: DeadlinePolicy) -> None:
    """Who has the earlier one ends alone, first or second; the later one is not held to it."""
    for early_first in (True, False):
        early, late = within(1.5, deadline_policy=policy), within(60)
        pair = (early, late) if early_first else (late, early)
        async with two(node, *pair, deadline_admission=False) as (service, one, other):
            assert (await begun(other)).joined
            first, second = (one, other) if early_first else (other, one)
            if policy is BEST_EFFORT:
                assert (await rest_of(first))[-1].reason is FinishReason.DEADLINE  # type: ignore[union-attr]
            else:
                with pytest.raises(DeadlineExceeded, match=r"after \d+ tokens"):
                    await rest_of(first)
            assert monotonic() >= early.deadline - 0.1  # type: ignore[operator]
            await text_until(second, 100)
            assert num_submitted(service) == 1


async def test_a_deadline_that_is_near_is_not_put_off(node: Node) -> None:
    async with two(node, within(0.8), within(60), deadline_admission=False) as (_, _, other):
        assert not (await begun(other)).joined


async def test_what_would_come_too_late_is_refused_and_what_is_nearly_there_is_joined(node: Node) -> None:
    whole = replace(ENDLESS, max_tokens=3000)
    async with two(node, within(600, whole), within(1.0, whole)) as (service, one, other):
        with pytest.raises(Exhausted) as caught:
            await begun(other)
        assert caught.value.reason == "DEADLINE_TOO_SHORT"
        await text_until(one, 2900)
        prediction = await service.estimate(within(2, whole))
        assert prediction.reason == "DEADLINE_TOO_SHORT"
        async with aclosing(service.generate(within(2, whole))) as late:
            assert (await begun(late)).joined
            assert finished_of([Started("", "", 0, 0, 0, 0, ""), *await rest_of(late)])


# ---- what ends all of them


async def test_a_lost_worker_ends_each(node: Node) -> None:
    async with two(node, ENDLESS, ENDLESS) as (service, one, other):
        await begun(other)
        os.kill(pid_of(service), signal.SIGKILL)
        for events in (one, other):
            with pytest.raises(Unavailable) as caught:
                await rest_of(events)
            assert caught.value.reason == "WORKER_LOST"
        await until(lambda: service.ready)
        async with aclosing(service.generate(Request("again"))) as again:
            assert not (await begun(again)).joined


async def test_a_drain_waits_for_each_and_then_ends_each(node: Node) -> None:
    async with two(node, ENDLESS, ENDLESS) as (service, one, other):
        await begun(other)
        assert not await service.drain(0.01)
        with pytest.raises(Unavailable):
            await collect(service, ENDLESS)
        await service.aclose()
        for events in (one, other):
            with pytest.raises(Unavailable) as caught:
                await rest_of(events)
            assert caught.value.reason == "DRAINING"


async def test_who_is_ended_before_its_deadline_may_try_again(node: Node) -> None:
    async with node.serving() as service:
        request = Request("!expire")
        results = await asyncio.gather(*(collect(service, request) for _ in range(3)), return_exceptions=True)
        # The worker's EXPIRED came before any deadline of those who joined.
        kinds = sorted(type(result).__name__ for result in results)
        assert kinds == ["DeadlineExceeded", "Unavailable", "Unavailable"]
        assert all(isinstance(result, XappError) for result in results)


# ---- what bounds them


async def test_who_joins_takes_a_place_and_is_no_load(node: Node) -> None:
    async with two(node, ENDLESS, ENDLESS, slots=1, max_queue=1) as (service, _, other):
        await begun(other)
        admission = serving_of(service).admission
        assert (admission.num_open, len(admission.predictor.open_requests)) == (2, 1)
        with pytest.raises(Exhausted) as caught:
            await collect(service, ENDLESS)
        assert caught.value.reason == "QUEUE_FULL"


async def test_whether_others_ask_the_same_is_not_known(node: Node) -> None:
    """Not even from what is refused before it is tokenized."""
    async with two(node, replace(LONG, scope="principal me"), LONG) as (service, _, _):
        joins = serving_of(service).joins
        assert joins.know("principal me", LONG.prompt)
        assert not joins.know("principal other", LONG.prompt)


async def test_who_joins_pays(node: Node) -> None:
    quotas = '{"me": {"tokens_per_s": 0.01, "burst_s": 100}}'
    mine = replace(LONG, client="me")
    async with two(node, LONG, mine, quotas=quotas) as (service, _, other):
        assert (await begun(other)).joined
        assert len(text_of(await rest_of(other))) == 2000
        with pytest.raises(Exhausted) as caught:
            await collect(service, mine)
        assert caught.value.reason == "QUOTA_EXCEEDED"


async def test_a_slow_reader_gets_it_all_in_a_few_pieces(node: Node) -> None:
    short = replace(LONG, max_tokens=300)
    async with two(node, short, short) as (_, one, other):
        started = await begun(other)
        await rest_of(one)
        rest = await rest_of(other)
        assert len(rest) <= 3
        assert text_of(rest) == ("abcdefgh" * 40)[:300]
        assert finished_of([started, *rest]).num_completion_tokens == 300


async def test_each_stops_at_the_stop_text(node: Node) -> None:
    request = Request("one two three ", ignore_eos=True, max_tokens=2000, stop=("three",))
    async with node.serving() as service:
        results = await asyncio.gather(*(collect(service, request) for _ in range(5)))
        for events in results:
            assert text_of(events) == "one two "
            assert finished_of(events).reason is FinishReason.STOP
            assert finished_of(events).num_completion_tokens == len("one two three")
        assert sum(event.joined for events in results for event in events if isinstance(event, Started)) == 4
        await until(lambda: num_submitted(service) == 0)
        assert is_empty(service)


async def test_a_format_is_checked_for_each(node: Node) -> None:
    request = Request("yes", format=Choices(("yes", "no")))
    async with node.serving() as service:
        for events in await asyncio.gather(*(collect(service, request) for _ in range(3))):
            assert finished_of(events).format_complete is True


async def test_latencies_are_those_of_what_was_computed(node: Node) -> None:
    async with node.serving() as service:
        answers = await asyncio.gather(*(collect(service, Request("hello")) for _ in range(4)))
        (sample,) = service.samples()
    started = [event for events in answers for event in events if isinstance(event, Started)]
    assert [event.joined for event in started].count(True) == 3
    assert sum(sample.time_to_first_token_histogram.counts) == 1
    assert sum(sample.inter_token_latency_histogram.counts) == 4
