"""The service on real worker processes that follow a script."""

import asyncio
import os
import random
import signal
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import aclosing
from time import monotonic

import pytest

from tests.service.nodes import DIGEST, Node, collect, finished_of, pid_of, text_of
from tests.workers.workers import until
from xapp.domain.answers import Chunk, Event, Finished, Started
from xapp.domain.messages import FinishReason, SamplingParams
from xapp.domain.requests import ChatMessage, Request
from xapp.domain.states import ModelState
from xapp.errors import (
    DeadlineExceeded,
    Exhausted,
    InvalidArgument,
    ModelError,
    NotFound,
    Unavailable,
    XappError,
)
from xapp.service.service import NodeService
from xapp.telemetry.metrics import Metrics
from xapp.telemetry.observation import Observation

ENDLESS = Request("abc", ignore_eos=True, max_tokens=2000)


async def read_into(seen: list[Event], events: AsyncIterator[Event]) -> None:
    """Reads to the end, or to the error."""
    async for event in events:
        seen.append(event)


def num_open(service: NodeService) -> int:
    serving = service._registry.find("").serving
    assert serving is not None
    return serving.admission.num_open


async def test_an_answer(node: Node) -> None:
    async with node.serving() as service:
        events = await collect(service, Request("hello", correlation_id="c-1"))
    finished = finished_of(events)
    started = events[0]
    assert isinstance(started, Started)
    assert (started.model, started.model_digest, started.correlation_id) == ("tiny", DIGEST, "c-1")
    assert (started.num_prompt_tokens, started.seed) == (5, 0)
    assert text_of(events) == "hello"
    assert finished.reason is FinishReason.STOP
    assert (finished.num_prompt_tokens, finished.num_completion_tokens) == (5, 5)
    total = finished.queue_s + finished.prefill_s
    assert finished.time_to_first_token_s == pytest.approx(total)
    assert sum(event.num_tokens for event in events if isinstance(event, Chunk)) == 5


async def test_a_chat_goes_through_the_template(node: Node) -> None:
    async with node.serving() as service:
        events = await collect(service, Request((ChatMessage("user", "hi"),)))
        tokens = await service.tokenize("", (ChatMessage("user", "hi"),), "")
    assert finished_of(events).num_prompt_tokens == len(tokens.ids)
    assert "user\nhi" in text_of(events)


@pytest.mark.parametrize(
    ("max_tokens", "num_tokens"),
    [(3, 3), (None, 100), (4000, 100)],
    ids=["asked", "none", "more than allowed"],
)
async def test_max_tokens(node: Node, max_tokens: int | None, num_tokens: int) -> None:
    async with node.serving(max_output_tokens=100) as service:
        request = Request("abcdef", ignore_eos=True, max_tokens=max_tokens)
        finished = finished_of(await collect(service, request))
    assert finished.reason is FinishReason.LENGTH
    assert finished.num_completion_tokens == num_tokens


async def test_max_tokens_is_capped_by_the_context_left(node: Node) -> None:
    async with node.serving() as service:
        finished = finished_of(await collect(service, Request("x" * 4090, ignore_eos=True, max_tokens=50)))
    assert (finished.reason, finished.num_completion_tokens) == (FinishReason.LENGTH, 6)


@pytest.mark.parametrize(
    ("request_", "field", "reason"),
    [
        (Request(""), "prompt", "EMPTY_PROMPT"),
        (Request(()), "chat", "EMPTY_PROMPT"),
        (Request("x" * 4096), "prompt", "PROMPT_TOO_LONG"),
        (Request("x" * 1_000_000), "prompt", "PROMPT_TOO_LONG"),
        (Request((ChatMessage("user", "x" * 4096),)), "chat", "PROMPT_TOO_LONG"),
        (Request("x", max_tokens=0), "max_tokens", "INVALID_ARGUMENT"),
        (Request("x", sampling=SamplingParams(top_k=257)), "sampling.top_k", "INVALID_ARGUMENT"),
    ],
    ids=["empty", "empty chat", "one too many", "by bytes", "chat", "max_tokens", "top_k"],
)
async def test_bad_requests_name_the_field(node: Node, request_: Request, field: str, reason: str) -> None:
    async with node.serving() as service:
        with pytest.raises(InvalidArgument) as caught:
            await collect(service, request_)
        assert (caught.value.field, caught.value.reason) == (field, reason)
        assert num_open(service) == 0
        assert text_of(await collect(service, Request("fine"))) == "fine"


async def test_too_long_says_both_numbers(node: Node) -> None:
    async with node.serving() as service:
        with pytest.raises(InvalidArgument, match="4200 tokens, but the context of 4096 tokens"):
            await collect(service, Request("x" * 4200))


