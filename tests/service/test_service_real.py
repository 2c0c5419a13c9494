"""The service on a real worker with the real model."""

import os
import signal
from collections.abc import AsyncIterator
from contextlib import aclosing
from pathlib import Path

import pytest
import pytest_asyncio

from tests.flat_settings import flat_settings
from tests.service.nodes import collect, finished_of, text_of
from tests.workers.workers import until
from xapp.domain.answers import Started
from xapp.domain.messages import FinishReason
from xapp.domain.requests import ChatMessage, Request
from xapp.domain.states import ModelState
from xapp.errors import ModelError, Unavailable
from xapp.service.service import NodeService

pytestmark = [pytest.mark.slow, pytest.mark.asyncio(loop_scope="module")]

QUESTION = Request((ChatMessage("user", "Tell me the capital of France."),), max_tokens=16)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def service(default_model_path: Path) -> AsyncIterator[NodeService]:
    """For all tests together: what it learned of a busy machine in one must not make it refuse in another."""
    folder = str(default_model_path.parent)
    settings = flat_settings(models_dir=folder, context_length=1024, deadline_admission=False)
    async with NodeService(settings) as service:
        await service.wait_ready()
        yield service


@pytest.fixture(params=[0.0, 0.00001, 0.5], ids=["empty", "no header", "half"])
def damaged(request: pytest.FixtureRequest, default_model_path: Path, tmp_path: Path) -> Path:
    """The first part of the model's file."""
    whole = default_model_path.read_bytes()
    path = tmp_path / "bad.gguf"
    path.write_bytes(whole[: int(len(whole) * request.param)])
    return path


async def test_answers_and_stops(service: NodeService) -> None:
    events = await collect(service, QUESTION)
    assert "Paris" in text_of(events)
    stopped = await collect(service, Request(QUESTION.prompt, max_tokens=16, stop=("Paris",)))
    assert finished_of(stopped).reason is FinishReason.STOP
    assert text_of(events).startswith(text_of(stopped))
    assert "Paris" not in text_of(stopped)


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGSEGV])
async def test_survives_its_worker(service: NodeService, number: int) -> None:
    async with aclosing(service.generate(Request("Once", max_tokens=500, ignore_eos=True))) as events:
        assert isinstance(await anext(events), Started)
        os.kill(service.samples()[0].worker_pid, number)
        with pytest.raises(Unavailable, match=signal.Signals(number).name):
            async for _ in events:
                pass
    await until(lambda: service.ready)
    assert "Paris" in text_of(await collect(service, QUESTION))


async def test_a_damaged_file_is_refused(service: NodeService, damaged: Path) -> None:
    async with NodeService(flat_settings(models_dir=str(damaged.parent), model="bad")) as other:
        with pytest.raises(ModelError, match=r"bad\.gguf"):
            await other.wait_ready()
        assert other.get_model("").state is ModelState.FAILED
    await until(lambda: service.ready)
