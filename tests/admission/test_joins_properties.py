"""Identical and different requests that come, leave and run out of time at random, on a real engine."""

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from time import monotonic

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.admission.test_joins import is_empty
from tests.scale import examples
from tests.service.in_process import ClockLoop, InProcessClient, InProcessNode, expected, new_clock
from tests.service.nodes import finished_of, text_of
from xapp.domain.answers import Event, Finished, Started
from xapp.domain.messages import FinishReason, Priority
from xapp.domain.requests import DeadlinePolicy, Request
from xapp.errors import DeadlineExceeded, Exhausted, XappError
from xapp.service.service import NodeService

PROMPTS = ("which cell", "which beam", "why")
WHOLE = (FinishReason.STOP, FinishReason.LENGTH)


@dataclass(frozen=True)
class Ask:
    """`patience`: events after which it leaves; None reads to the end. A slow one reads once all is over."""

    prompt: str
    max_tokens: int
    priority: Priority
    policy: DeadlinePolicy
    within_s: float | None
    patience: int | None
    slow: bool


@dataclass(frozen=True)
class Steps:
    count: int


@dataclass(frozen=True)
class Leave:
    which: int


@dataclass(frozen=True)
class Pass:
    seconds: float


ASKS = st.builds(
    Ask,
    st.sampled_from(PROMPTS),
    st.sampled_from([3, 20, 60]),
    st.sampled_from(Priority),
    st.sampled_from(DeadlinePolicy),
    st.one_of(st.none(), st.floats(0.02, 5.0)),
    st.one_of(st.none(), st.none(), st.integers(0, 6)),
    st.booleans(),
)
OPERATIONS = st.lists(
    st.one_of(
        ASKS,
        ASKS,
        st.builds(Steps, st.integers(1, 12)),
        st.builds(Leave, st.integers(0, 20)),
        st.builds(Pass, st.floats(0.01, 1.5)),
    ),
    max_size=40,
)


@dataclass
class Caller:
    ask: Ask
    request: Request
    events: list[Event] = field(default_factory=list)
    ends: list[str] = field(default_factory=list)
    ended_at: float = 0.0
    task: "asyncio.Task[None] | None" = None

    @property
    def joined(self) -> bool:
        return any(event.joined for event in self.events if isinstance(event, Started))


class Play:
    """One list of operations, played."""

    def __init__(self, node: InProcessNode, service: NodeService, client: InProcessClient) -> None:
        self.clock = node.clock
        self.service, self.client = service, client
        self.over = asyncio.Event()
        self.callers: list[Caller] = []
        self.num_open: list[int] = []
        """Requests in the worker, after each operation."""

    async def run(self, operations: list[object]) -> None:
        for operation in operations:
            match operation:
                case Ask():
                    self.come(operation)
                case Steps(count):
                    await self.steps(count)
                case Leave(which) if self.callers:
                    task = self.callers[which % len(self.callers)].task
                    assert task is not None
                    task.cancel()
                case Pass(seconds):
                    self.clock.now += seconds
            await self.settle()
            self.num_open.append(self.client.num_open)
        await self.end()

    def come(self, ask: Ask) -> None:
        deadline = None if ask.within_s is None else self.clock.now + ask.within_s
        request = Request(
            ask.prompt,
            max_tokens=ask.max_tokens,
            priority=ask.priority,
            deadline=deadline,
            deadline_policy=ask.policy,
        )
        caller = Caller(ask, request)
        caller.task = asyncio.create_task(self.read(caller))
        self.callers.append(caller)

    async def read(self, caller: Caller) -> None:
        events = self.service.generate(caller.request)
        try:
            async for event in events:
                caller.events.append(event)
                if caller.ask.slow:
                    await self.over.wait()
                if len(caller.events) == caller.ask.patience:
                    caller.ends.append("left")
                    return
            caller.ends.append("finished")
        except XappError as error:
            caller.ends.append(type(error).__name__)
        except asyncio.CancelledError:
            caller.ends.append("cancelled")
            raise
        finally:
            await events.aclose()
            # A deadline that has passed when a request arrives is judged by the machine's own clock.
            caller.ended_at = max(self.clock.now, monotonic())

    async def settle(self) -> None:
        for _ in range(8):
            await asyncio.sleep(0)

    async def steps(self, count: int) -> None:
        for _ in range(count):
            self.client.step()
            await self.settle()

    async def end(self) -> None:
        """Everybody reads on; then nothing of anybody is left."""
        self.over.set()
        for _ in range(2000):
            await self.steps(1)
            if all(caller.task is None or caller.task.done() for caller in self.callers):
                break
        await self.steps(2)
        for caller in self.callers:
            self.check(caller)
        engine = self.client.engine
        assert is_empty(self.service)
        assert self.client.num_open == 0
        assert not engine.has_work
        assert engine._kv_cache.reserved == 0
        assert not self.client.backend.live_samplers

    def check(self, caller: Caller) -> None:
        task, ask, events = caller.task, caller.ask, caller.events
        assert task is not None
        assert task.done()
        # A task that was cancelled before its first step has asked nothing.
        assert len(caller.ends) == 1 or (task.cancelled() and not events)
        whole = expected(ask.prompt, ask.max_tokens)
        assert whole.startswith(text_of(events))
        assert [type(event) for event in events].count(Started) == bool(events)
        if caller.ends == ["finished"]:
            finished = finished_of(events)
            if finished.reason in WHOLE:
                assert text_of(events) == whole
                assert finished.num_completion_tokens == len(whole)
            else:
                assert finished.reason is FinishReason.DEADLINE
                assert ask.policy is DeadlinePolicy.BEST_EFFORT
        elif not {"left", "cancelled"}.intersection(caller.ends):
            assert not any(isinstance(event, Finished) for event in events)
            assert set(caller.ends) <= {DeadlineExceeded.__name__, Exhausted.__name__}
        if caller.ends == [DeadlineExceeded.__name__]:
            assert caller.request.deadline is not None
            assert caller.ended_at >= caller.request.deadline