async def test_a_seed_is_drawn_and_reported(node: Node) -> None:
    warm = SamplingParams(temperature=1.0)
    async with node.serving() as service:
        drawn = [(await collect(service, Request("x", sampling=warm)))[0] for _ in range(4)]
        given = (await collect(service, Request("x", sampling=warm, seed=7)))[0]
    assert isinstance(given, Started)
    assert given.seed == 7
    assert len({event.seed for event in drawn if isinstance(event, Started)}) > 1


async def test_a_stop_text_ends_and_frees_the_place(node: Node) -> None:
    async with node.serving() as service:
        request = Request("one two three ", ignore_eos=True, max_tokens=2000, stop=("three",))
        events = await collect(service, request)
        finished = finished_of(events)
        assert text_of(events) == "one two "
        assert finished.reason is FinishReason.STOP
        assert finished.num_completion_tokens == len("one two three")
        assert num_open(service) == 0
        await until(lambda: service.samples()[0].stats.num_running == 0)


async def test_a_slow_reader_gets_fewer_larger_chunks(node: Node) -> None:
    async with node.serving() as service, aclosing(service.generate(Request("x" * 200))) as events:
        await anext(events)
        assert text_of(await collect(service, Request("y" * 400))) == "y" * 400
        rest = [event async for event in events]
        chunks = [event for event in rest if isinstance(event, Chunk)]
        assert len(chunks) <= 2
        assert sum(chunk.num_tokens for chunk in chunks) == 200


async def test_stop_texts_do_not_depend_on_coalescing(node: Node) -> None:
    request = Request("abcSTOPdef", stop=("STOP",))
    async with node.serving() as service, aclosing(service.generate(request)) as events:
        first = await anext(events)
        await collect(service, Request("y" * 50))
        events_seen = [first] + [event async for event in events]
        assert text_of(events_seen) == "abc"
        assert finished_of(events_seen).num_completion_tokens == 7


async def test_closing_the_generator_cancels_in_the_worker(node: Node) -> None:
    async with node.serving() as service:
        async with aclosing(service.generate(ENDLESS)) as events:
            await anext(events)
            await anext(events)
        assert num_open(service) == 0
        await until(lambda: service.samples()[0].stats.num_running == 0)


async def test_cancelling_the_consumer_cancels_in_the_worker(node: Node) -> None:
    async with node.serving() as service:
        task = asyncio.create_task(collect(service, Request("!silent")))
        await until(lambda: service.samples()[0].stats.num_running == 1)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert num_open(service) == 0
        await until(lambda: service.samples()[0].stats.num_running == 0)


async def test_a_deadline_flushes_what_there_is(node: Node) -> None:
    events: list[Event] = []
    async with node.serving() as service:
        with pytest.raises(DeadlineExceeded):
            await read_into(events, service.generate(Request("!expire")))
    assert text_of(events) == "!e"


async def test_a_deadline_in_the_past(node: Node) -> None:
    async with node.serving() as service:
        with pytest.raises(DeadlineExceeded):
            await collect(service, Request("x", deadline=monotonic() - 1))


async def test_a_full_queue(node: Node) -> None:
    async with node.serving(max_queue=1) as service, asyncio.TaskGroup() as group:
        tasks = [group.create_task(collect(service, ENDLESS)) for _ in range(3)]
        await until(lambda: num_open(service) == 3)
        with pytest.raises(Exhausted) as caught:
            await collect(service, Request("x"))
        assert caught.value.reason == "QUEUE_FULL"
        assert caught.value.retry_after_s
        assert num_open(service) == 3
        tasks[0].cancel()
        await until(lambda: num_open(service) == 2)
        text_of(await collect(service, Request("x")))
        for task in tasks:
            task.cancel()


async def test_an_unknown_model_tells_which_there_are(node: Node) -> None:
    async with node.serving() as service:
        with pytest.raises(NotFound) as caught:
            await collect(service, Request("x", model="nope"))
        assert caught.value.metadata == {"models": "tiny"}
        with pytest.raises(NotFound) as caught:
            await collect(service, Request("x", model="other"))
        assert caught.value.reason == "MODEL_NOT_LOADED"


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGSEGV])
async def test_a_lost_worker_ends_streams_and_serves_again(node: Node, number: int) -> None:
    async with node.serving() as service:
        readiness: list[bool] = []
        service.subscribe(lambda: readiness.append(service.ready))
        async with aclosing(service.generate(ENDLESS)) as events:
            await anext(events)
            os.kill(pid_of(service), number)
            with pytest.raises(Unavailable) as caught:
                await read_into([], events)
            assert caught.value.reason == "WORKER_LOST"
        await until(lambda: service.get_model("").num_restarts == 1 and service.ready)
        assert readiness[0] is False
        assert readiness[-1] is True
        assert num_open(service) == 0
        assert text_of(await collect(service, Request("again"))) == "again"


