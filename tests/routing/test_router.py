"""Who answers, and what an upstream that fails costs: time, and never a mixed answer."""

import asyncio
from collections.abc import AsyncGenerator
from dataclasses import replace
from time import monotonic
from typing import Any

import pytest

from tests.routing.fakes import BIG, DOWN, FakeUpstream, Pair, Script, sending, text_of, well
from tests.server.fake_service import ESTIMATE, FINISHED
from tests.workers.workers import until
from xapp.domain.answers import Chunk, Event, Finished, Latencies, Started
from xapp.domain.finish_reason import FinishReason
from xapp.domain.requests import DeadlinePolicy, Request
from xapp.domain.routing import Routed, Routing, RoutingMode, RoutingReason
from xapp.errors import DeadlineExceeded, Exhausted, Unavailable, XappError
from xapp.routing.destination import UpstreamError

ASKED = Request("why?")
UPSTREAM = replace(ASKED, routing=Routing(RoutingMode.UPSTREAM))
LOCAL = replace(ASKED, routing=Routing(RoutingMode.LOCAL))


def routed_of(events: list[Event]) -> Routed:
    """Started and Finished say the same."""
    first, last = events[0], events[-1]
    assert isinstance(first, Started)
    assert isinstance(last, Finished)
    assert first.routed is not None
    assert first.routed == last.routed
    return first.routed


async def hanging(request: Request) -> AsyncGenerator[Event, None]:
    await asyncio.Event().wait()
    yield BIG


async def stalling(request: Request) -> AsyncGenerator[Event, None]:
    yield BIG
    yield Chunk("half ", 1)
    await asyncio.Event().wait()


async def test_the_upstream_answers_what_is_hard() -> None:
    pair = Pair()
    events = await pair.answer(ASKED)
    assert text_of(events) == "from above"
    routed = routed_of(events)
    assert (routed.by_upstream, routed.reason) == (True, RoutingReason.HARD)
    assert (routed.difficulty, routed.threshold) == (0.9, 0.5)
    assert pair.node.requests == []
    assert pair.node.charges[0].num_tokens == FINISHED.num_prompt_tokens + FINISHED.num_completion_tokens


async def test_this_node_answers_what_is_easy() -> None:
    pair = Pair()
    pair.signal.value = 0.1
    events = await pair.answer(ASKED)
    assert text_of(events) == "Hello"
    assert routed_of(events).reason is RoutingReason.EASY
    assert pair.upstream.requests == []


async def test_the_threshold_of_the_request_counts() -> None:
    asked = replace(ASKED, routing=Routing(RoutingMode.AUTO, 0.95))
    assert routed_of(await Pair().answer(asked)).reason is RoutingReason.EASY


@pytest.mark.parametrize(("asked", "text"), [(UPSTREAM, "from above"), (LOCAL, "Hello")])
async def test_what_is_asked_for_needs_no_signal(asked: Request, text: str) -> None:
    pair = Pair()
    events = await pair.answer(asked)
    assert text_of(events) == text
    assert routed_of(events).reason is RoutingReason.REQUESTED
    assert pair.signal.num_asked == 0


BEFORE_THE_FIRST_TOKEN: dict[str, Script] = {
    "down": DOWN,
    "silent": hanging,
    "without Started": sending(Chunk("x", 1)),
    "ended": sending(),
    "ended after Started": sending(BIG),
    "broken after Started": sending(BIG, UpstreamError("reset")),
    "lying about the prompt": sending(replace(BIG, num_cached_tokens=9), Chunk("x", 1), FINISHED),
    "lying in the first piece": sending(BIG, Chunk("x", 11), FINISHED),
}


@pytest.mark.parametrize("name", BEFORE_THE_FIRST_TOKEN)
async def test_a_fault_before_the_first_token_is_answered_here(name: str) -> None:
    pair = Pair(upstream=FakeUpstream(BEFORE_THE_FIRST_TOKEN[name]), wait_s=0.05)
    events = await pair.answer(UPSTREAM)
    assert text_of(events) == "Hello"
    routed = routed_of(events)
    assert (routed.by_upstream, routed.reason) == (False, RoutingReason.UPSTREAM_FAILED)
    assert routed.detail
    assert pair.upstream.num_ended == 1
    assert pair.node.charges[0].is_forgotten
    assert routed_of(await pair.answer(UPSTREAM)).reason is RoutingReason.LINK_DOWN
    assert len(pair.upstream.requests) == 1


async def collect(pair: Pair, told: list[Event]) -> None:
    async for event in pair.router.stream(UPSTREAM):
        told.append(event)


AFTER_THE_FIRST_TOKEN: dict[str, Script] = {
    "silent": stalling,
    "ended": sending(BIG, Chunk("half ", 1)),
    "broken": sending(BIG, Chunk("half ", 1), UpstreamError("reset")),
    "too many tokens": sending(BIG, Chunk("half ", 1), Chunk("x", 10), FINISHED),
    "wrong count": sending(BIG, Chunk("half ", 1), replace(FINISHED, num_completion_tokens=11)),
    "two ends": sending(BIG, Chunk("half ", 1), FINISHED, FINISHED),
    "two beginnings": sending(BIG, Chunk("half ", 1), BIG, FINISHED),
}


@pytest.mark.parametrize("name", AFTER_THE_FIRST_TOKEN)
async def test_a_fault_after_the_first_token_is_a_status(name: str) -> None:
    pair = Pair(upstream=FakeUpstream(AFTER_THE_FIRST_TOKEN[name]), idle_s=0.05)
    told: list[Event] = []
    with pytest.raises(Unavailable) as caught:
        await collect(pair, told)
    assert caught.value.reason == "UPSTREAM_LOST"
    assert text_of(told) == "half "
    assert pair.node.requests == []
    assert pair.link.is_down
    assert pair.link.idle.is_set()


