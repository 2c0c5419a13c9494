"""Batches of gRPC's core end with a result, so that grpc.aio frees them, and fail afterwards."""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

import pytest

from xapp.event_loop import EventLoop
from xapp.server import batches


class Core:
    """Stands in for grpc.aio: it frees a batch only where its future has a result."""

    def __init__(self) -> None:
        self.future: asyncio.Future[None] | None = None
        self.freed = False

    async def execute_batch(
        self, call: object, operations: tuple[object, ...], loop: asyncio.AbstractEventLoop
    ) -> None:
        self.future = loop.create_future()
        await self.future
        self.freed = True


@pytest.fixture
def core(monkeypatch: pytest.MonkeyPatch) -> Core:
    core = Core()
    monkeypatch.setattr(batches, "_execute_batch", core.execute_batch)
    return core


def run(work: Callable[[], Coroutine[Any, Any, None]], loop_factory: type = EventLoop) -> None:
    with asyncio.Runner(loop_factory=loop_factory) as runner:
        runner.run(work())


async def begun(core: Core) -> "asyncio.Task[None]":
    task = asyncio.create_task(batches._freeing(None, (), asyncio.get_running_loop()))
    await asyncio.sleep(0)
    return task


def test_a_batch_that_succeeds(core: Core) -> None:
    async def work() -> None:
        task = await begun(core)
        assert core.future is not None
        core.future.set_result(None)
        await task
        assert core.freed
        assert type(asyncio.get_running_loop().create_future()) is not type(core.future)

    run(work)


def test_a_batch_that_fails_is_freed_and_raises(core: Core) -> None:
    async def work() -> None:
        task = await begun(core)
        assert core.future is not None
        core.future.set_exception(ValueError("the client is gone"))
        with pytest.raises(ValueError, match="gone"):
            await task
        assert core.freed

    run(work)


def test_a_cancelled_task_waits_for_its_batch(core: Core) -> None:
    async def work() -> None:
        task = await begun(core)
        task.cancel()
        await asyncio.sleep(0)
        assert not task.done()
        assert core.future is not None
        core.future.set_exception(ValueError("the call is cancelled"))
        with pytest.raises(asyncio.CancelledError):
            await task
        assert core.freed

    run(work)


def test_a_task_that_is_cancelled_just_behind_the_end_of_its_batch_frees_it(core: Core) -> None:
    async def work() -> None:
        task = await begun(core)
        assert core.future is not None
        core.future.set_exception(ValueError("the call is cancelled"))
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert core.freed

    run(work)


def test_a_batch_that_never_ends_holds_up_no_cancelled_task(
    core: Core, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(batches, "PATIENCE_S", 0.001)

    async def work() -> None:
        task = await begun(core)
        task.cancel()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert not core.freed

    run(work)


def test_other_loops_are_left_alone(core: Core) -> None:
    async def work() -> None:
        task = await begun(core)
        assert type(core.future) is not batches._Batch
        assert core.future is not None
        core.future.set_result(None)
        await task

    run(work, asyncio.SelectorEventLoop)