async def test_a_default_model_that_cannot_be_loaded_stops_the_start(node: Node) -> None:
    node.scripts["tiny"].load("fail")
    async with node.service() as service:
        with pytest.raises(ModelError, match="not a GGUF"):
            await service.wait_ready()
        assert not service.ready
        assert service.get_model("").state is ModelState.FAILED


async def test_requests_before_ready_are_told_to_wait(node: Node) -> None:
    async with node.service() as service:
        assert not service.ready
        with pytest.raises(Unavailable) as caught:
            await collect(service, Request("x"))
        assert caught.value.reason == "MODEL_LOADING"


async def test_drain_lets_streams_finish(node: Node) -> None:
    async with node.serving() as service:
        stream = asyncio.create_task(collect(service, Request("x" * 100)))
        await until(lambda: num_open(service) == 1)
        drained = asyncio.create_task(service.drain(20))
        await until(lambda: not service.ready)
        with pytest.raises(Unavailable) as caught:
            await collect(service, Request("late"))
        assert caught.value.reason == "DRAINING"
        assert await drained
        assert finished_of(await stream).num_completion_tokens == 100


async def test_drain_gives_up_after_the_grace_period(node: Node) -> None:
    async with node.serving() as service:
        stream = asyncio.create_task(collect(service, Request("!silent")))
        await until(lambda: num_open(service) == 1)
        assert not await service.drain(0.01)
        await service.aclose()
        with pytest.raises(Unavailable) as caught:
            await stream
        assert caught.value.reason == "DRAINING"
        assert caught.value.message == "the server is shutting down"


async def test_the_samples_see_it_all(node: Node) -> None:
    async with node.serving() as service:
        for _ in range(2):
            await collect(service, Request("x" * 10))
        (sample,) = service.samples()
    assert sum(sample.time_to_first_token_histogram.counts) == 2
    assert sum(sample.inter_token_latency_histogram.counts) == 18
    assert sample.worker_pid > 0
    assert sample.time_to_first_token.p50 is not None
    assert sample.inter_token_latency.p99 is not None


@pytest.mark.parametrize("seed", range(2))
async def test_every_request_ends_exactly_once(node: Node, seed: int) -> None:
    """Under cancellations, closes and two deaths of the worker; and no place is lost."""
    rng = random.Random(seed)
    ends: Counter[str] = Counter()

    async def consume(request: Request, num_events: int | None) -> None:
        shape = []
        try:
            async with aclosing(service.generate(request)) as events:
                async for event in events:
                    shape.append(type(event))
                    if num_events is not None and len(shape) >= num_events:
                        break
        except XappError as error:
            ends[error.reason] += 1
            assert Finished not in shape
        except asyncio.CancelledError:
            ends["cancelled"] += 1
            raise
        else:
            ends["closed" if Finished not in shape else "finished"] += 1
        assert shape.count(Started) <= 1
        assert shape.count(Finished) <= 1

    async with node.serving(max_queue=6) as service:
        tasks = []
        for i in range(40):
            request = rng.choice([ENDLESS, Request("short"), Request("!silent"), Request("abc", stop=("c",))])
            tasks.append(asyncio.create_task(consume(request, rng.choice([None, None, 1, 3]))))
            if rng.random() < 0.5:
                rng.choice(tasks).cancel()
            if i in {12, 25} and service.ready:
                os.kill(pid_of(service), signal.SIGKILL)
                await until(lambda: not service.ready)
            if rng.random() < 0.3:
                await until(lambda: service.ready)
        await until(lambda: service.ready)
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)
        assert num_open(service) == 0
        assert all(task.cancelled() or task.exception() is None for task in tasks)
        assert text_of(await collect(service, Request("alive"))) == "alive"
    assert sum(ends.values()) <= len(tasks)


async def test_an_observation_learns_the_model_once_it_is_found(node: Node) -> None:
    async with node.serving() as service:
        with Observation(Metrics(), "") as answered:
            await collect(service, Request("hi"))
        with pytest.raises(NotFound), Observation(Metrics(), "nope") as unknown:
            await collect(service, Request("x", model="nope"))
        with pytest.raises(InvalidArgument), Observation(Metrics(), "") as refused:
            await collect(service, Request(""))
    assert (answered.model, unknown.model, refused.model) == ("tiny", "", "tiny")
