"""A NodeService on scripted workers: real processes, real frames, tokens that are bytes."""

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from tests.flat_settings import flat_settings
from tests.workers.workers import COMMAND, WorkerScript
from xapp.backend.byte_vocab import ByteVocab
from xapp.config import EngineSettings, Settings
from xapp.domain.answers import Chunk, Event, Finished, Started
from xapp.domain.kinds import ModelKind
from xapp.domain.requests import Request
from xapp.domain.states import ModelState
from xapp.models.mark import Mark
from xapp.served.dependencies import ModelDependencies, Need
from xapp.service.service import NodeService
from xapp.telemetry.latency import ModelLatencies
from xapp.text.codec import TextCodec
from xapp.text.local import LocalText
from xapp.text.prompts import Codec
from xapp.workers.client import EngineClient

DIGEST = "sha256:" + "0" * 64
ORIGIN = "sha256:" + "1" * 64


class Node:
    """A models folder with some models, and a service over it."""

    def __init__(self, folder: Path, names: Sequence[str] = ("tiny", "other", "third")) -> None:
        self.folder = folder
        self.scripts = {name: WorkerScript(folder / f"{name}.gguf") for name in names}
        self.num_clients = 0
        self.needs = Need(1, 1)
        self.available = 100
        self.difference = ""
        self.digest: Callable[[Path], str] = lambda _: DIGEST
        self.look: Callable[[Path], Mark] = lambda _: ()
        """Files do not change, unless a test says so: the script of a worker is its model file."""

    def settings(self, **fields: Any) -> Settings:
        """By names without tables; `own` has the table of each model that has one."""
        values = {
            "model": "tiny",
            "slots": 2,
            "models_dir": str(self.folder),
            "load_timeout_s": 30.0,
            "pin_tasks": False,
            **fields,
        }
        return flat_settings(**values)

    def service(self, **fields: Any) -> NodeService:
        return NodeService(self.settings(**fields), tools=self.tools())

    def tools(self) -> ModelDependencies:
        return ModelDependencies(
            digest=self._digest,
            rehash=self._digest,
            look=self._look,
            origin=lambda _: ORIGIN,
            difference=lambda *_: self.difference,
            memory_need=lambda *_: self.needs,
            available_bytes=lambda: self.available,
            load_codec=self._load_codec,
            new_client=self._new_client,
        )

    def _digest(self, path: Path) -> str:
        return self.digest(path)

    def _look(self, path: Path) -> Mark:
        return self.look(path)

    async def _load_codec(self, _: Path) -> Codec:
        return LocalText(TextCodec(ByteVocab()))

    def _new_client(
        self, path: Path, settings: EngineSettings, latencies: ModelLatencies, kind: ModelKind
    ) -> EngineClient:
        self.num_clients += 1
        return EngineClient(str(path), settings, command=COMMAND, latencies=latencies)

    @asynccontextmanager
    async def serving(self, **fields: Any) -> AsyncIterator[NodeService]:
        async with self.service(**fields) as service:
            await service.wait_ready()
            yield service


async def collect(service: NodeService, request: Request) -> list[Event]:
    return [event async for event in service.generate(request)]


def text_of(events: Sequence[Event]) -> str:
    return "".join(event.text for event in events if isinstance(event, Chunk))


def finished_of(events: Sequence[Event]) -> Finished:
    """Checks the shape of a stream that went well, too."""
    assert isinstance(events[0], Started)
    assert isinstance(events[-1], Finished)
    assert all(isinstance(event, Chunk) and event.text for event in events[1:-1])
    return events[-1]


def pid_of(service: NodeService, name: str = "tiny") -> int:
    return next(sample.worker_pid for sample in service.samples() if sample.name == name)


def is_ready(service: NodeService, name: str) -> bool:
    return service.get_model(name).state is ModelState.READY
