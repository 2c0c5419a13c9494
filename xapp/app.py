"""The server process, from its start to its end.

The worker is spawned first: it loads the model while this process imports the rest and opens its
ports. SIGTERM, SIGINT or SIGHUP: not ready, drain within the grace period, exit 0; a second one ends
at once.
"""

import asyncio
import contextlib
import importlib
import logging
import signal
import sys
import time
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from typing import Protocol, TypeVar

from xapp import logs
from xapp.config import Settings
from xapp.domain.service import Service
from xapp.errors import ConfigError, XappError
from xapp.hosts import DEFAULT_TARGET, host_port, loopback_of
from xapp.ports import check_free
from xapp.security.security import Security
from xapp.telemetry.late_observer import LateObserver
from xapp.telemetry.observe import Observer

EXIT_OK = 0
EXIT_IMMEDIATE = 1
EXIT_MODEL = 3
EXIT_LISTENER = 4
SWITCH_S = 0.0005
"""How long the event loop waits for a thread that computes beside it. Python's own 5 ms, several times for
each call, are half a second for a hundred calls.
"""

_T = TypeVar("_T")
_log = logging.getLogger("xapp")


class RunnableService(Service, Protocol):
    """A Service with a life of its own."""

    async def start(self) -> None:
        """Begins to load the default model and returns."""
        ...

    async def wait_ready(self) -> None:
        """Returns when the default model serves. Raises the XappError that loading ended with."""
        ...

    async def drain(self, grace_s: float) -> bool:
        """Refuses new requests, waits for the open ones; False when some are left."""
        ...

    async def aclose(self) -> None:
        """Ends every worker. Safe to call twice."""
        ...


ServiceFactory = Callable[[Settings, Observer], RunnableService]


def node_service(settings: Settings, observer: Observer) -> RunnableService:
    """The real service."""
    from xapp.service.service import NodeService  # noqa: PLC0415  only a server pays for it

    return NodeService(settings, observer=observer)


class Stop:
    """What the signals ask for."""

    def __init__(self) -> None:
        self.asked = asyncio.Event()
        self.at_once = asyncio.Event()
        self.listener_lost = False

    def on_signal(self) -> None:
        """The first asks for an orderly end, a further one for an end at once."""
        (self.at_once if self.asked.is_set() else self.asked).set()

    def on_listener_lost(self) -> None:
        """No call can come any more: what runs is drained, and the supervisor starts the process again."""
        self.listener_lost = True
        self.asked.set()


@contextlib.contextmanager
def _signals(stop: Stop) -> Iterator[None]:
    loop = asyncio.get_running_loop()
    numbers = [signal.SIGTERM, signal.SIGINT]
    # `nohup` ignores it so that the server outlives its terminal.
    if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:
        numbers.append(signal.SIGHUP)
    for number in numbers:
        loop.add_signal_handler(number, stop.on_signal)
    try:
        yield
    finally:
        for number in numbers:
            loop.remove_signal_handler(number)


async def run(
    settings: Settings, *, make_service: ServiceFactory = node_service, stop: Stop | None = None
) -> int:
    """Serves until a signal (or `stop`) and returns the exit code.

    0 after an orderly end, 1 after one at once, 3 when the default model cannot be served, 4 when the
    gRPC port was lost.
    Raises ConfigError when a setting, a file that it names, or a port stops the start.
    """
    begin = time.monotonic()
    sys.setswitchinterval(SWITCH_S)
    stop = stop or Stop()
    at = settings.server
    check_free(at.host, {"XAPP_GRPC_PORT": at.grpc_port, "XAPP_HTTP_PORT": at.http_port})
    security = Security(settings)
    with _signals(stop):
        observer = LateObserver()
        service = make_service(settings, observer)
        try:
            await service.start()
            async with (
                security.watching(),
                _listening(service, settings, observer, stop, security) as grpc_port,
            ):
                return await _serve(service, settings, stop, begin, grpc_port)
        finally:
            await service.aclose()


@contextlib.asynccontextmanager
async def _listening(
    service: Service, settings: Settings, observer: LateObserver, stop: Stop, security: Security
) -> AsyncIterator[int]:
    # In a thread: the loop is about to spawn the worker, and must not wait for half a second of imports.
    await asyncio.to_thread(_import_servers)
    from xapp.ric.http import serve_http  # noqa: PLC0415
    from xapp.server.server import serve_grpc  # noqa: PLC0415
    from xapp.telemetry.host import PsutilReader  # noqa: PLC0415
    from xapp.telemetry.metrics import Metrics  # noqa: PLC0415

    host, metrics = PsutilReader(), Metrics()
    observer.target = metrics
    async with (
        serve_grpc(service, settings, metrics, host, stop.on_listener_lost, security=security) as grpc_server,
        serve_http(service, settings, metrics, host, grpc_server.self_call, security=security) as http_server,
    ):
        ports: dict[str, object] = {"grpc_port": grpc_server.port, "http_port": http_server.port}
        logs.event(_log, "listening", {"event": "listening", "host": settings.server.host, **ports})
        yield grpc_server.port


def _import_servers() -> None:
    for name in ("xapp.server.server", "xapp.ric.http"):
        importlib.import_module(name)


async def _serve(
    service: RunnableService, settings: Settings, stop: Stop, begin: float, grpc_port: int
) -> int:
    try:
        ready = await _unless(stop.asked, service.wait_ready())
    except ConfigError:
        raise
    except XappError as error:
        _report_failure(settings.node.model, error)
        return EXIT_MODEL
    if ready is not None:
        seconds = round(time.monotonic() - begin, 3)
        logs.event(_log, "serving", {"event": "serving", "model": settings.node.model, "start_s": seconds})
        _hint(host_port(loopback_of(settings.server.host), grpc_port))
        await stop.asked.wait()
    return await _drain(service, settings.server.grace_period_s, stop)


def _hint(target: str) -> None:
    option = "" if target == DEFAULT_TARGET else f" --target {target}"
    logs.hint(f'ready; try, in another shell: genai-xapp generate "What is O-RAN?"{option}')


def _report_failure(model: str, error: XappError) -> None:
    fields: dict[str, object] = {"event": "model_failed", "model": model, "reason": error.reason}
    logs.event(_log, error.message, fields, level=logging.ERROR)
    # Once more for people, as `serve` says that a setting is wrong.
    logs.say(f"genai-xapp: {' '.join(error.message.split())}")


async def _drain(service: RunnableService, grace_s: float, stop: Stop) -> int:
    logs.event(_log, "draining", {"event": "draining", "grace_s": grace_s})
    drained = await _unless(stop.at_once, service.drain(grace_s))
    # Before gRPC ends them: so the streams that are left get a status that says why and when to come again.
    await service.aclose()
    orderly = drained is not None and drained.result()
    logs.event(_log, "stopped", {"event": "stopped", "orderly": orderly})
    if stop.listener_lost:
        return EXIT_LISTENER
    return EXIT_IMMEDIATE if drained is None else EXIT_OK


async def _unless(event: asyncio.Event, work: Coroutine[None, None, _T]) -> "asyncio.Future[_T] | None":
    """`work`, done; None when `event` came first, and it was cancelled. Raises its error."""
    working = asyncio.ensure_future(work)
    waiting = asyncio.ensure_future(event.wait())
    try:
        await asyncio.wait((working, waiting), return_when=asyncio.FIRST_COMPLETED)
        if working.done():
            working.result()
            return working
        return None
    finally:
        for task in (working, waiting):
            task.cancel()
        await asyncio.gather(working, waiting, return_exceptions=True)
