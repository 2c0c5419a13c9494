"""A NodeService whose worker is an engine in this process, on a clock that goes on with its steps."""

import asyncio
import zlib
from array import array
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from time import monotonic
from typing import Any

from tests.engine.harness import Clock
from tests.service.nodes import Node
from xapp.backend.base import Batch, Sampler
from xapp.backend.byte_vocab import ByteVocab
from xapp.backend.fake import FakeBackend
from xapp.backend.fake_rule import END_TOKEN
from xapp.config import EngineSettings
from xapp.domain.kinds import ModelKind
from xapp.domain.messages import (
    Cancel,
    Extend,
    FrameBuffer,
    ModelInfo,
    StepEvents,
    Submit,
    decode_from_worker,
    decode_to_worker,
    encode,
)
from xapp.engine.engine import Engine
from xapp.errors import Unavailable
from xapp.service.service import NodeService
from xapp.telemetry.latency import ModelLatencies
from xapp.text.codec import TextCodec
from xapp.workers.client import EngineClient
from xapp.workers.process_client import UNLOADING

STEP_S, TOKEN_S = 0.01, 0.003


def rule(tokens: Sequence[int]) -> int:
    """A letter that depends on every token before it; about one in 48 ends the answer."""
    digest = zlib.crc32(array("i", tokens).tobytes())
    return END_TOKEN if digest % 48 == 0 else ord("a") + digest % 26


def expected(prompt: str, max_tokens: int) -> str:
    """What the answer to this prompt is, whatever else runs."""
    tokens = TextCodec(ByteVocab()).encode(prompt)
    text = ""
    while len(text) < max_tokens and (token := rule(tokens)) != END_TOKEN:
        tokens.append(token)
        text += chr(token)
    return text


class ClockLoop(asyncio.SelectorEventLoop):
    """Its timers go by the engine's clock."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        super().__init__()

    def time(self) -> float:
        return self._clock()


class TimedBackend(FakeBackend):
    def __init__(self, settings: EngineSettings, clock: Clock) -> None:
        super().__init__(settings, rule=rule)
        self._clock = clock

    def decode(self, batch: Batch, samplers: list[Sampler]) -> list[int]:
        tokens = super().decode(batch, samplers)
        self._clock.now += STEP_S + TOKEN_S * len(batch)
        return tokens


class Wire(asyncio.Transport):
    """What is written to it has reached the engine."""

    def __init__(self, engine: Engine) -> None:
        super().__init__()
        self._engine = engine
        self._frames = FrameBuffer()
        self.num_submitted = 0

    def write(self, data: Any) -> None:
        for body in self._frames.feed(data):
            match decode_to_worker(body):
                case Submit() as request:
                    self.num_submitted += 1
                    self._engine.submit(request)
                case Cancel(request_id):
                    self._engine.cancel(request_id)
                case Extend(request_id, deadline):
                    self._engine.extend(request_id, deadline)

    def get_write_buffer_size(self) -> int:
        return 0

    def is_closing(self) -> bool:
        return False


class InProcessClient(EngineClient):
    """`step` is the worker's."""

    def __init__(self, settings: EngineSettings, clock: Clock, latencies: ModelLatencies) -> None:
        super().__init__("", settings, latencies=latencies)
        self.backend = TimedBackend(settings, clock)
        self.engine = Engine(self.backend, max_batch=32, clock=clock)
        self.wire = Wire(self.engine)

    async def load(
        self, on_progress: Callable[[float], None] | None = None, *, timeout_s: float = 600.0
    ) -> ModelInfo:
        self._transport = self.wire
        self._ready.set_result(self.backend.info)
        return self.backend.info

    def step(self) -> None:
        """One, and the server reads what it brought."""
        if self.engine.has_work:
            message = decode_from_worker(encode(self.engine.step())[4:])
            assert isinstance(message, StepEvents)
            self._on_message(message)

    async def aclose(self, why: str = UNLOADING) -> None:
        if not self.lost.done():
            self.lost.set_result(Unavailable(why))


class InProcessNode(Node):
    """Its only worker is `client`, once it serves."""

    def __init__(self, folder: Path, clock: Clock) -> None:
        super().__init__(folder, ["tiny"])
        self.clock = clock
        self.client: InProcessClient | None = None

    def _new_client(
        self, path: Path, settings: EngineSettings, latencies: ModelLatencies, kind: ModelKind
    ) -> EngineClient:
        self.client = InProcessClient(settings, self.clock, latencies)
        return self.client

    @asynccontextmanager
    async def running(self, **fields: Any) -> AsyncIterator[tuple[NodeService, InProcessClient]]:
        """Serves no tasks."""
        tasks = self.folder / "tasks"
        tasks.mkdir(exist_ok=True)
        async with self.serving(tasks_dir=str(tasks), **fields) as service:
            assert self.client is not None
            yield service, self.client


def new_clock() -> Clock:
    """Begins now: what takes real time is compared with it, too."""
    clock = Clock()
    clock.now = monotonic()
    return clock
