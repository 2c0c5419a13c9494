"""The server's end of an engine, with a process that does what it is told."""

import asyncio
import contextlib
import sys
from collections.abc import AsyncIterator

import pytest

from xapp.config import WorkerSettings
from xapp.errors import Exhausted, InvalidArgument, ModelError, Unavailable
from xapp.speech.engine import client
from xapp.speech.engine.client import EngineProcess
from xapp.speech.engine.process import EngineSettings
from xapp.speech.engine.supervisor import EngineSupervisor
from xapp.speech.messages import Say, Spoken, Took

COMMAND = (sys.executable, "-m", "tests.speech.engine.scripted_engine")
WITHIN_S = 30.0


@pytest.fixture(autouse=True)
def scripted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(EngineProcess.__init__, "__defaults__", (COMMAND,))


@contextlib.asynccontextmanager
async def supervised(model: str = "good", **workers: float) -> AsyncIterator[EngineSupervisor]:
    supervisor = EngineSupervisor("scripted", model, EngineSettings(), WorkerSettings(**workers))
    try:
        await supervisor.start()
        yield supervisor
    finally:
        await supervisor.aclose()


async def said(supervisor: EngineSupervisor, text: str) -> bytes:
    with supervisor.job() as job:
        job.send(Say(job.number, text, "one", 16_000))
        reply = await job.next()
    assert isinstance(reply, Spoken)
    return reply.samples


async def until_ready(supervisor: EngineSupervisor) -> None:
    async with asyncio.timeout(WITHIN_S):
        while not supervisor.ready:  # noqa: ASYNC110
            await asyncio.sleep(0.02)


async def test_work_and_what_it_says_of_itself() -> None:
    async with supervised() as engine:
        assert engine.info is not None
        assert (engine.info.languages, engine.info.voices) == (["en"], ["one"])
        answers = await asyncio.gather(*(said(engine, f"t{number}") for number in range(5)))
        assert answers == [f"t{number}".encode() for number in range(5)]


async def test_a_crash_fails_its_jobs_and_the_engine_comes_back() -> None:
    async with supervised() as engine:
        with pytest.raises(Unavailable, match="SIGSEGV"):
            await said(engine, "crash")
        with pytest.raises(Unavailable, match="being started") as caught:
            engine.job()
        assert caught.value.retry_after_s
        await until_ready(engine)
        assert await said(engine, "again") == b"again"
        assert engine.num_restarts == 1


async def test_an_engine_that_hangs_is_ended() -> None:
    async with supervised(hang_timeout_s=0.2) as engine:
        with pytest.raises(Unavailable, match="hung"):
            await said(engine, "hang")
        await until_ready(engine)


async def test_an_engine_without_work_does_not_hang() -> None:
    async with supervised(hang_timeout_s=0.05) as engine:
        for _ in range(3):
            assert await said(engine, "a") == b"a"
        assert engine.client is not None
        assert engine.client.silence_s == 0
        assert engine.num_restarts == 0


async def test_what_the_engine_refuses() -> None:
    async with supervised() as engine:
        with pytest.raises(InvalidArgument, match="not that"):
            await said(engine, "refuse")
        assert await said(engine, "b") == b"b"


async def test_a_model_that_cannot_be_loaded() -> None:
    with pytest.raises(ModelError, match="bad: cannot be loaded"):
        async with supervised("bad"):
            pass


async def test_replies_that_nobody_reads_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client, "MAX_WAITING", 3)
    async with supervised() as engine:
        with engine.job() as job:
            for _ in range(5):
                job.put(Took(job.number))
            with pytest.raises(Exhausted):
                await job.next()


async def test_the_end_fails_open_jobs() -> None:
    async with supervised() as engine:
        waiting = asyncio.ensure_future(said(engine, "hang"))
        await asyncio.sleep(0)
        await engine.aclose("the node ends")
        with pytest.raises(Unavailable, match="the node ends"):
            await waiting
