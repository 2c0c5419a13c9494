"""The supervisor with real workers that die, hang and come back."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from tests.workers.workers import WorkerScript, endless, read, submit, until
from xapp.errors import ModelError, Unavailable
from xapp.workers.supervisor import Backoff, RestartPolicy, Supervisor, WorkerState

FAST = RestartPolicy(load_timeout_s=30, first_delay_s=0.01, max_delay_s=0.05)


@asynccontextmanager
async def supervised(
    script: WorkerScript, policy: RestartPolicy = FAST, states: list[WorkerState] | None = None
) -> AsyncIterator[Supervisor]:
    def on_state() -> None:
        if states is not None:
            states.append(supervisor.state)

    supervisor = Supervisor("tiny", script.client, policy, on_state)
    try:
        yield supervisor
    finally:
        await supervisor.aclose()


async def restarted(supervisor: Supervisor, times: int = 1) -> None:
    await until(lambda: supervisor.num_restarts >= times and supervisor.state is WorkerState.READY)


async def test_serves_after_start(script: WorkerScript) -> None:
    async with supervised(script) as supervisor:
        info = await supervisor.start()
        assert supervisor.info == info
        assert supervisor.pid > 0
        assert await read(supervisor.submit(submit("hello"))) == "hello"


async def test_not_ready_says_when_to_try_again(script: WorkerScript) -> None:
    async with supervised(script) as supervisor:
        with pytest.raises(Unavailable) as caught:
            supervisor.submit(submit("early"))
        assert caught.value.reason == "MODEL_LOADING"
        assert caught.value.retry_after_s


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGSEGV])
async def test_a_killed_worker_serves_again(script: WorkerScript, number: int) -> None:
    states: list[WorkerState] = []
    async with supervised(script, states=states) as supervisor:
        await supervisor.start()
        stream, pid = supervisor.submit(endless()), supervisor.pid
        await stream.next()
        os.kill(pid, number)
        with pytest.raises(Unavailable):
            await read(stream)
        assert supervisor.state is WorkerState.LOADING
        await restarted(supervisor)
        assert supervisor.pid != pid
        assert await read(supervisor.submit(submit("again"))) == "again"
    assert states == [WorkerState.READY, WorkerState.LOADING, WorkerState.READY, WorkerState.CLOSED]


async def test_a_first_load_that_fails_is_not_tried_again(script: WorkerScript) -> None:
    script.load("fail")
    async with supervised(script) as supervisor:
        with pytest.raises(ModelError, match="not a GGUF"):
            await supervisor.start()
        assert supervisor.state is WorkerState.FAILED
        assert "not a GGUF" in supervisor.error
        assert supervisor.num_restarts == 0


async def test_later_loads_are_tried_until_they_work(script: WorkerScript) -> None:
    async with supervised(script) as supervisor:
        await supervisor.start()
        script.load("fail")
        os.kill(supervisor.pid, signal.SIGKILL)
        await until(lambda: supervisor.num_restarts >= 2)
        with pytest.raises(Unavailable):
            supervisor.submit(submit("x"))
        script.load("ok")
        await until(lambda: supervisor.state is WorkerState.READY)
        assert supervisor.error == ""
        assert await read(supervisor.submit(submit("fine"))) == "fine"


async def test_a_hanging_worker_is_replaced(script: WorkerScript) -> None:
    policy = RestartPolicy(load_timeout_s=30, first_delay_s=0.01, hang_after_s=0.3)
    async with supervised(script, policy) as supervisor:
        await supervisor.start()
        with pytest.raises(Unavailable, match="hung"):
            await read(supervisor.submit(submit("!hang")))
        await restarted(supervisor)


async def test_a_stopped_worker_does_not_serve_until_it_runs_again(script: WorkerScript) -> None:
    """Health once said SERVING for five minutes beside a stopped worker."""
    policy = RestartPolicy(load_timeout_s=30, look_s=0.02, stopped_after_s=3600)
    async with supervised(script, policy) as supervisor:
        await supervisor.start()
        pid = supervisor.pid
        os.kill(pid, signal.SIGSTOP)
        await until(lambda: supervisor.state is WorkerState.LOADING)
        with pytest.raises(Unavailable, match="a signal stopped the worker"):
            supervisor.submit(submit("x"))
        os.kill(pid, signal.SIGCONT)
        await until(lambda: supervisor.state is WorkerState.READY)
        assert supervisor.pid == pid
        assert await read(supervisor.submit(submit("again"))) == "again"


async def test_a_worker_that_stays_stopped_is_replaced(script: WorkerScript) -> None:
    policy = RestartPolicy(load_timeout_s=30, first_delay_s=0.01, look_s=0.02, stopped_after_s=0.1)
    async with supervised(script, policy) as supervisor:
        await supervisor.start()
        stream = supervisor.submit(endless())
        await stream.next()
        os.kill(supervisor.pid, signal.SIGSTOP)
        with pytest.raises(Unavailable, match="a signal stopped the worker"):
            await read(stream)
        await restarted(supervisor)
        assert await read(supervisor.submit(submit("again"))) == "again"


async def test_a_worker_that_dies_in_mid_answer_again_and_again_is_not_held_back(
    script: WorkerScript,
) -> None:
    policy = RestartPolicy(
        load_timeout_s=30, first_delay_s=0.01, max_delay_s=3600, max_delay_after_work_s=0.01
    )
    async with supervised(script, policy) as supervisor:
        await supervisor.start()
        for times in range(1, 4):
            stream = supervisor.submit(endless())
            await stream.next()
            while not stream.num_tokens:
                await stream.next()
            os.kill(supervisor.pid, signal.SIGKILL)
            await restarted(supervisor, times)
            assert supervisor.not_ready().retry_after_s == 1.0


async def test_an_idle_worker_does_not_hang(script: WorkerScript) -> None:
    policy = RestartPolicy(load_timeout_s=30, hang_after_s=0.01)
    async with supervised(script, policy) as supervisor:
        await supervisor.start()
        await asyncio.sleep(0.05)
        assert supervisor.num_restarts == 0
        assert supervisor.state is WorkerState.READY


async def test_closing_while_it_waits_to_restart(script: WorkerScript) -> None:
    policy = RestartPolicy(load_timeout_s=30, first_delay_s=3600, max_delay_s=3600)
    async with supervised(script, policy) as supervisor:
        await supervisor.start()
        os.kill(supervisor.pid, signal.SIGKILL)
        await until(lambda: supervisor.state is WorkerState.LOADING)
        await supervisor.aclose()
        await supervisor.aclose()
        assert supervisor.state is WorkerState.CLOSED


def test_backoff_doubles_up_to_its_limit_and_begins_anew() -> None:
    backoff = Backoff(RestartPolicy(first_delay_s=0.1, max_delay_s=0.35, healthy_after_s=60))
    assert [backoff.delay_s(1) for _ in range(4)] == pytest.approx([0.1, 0.2, 0.35, 0.35])
    assert [backoff.delay_s(60), backoff.delay_s(0)] == pytest.approx([0.1, 0.2])


def test_a_worker_that_has_answered_is_not_held_back_for_long() -> None:
    """A hundred workers that died in mid-answer once cost half a minute each."""
    backoff = Backoff(RestartPolicy(first_delay_s=0.1, max_delay_s=30, max_delay_after_work_s=0.5))
    assert max(backoff.delay_s(0, has_answered=True) for _ in range(100)) == 0.5
    assert [backoff.delay_s(1) for _ in range(7)][-1] == 30


def test_the_time_that_a_worker_served_is_a_part_of_its_delay() -> None:
    """A worker that was lost after a second of answers is started again at once."""
    backoff = Backoff(RestartPolicy(first_delay_s=0.4, max_delay_s=30, max_delay_after_work_s=0.5))
    assert backoff.delay_s(0.3, has_answered=True) == pytest.approx(0.1)
    assert backoff.delay_s(0.3, has_answered=True) == pytest.approx(0.2)
    assert backoff.delay_s(2, has_answered=True) == 0
    assert backoff.delay_s(2) == 1.0
