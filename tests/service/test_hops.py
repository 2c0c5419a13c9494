"""How many functions hand a GenerateRequest inward, from the servicer to the scheduler: docs/engine.md."""

import asyncio
import socket
import traceback
from pathlib import Path
from typing import Any

import pytest

from tests.server.fake_service import FakeHost
from tests.service.in_process import InProcessNode, new_clock
from xapp.backend.fake import FakeBackend
from xapp.config import EngineSettings, LogSettings, NodeSettings
from xapp.domain.messages import Submit, encode
from xapp.edge.watchdog import Watchdog
from xapp.engine.engine import Engine
from xapp.engine.inbox import Inbox, ServerGone
from xapp.engine.scheduler import Scheduler
from xapp.engine.worker import Worker
from xapp.inference.v1 import inference_pb2 as pb
from xapp.server.servicer import InferenceServicer
from xapp.telemetry.metrics import Metrics
from xapp.telemetry.reading import NodeReader

MOST = 16
XAPP = str(Path(__file__).parents[2] / "xapp")
SERVER = ["Generate", "generate", "stream", "submit", "submit", "_send"]
"""NodeService.generate hands the request to Generation.generate, and is gone before that one runs."""
PASSED_ON = ["generate"]
WORKER = ["run", "_handle", "submit", "add"]
TRANSPORT = ["receive"]


class Call:
    """The context of one call, which has no deadline."""

    def __init__(self) -> None:
        self.answers: list[pb.GenerateResponse] = []

    def time_remaining(self) -> None:
        return None

    async def write(self, message: pb.GenerateResponse) -> None:
        self.answers.append(message)


def path_here() -> list[str]:
    """The project's functions that are on the stack, outermost first."""
    return [frame.name for frame in traceback.extract_stack() if frame.filename.startswith(XAPP)]


async def test_the_server_hands_it_on_in_few_steps(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[list[str]] = []
    node = InProcessNode(tmp_path, new_clock())
    async with node.running() as (service, client):
        write = client.wire.write

        def noted(data: bytes) -> None:
            seen.append(path_here())
            write(data)

        monkeypatch.setattr(client.wire, "write", noted)
        reader, watchdog = NodeReader(service, FakeHost()), Watchdog(30)
        servicer = InferenceServicer(
            service, Metrics(), reader, watchdog, node=NodeSettings(), log=LogSettings()
        )
        context: Any = Call()
        request = pb.GenerateRequest(prompt="hi", max_tokens=1)
        generating = servicer.Generate(request, context)
        await _drive(generating, client)
    assert seen[0] == SERVER


async def _drive(generating: Any, client: Any) -> None:
    task = asyncio.create_task(generating)
    while not task.done():
        client.step()
        await asyncio.sleep(0)
    await task


def test_the_worker_hands_it_on_in_few_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[list[str]] = []
    add = Scheduler.add

    def noted(scheduler: Scheduler, *arguments: Any) -> None:
        seen.append(path_here())
        add(scheduler, *arguments)

    monkeypatch.setattr(Scheduler, "add", noted)
    ours, theirs = socket.socketpair()
    with ours, theirs:
        ours.sendall(encode(Submit(1, [1, 2], 1)))
        ours.shutdown(socket.SHUT_WR)
        with pytest.raises(ServerGone):
            Worker(Engine(FakeBackend(EngineSettings(slots=1))), Inbox(theirs)).run()
    assert [*seen[0], "add"] == WORKER


def test_they_are_few_in_all() -> None:
    assert len([*SERVER, *PASSED_ON, *TRANSPORT, *WORKER]) <= MOST