@pytest.fixture(scope="module")
def folder() -> Iterator[Path]:
    with TemporaryDirectory() as name:
        yield Path(name)


def play(folder: Path, operations: list[object], **fields: object) -> Play:
    clock = new_clock()

    async def run() -> Play:
        node = InProcessNode(folder, clock)
        async with node.running(kv_cells=512, context_length=256, **fields) as (service, client):
            this = Play(node, service, client)
            await this.run(operations)
            return this

    with asyncio.Runner(loop_factory=lambda: ClockLoop(clock)) as runner:
        return runner.run(run())


@given(operations=OPERATIONS, by_deadline=st.booleans(), slots=st.integers(1, 3))
@settings(max_examples=examples(60))
def test_every_request_ends_once_with_its_own_answer_and_nothing_is_lost(
    folder: Path, operations: list[object], by_deadline: bool, slots: int
) -> None:
    play(folder, operations, deadline_admission=by_deadline, slots=slots, max_queue=30)


def ask(prompt: str = "which cell", **fields: object) -> Ask:
    values: dict[str, object] = {
        "max_tokens": 60,
        "priority": Priority.BATCH,
        "policy": DeadlinePolicy.REJECT,
        "within_s": None,
        "patience": None,
        "slow": False,
    }
    return Ask(prompt, **(values | fields))  # type: ignore[arg-type]


def test_joining_takes_less_work_for_the_same_answers(folder: Path) -> None:
    operations = [
        ask(),
        Steps(2),
        ask(),
        ask("why"),
        ask(slow=True),
        Steps(3),
        ask(),
        Leave(0),
        Steps(2),
        ask(),
    ]
    joined, alone = (play(folder, operations, join_identical=on) for on in (True, False))
    assert [text_of(caller.events) for caller in joined.callers[1:]] == [
        text_of(caller.events) for caller in alone.callers[1:]
    ]
    assert (joined.client.wire.num_submitted, alone.client.wire.num_submitted) == (2, 6)
    assert [caller.joined for caller in joined.callers] == [False, True, False, True, True, True]
    used = [each.client.engine.stats().total_decode_tokens for each in (joined, alone)]
    assert used[0] < used[1] / 2


def test_the_later_deadline_is_the_computations(folder: Path) -> None:
    operations = [ask(within_s=2.0), Steps(2), ask(within_s=50.0), Steps(2), Pass(3.0), Steps(2)]
    first, second = play(folder, operations, deadline_admission=False).callers
    assert first.ends == [DeadlineExceeded.__name__]
    assert (second.joined, second.ends) == (True, ["finished"])


def test_who_does_not_read_holds_nothing_past_its_deadline(folder: Path) -> None:
    operations = [ask(within_s=2.0, slow=True), Steps(2), ask(within_s=50.0), Leave(1), Pass(3.0), Steps(2)]
    this = play(folder, operations, deadline_admission=False)
    assert this.callers[1].joined
    assert this.num_open == [1, 1, 1, 1, 1, 0]
