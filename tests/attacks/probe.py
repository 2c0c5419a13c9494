"""What somebody else notices of an attack: health's answers and the memory of the node."""

import asyncio
import contextlib
import sys
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from time import monotonic

import grpc
import psutil
from grpc_health.v1 import health_pb2, health_pb2_grpc

from tests.attacks.attack import Place
from tests.attacks.child import FAILED
from tests.live import LiveServer

EVERY_S = 0.05
CALL_S = 30.0
SETTLE_S = 0.5
_OWN = [("grpc.use_local_subchannel_pool", 1), ("grpc.max_reconnect_backoff_ms", 200)]


@dataclass(slots=True)
class Seen:
    """Seconds that each answer of health took; `failed` ones had another status than SERVING or none.

    `answers_s` are answers over gRPC, `pages_s` those of `GET /health` at the port of OpenAI's dialect, each
    on a connection of its own. `memory_bytes` is the most that the server process had resident above
    what it had when it was idle; `text_bytes` the same of text processes together.
    """

    answers_s: list[float] = field(default_factory=list)
    pages_s: list[float] = field(default_factory=list)
    failed: list[str] = field(default_factory=list)
    memory_bytes: int = 0
    text_bytes: int = 0
    alive: bool = True
    rounds: str = ""

    def quantile_ms(self, share: float) -> float:
        """Milliseconds that this share of the answers took at most."""
        return _quantile_ms(self.answers_s, share)

    def page_quantile_ms(self, share: float) -> float:
        """The same at the port of OpenAI's dialect."""
        return _quantile_ms(self.pages_s, share)


def _quantile_ms(times_s: list[float], share: float) -> float:
    answers = sorted(times_s)
    return 1000 * answers[min(int(share * len(answers)), len(answers) - 1)] if answers else float("inf")


def place_of(server: LiveServer) -> Place:
    """All ports."""
    said = server.wait_for("listening")
    return Place(*(("127.0.0.1", said[f"{name}_port"]) for name in ("grpc", "http", "openai")))


def resident(server: LiveServer) -> tuple[int, int]:
    """Bytes of the server process, and of its text processes and their children."""
    own = psutil.Process(server.pid)
    text = 0
    for child in own.children(recursive=True):
        with contextlib.suppress(psutil.Error):
            if "xapp.text.process" in child.cmdline():
                text += _pss(child.pid)
    return own.memory_info().rss, text


def _pss(pid: int) -> int:
    with contextlib.suppress(OSError):
        for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
            if line.startswith("Pss:"):
                return int(line.split()[1]) * 1024
    return 0


class Attacker:
    """The process that attacks, and what others see of it."""

    def __init__(self, server: LiveServer, child: asyncio.subprocess.Process, idle: tuple[int, int]) -> None:
        self._server = server
        self._child = child
        self._idle = idle

    async def attack(self, name: str, seconds: float, settle_s: float = SETTLE_S) -> Seen:
        """Asks health all the time while the attack lasts, and `settle_s` longer."""
        seen = Seen()
        place = place_of(self._server)
        works = (_ask(self._server, place, self._idle, seen), _ask_openai(place, seen))
        asking = [asyncio.create_task(work) for work in works]
        try:
            seen.rounds = await self._run(name, seconds)
            assert seen.rounds not in {"", FAILED}, f"the attack itself failed: {name}"
            await asyncio.sleep(settle_s)
        finally:
            for task in asking:
                task.cancel()
            await asyncio.wait(asking)
        seen.alive = self._server.process.poll() is None
        return seen

    async def _run(self, name: str, seconds: float) -> str:
        assert self._child.stdin is not None
        assert self._child.stdout is not None
        self._child.stdin.write(f"{name} {seconds}\n".encode())
        await self._child.stdin.drain()
        return (await self._child.stdout.readline()).decode().strip()


@contextlib.asynccontextmanager
async def attacker(server: LiveServer, idle: tuple[int, int]) -> AsyncIterator[Attacker]:
    """A process that attacks the server. `idle` is the memory before the first attack."""
    place, pipe = place_of(server), asyncio.subprocess.PIPE
    ports = (str(each[1]) for each in (place.grpc, place.http, place.openai))
    command = (sys.executable, "-m", "tests.attacks.child", *ports)
    child = await asyncio.create_subprocess_exec(*command, stdin=pipe, stdout=pipe)
    try:
        yield Attacker(server, child, idle)
    finally:
        assert child.stdin is not None
        child.stdin.close()
        await child.wait()


async def _ask(server: LiveServer, place: Place, idle: tuple[int, int], seen: Seen) -> None:
    async with grpc.aio.insecure_channel(place.target, options=_OWN) as channel:
        while True:
            begun = monotonic()
            await _check(channel, seen)
            with contextlib.suppress(psutil.Error):
                own, text = resident(server)
                seen.memory_bytes = max(seen.memory_bytes, own - idle[0])
                seen.text_bytes = max(seen.text_bytes, text - idle[1])
            await asyncio.sleep(max(0.0, EVERY_S - (monotonic() - begun)))


async def _check(channel: grpc.aio.Channel, seen: Seen) -> None:
    begun = monotonic()
    try:
        answer = await health_pb2_grpc.HealthStub(channel).Check(
            health_pb2.HealthCheckRequest(), timeout=CALL_S
        )
    except grpc.aio.AioRpcError as error:
        seen.failed.append(f"{error.code().name}: {error.details()}")
        return
    seen.answers_s.append(monotonic() - begun)
    if answer.status != health_pb2.HealthCheckResponse.SERVING:
        seen.failed.append("NOT_SERVING")


async def _ask_openai(place: Place, seen: Seen) -> None:
    while True:
        begun = monotonic()
        try:
            async with asyncio.timeout(CALL_S):
                status = await page_status(place)
        except (OSError, asyncio.IncompleteReadError) as error:
            seen.failed.append(f"GET /health: {type(error).__name__}")
        else:
            seen.pages_s.append(monotonic() - begun)
            if status != b"200":
                seen.failed.append(f"GET /health: {status.decode()}")
        await asyncio.sleep(max(0.0, EVERY_S - (monotonic() - begun)))


async def page_status(place: Place) -> bytes:
    """The status of `GET /health` at the port of OpenAI's dialect, on a connection of its own."""
    reader, writer = await asyncio.open_connection(*place.openai)
    try:
        writer.write(b"GET /health HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
        return (await reader.readuntil(b"\r\n")).split()[1]
    finally:
        writer.transport.abort()