async def test_the_deadline_holds_while_the_upstream_is_silent() -> None:
    pair = Pair(upstream=FakeUpstream(stalling))
    with pytest.raises(DeadlineExceeded):
        await pair.answer(replace(UPSTREAM, deadline=monotonic() + 0.1))


async def test_an_upstream_that_ends_at_the_deadline_is_not_lost() -> None:
    """Its own timer may be a little faster than that of this node."""
    deadline = monotonic() + 0.1

    async def punctual(request: Request) -> AsyncGenerator[Event, None]:
        yield BIG
        yield Chunk("half ", 1)
        await asyncio.sleep(deadline - 0.01 - monotonic())
        raise UpstreamError("DEADLINE_EXCEEDED")

    pair = Pair(upstream=FakeUpstream(punctual))
    with pytest.raises(DeadlineExceeded):
        await pair.answer(replace(UPSTREAM, deadline=deadline))
    assert not pair.link.is_down


async def test_an_answer_that_may_be_cut_ends_at_its_deadline() -> None:
    pair = Pair(upstream=FakeUpstream(stalling))
    asked = replace(UPSTREAM, deadline=monotonic() + 0.1, deadline_policy=DeadlinePolicy.BEST_EFFORT)
    events = await pair.answer(asked)
    assert text_of(events) == "half "
    last = events[-1]
    assert isinstance(last, Finished)
    assert (last.reason, last.num_completion_tokens) == (FinishReason.DEADLINE, 1)
    assert routed_of(events).by_upstream


async def test_what_leaves_ends_at_the_upstream_and_pays_for_what_came() -> None:
    pair = Pair(upstream=FakeUpstream(stalling))
    events = pair.router.stream(UPSTREAM)
    await anext(events)
    await anext(events)
    await events.aclose()
    assert pair.upstream.num_ended == 1
    assert pair.link.idle.is_set()
    assert pair.node.charges[0].num_tokens == BIG.num_prompt_tokens + 1


async def test_cancelling_ends_at_the_upstream() -> None:
    pair = Pair(upstream=FakeUpstream(hanging))
    task = asyncio.create_task(pair.answer(UPSTREAM))
    await until(lambda: bool(pair.upstream.requests))
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert pair.upstream.num_ended == 1
    assert not pair.link.is_down


async def test_a_quota_that_is_used_up_is_no_fault_of_the_upstream() -> None:
    pair = Pair()

    class Refusing:
        async def __aenter__(self) -> Any:
            raise Exhausted("used up", reason="QUOTA_EXCEEDED")

        async def __aexit__(self, *_: object) -> None:
            pass

    pair.node.outbound = lambda _: Refusing()  # type: ignore[assignment,method-assign,return-value]
    with pytest.raises(Exhausted):
        await pair.answer(UPSTREAM)
    assert not pair.link.is_down


async def test_the_format_is_checked_here_too() -> None:
    class Guard:
        async def read(self, event: Event) -> list[Event]:
            return [replace(event, format_complete=False) if isinstance(event, Finished) else event]

    pair = Pair()
    pair.node.guard = Guard()
    last = (await pair.answer(UPSTREAM))[-1]
    assert isinstance(last, Finished)
    assert last.format_complete is False


@pytest.mark.parametrize("error", [Exhausted("full"), Unavailable("loading")])
async def test_without_a_signal_this_node_answers(error: XappError) -> None:
    pair = Pair()
    pair.signal.error = error
    events = await pair.answer(ASKED)
    assert routed_of(events).reason is RoutingReason.NO_SIGNAL
    assert text_of(events) == "Hello"


async def test_the_upstream_is_asked_again_after_its_pause() -> None:
    now = 100.0
    pair = Pair(upstream=FakeUpstream(DOWN))
    pair.link._clock = lambda: now
    assert text_of(await pair.answer(UPSTREAM)) == "Hello"
    pair.upstream.script = well
    now += 1.1
    assert text_of(await pair.answer(UPSTREAM)) == "from above"
    assert not pair.link.is_full


async def test_a_deadline_that_ends_the_wait_is_no_failure_of_the_link() -> None:
    pair = Pair(upstream=FakeUpstream(hanging))
    pair.node.estimated = replace(ESTIMATE, completion=Latencies(50.0, 60.0))
    asked = replace(UPSTREAM, deadline=monotonic() + 60.2)
    assert routed_of(await pair.answer(asked)).reason is RoutingReason.UPSTREAM_FAILED
    assert not pair.link.is_down
    assert pair.link.first_s > 0


async def test_a_crowd_does_not_pass_the_bound_of_the_upstream() -> None:
    """All are chosen before the first one is there."""
    together = asyncio.Barrier(5)
    release = asyncio.Event()

    async def slow(request: Request) -> AsyncGenerator[Event, None]:
        await release.wait()
        async for event in well(request):
            yield event

    async def all_at_once(request: Request) -> float | None:
        await together.wait()
        return 0.9

    pair = Pair(upstream=FakeUpstream(slow))
    pair.signal.difficulty = all_at_once  # type: ignore[method-assign]
    asking = [asyncio.create_task(pair.answer(ASKED)) for _ in range(5)]
    await until(lambda: sum(task.done() for task in asking) == 3)
    release.set()
    reasons = [routed_of(await task).reason for task in asking]
    assert reasons.count(RoutingReason.HARD) == len(pair.upstream.requests) == 2
    assert reasons.count(RoutingReason.UPSTREAM_FULL) == 3
