"""A scripted Service and host: no engine, no model."""

import asyncio
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from dataclasses import dataclass, field

import msgspec

from tests.fake_embedding import FakeEmbedding
from xapp.domain.answers import (
    ChoiceScore,
    Chunk,
    Estimate,
    Event,
    Finished,
    Latencies,
    ScoreResult,
    Started,
    Tokens,
)
from xapp.domain.embedding import EmbedRequest, EmbedResult, RerankRequest, RerankResult
from xapp.domain.kinds import Capability
from xapp.domain.messages import FinishReason, ModelInfo, Stats
from xapp.domain.power import PowerState
from xapp.domain.requests import Prompt, Request, ScoreRequest
from xapp.domain.retrieval import Retrieval
from xapp.domain.serving_policy import ServingPolicy
from xapp.domain.states import ModelSample, ModelState, ModelStatus, TasksState
from xapp.domain.task import Task
from xapp.domain.verification import Opening, Session
from xapp.errors import NotFound, XappError
from xapp.served.changes import Changes
from xapp.telemetry.host import HostUsage, ProcessUsage

MODEL = "tiny"
INFO = ModelInfo("llama 1M F32", 1000, 2048, 4, 8192, 500, "f16", True, 2, 0, 0.1, 32000)
STATS = Stats(1, 2, 30, 40, 500, 60, 700, 8, 0.9)

ESTIMATE = Estimate(3, 20, Latencies(0.1, 0.2), Latencies(0.5, 0.75), Latencies(1.5, 2.25))

Script = Callable[[Request], AsyncGenerator[Event, None]]


def started(request: Request) -> Started:
    return Started(MODEL, "sha256:00", 3, 1, 0.25, 7, request.correlation_id)


FINISHED = Finished(FinishReason.STOP, 3, 1, 2, 0.25, 0.5, 1.5, 0.75)


async def hello(request: Request) -> AsyncGenerator[Event, None]:
    """A short answer."""
    yield started(request)
    yield Chunk("Hel", 1)
    yield Chunk("lo", 1)
    yield FINISHED


def failing(error: Exception) -> Script:
    """Fails before anything comes."""

    async def script(request: Request) -> AsyncGenerator[Event, None]:
        if error:
            raise error
        yield started(request)

    return script


def endless(text: str, pause: asyncio.Event | None = None) -> Script:
    """Goes on until it is closed; waits for `pause` after the first chunk."""

    async def script(request: Request) -> AsyncGenerator[Event, None]:
        yield started(request)
        yield Chunk(text, 1)
        if pause is not None:
            await pause.wait()
        while True:
            yield Chunk(text, 1)
            await asyncio.sleep(0)

    return script


@dataclass
class FakeService:
    """Implements xapp.domain.service.Service from what the test sets."""

    script: Script = hello
    ready: bool = True
    draining: bool = False
    error: XappError | None = None
    requests: list[Request] = field(default_factory=list)
    closed: asyncio.Event = field(default_factory=asyncio.Event)
    stats: Stats = STATS
    worker_pid: int = 4711
    estimated: Estimate = ESTIMATE
    tasks: Sequence[Task] = ()
    policies: dict[str, ServingPolicy] = field(default_factory=dict)
    changes: Changes = field(default_factory=Changes)
    vectors: FakeEmbedding = field(default_factory=FakeEmbedding)
    collections: Retrieval | None = None
    power: PowerState = PowerState()

    def set_ready(self, ready: bool) -> None:
        self.ready = ready
        self.changes.notify()

    def subscribe(self, listener: Callable[[], None]) -> Callable[[], None]:
        return self.changes.subscribe(listener)

    async def generate(self, request: Request) -> AsyncGenerator[Event, None]:
        self.requests.append(request)
        try:
            async for event in self.script(request):
                yield event
        finally:
            self.closed.set()

    async def open_session(self, opening: Opening) -> Session:
        raise AssertionError("no test of this service verifies")

    async def estimate(self, request: Request) -> Estimate:
        self.requests.append(request)
        self._raise()
        return self.estimated

    async def score(self, request: ScoreRequest) -> ScoreResult:
        self.requests.append(request.request)
        self._raise()
        scores = tuple(ChoiceScore(choice, -1.0, 1, -1.0, 0.5) for choice in request.choices)
        return ScoreResult(started(request.request), FINISHED, scores, 0, 0.0)

    def name_for(self, needed: Capability) -> str:
        return MODEL if needed is Capability.GENERATE else self.vectors.model

    async def embed(self, request: EmbedRequest) -> EmbedResult:
        self._raise()
        return await self.vectors.embed(request)

    async def rerank(self, request: RerankRequest) -> RerankResult:
        self._raise()
        return await self.vectors.rerank(request)

    async def tokenize(self, model: str, prompt: Prompt, client: str) -> Tokens:
        self._raise()
        return Tokens([1, 2, 3], 2048)

    def detokenize(self, model: str, tokens: Sequence[int]) -> str:
        self._raise()
        return bytes(tokens).decode()

    def list_models(self) -> list[ModelStatus]:
        self._raise()
        return [ModelStatus("other", ModelState.AVAILABLE), self.status]

    @property
    def status(self) -> ModelStatus:
        return ModelStatus(MODEL, ModelState.READY, True, info=INFO, num_restarts=2, license="MIT")

    def get_model(self, name: str) -> ModelStatus:
        if name == self.vectors.model:
            info = msgspec.structs.replace(INFO, kind="embedding", dimensions=self.vectors.dimensions)
            return ModelStatus(name, ModelState.READY, info=info)
        if name not in ("", MODEL):
            raise NotFound(f"no model {name!r}", metadata={"models": MODEL})
        return self.status

    async def load_model(self, name: str) -> AsyncGenerator[ModelStatus, None]:
        yield ModelStatus(name, ModelState.LOADING, progress=0.5)
        self._raise()
        yield ModelStatus(name, ModelState.READY, info=INFO, progress=1.0)

    async def unload_model(self, name: str) -> ModelStatus:
        self._raise()
        return ModelStatus(name, ModelState.AVAILABLE)

    def samples(self) -> list[ModelSample]:
        latencies = Latencies(0.5, 1.25, 2.0)
        pid = self.worker_pid
        return [
            ModelSample(
                MODEL, self.stats, pid, latencies, text_pid=pid + 1, num_text_restarts=3, prediction_s=0.5
            )
        ]

    def set_policies(self, policies: Mapping[str, ServingPolicy]) -> None:
        self.policies = dict(policies)

    def list_tasks(self) -> Sequence[Task]:
        return self.tasks

    @property
    def power_state(self) -> PowerState:
        return self.power

    @property
    def tasks_state(self) -> TasksState:
        return TasksState(len(self.tasks), 1)

    def _raise(self) -> None:
        if self.error is not None:
            raise self.error


class FakeHost:
    """Implements xapp.telemetry.host.HostReader."""

    def __init__(self) -> None:
        self.usage = HostUsage(10.0, 100.0, 1000, 2000, 61.5, True)
        self.worker = ProcessUsage(5.0, 300, 200)

    def host(self) -> HostUsage:
        return self.usage

    def process(self, pid: int) -> ProcessUsage:
        return self.worker if pid else ProcessUsage()
