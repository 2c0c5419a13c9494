"""The server process, from its start to its end.

The worker is spawned first: it loads the model while this process imports the rest and opens its ports. On
SIGTERM, SIGINT or SIGHUP the process is not ready, drains within the grace period, and exits with 0. A
second signal ends it at once.
"""

import asyncio
import contextlib
import importlib
import logging
import signal
import sys
import time
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol, TypeVar

from xapp import logs
from xapp.config import Settings
from xapp.domain.service import Service
from xapp.errors import ConfigError, XappError
from xapp.hosts import DEFAULT_TARGET, host_port, loopback_of
from xapp.ports import check_free
from xapp.security.exposure import check_exposure
from xapp.security.security import Security

if TYPE_CHECKING:
    from xapp.ric.link import RicLink
    from xapp.speech.node import SpeechNode
    from xapp.telemetry.host import HostReader
    from xapp.telemetry.metrics import Metrics

EXIT_OK = 0
EXIT_IMMEDIATE = 1
EXIT_MODEL = 3
EXIT_LISTENER = 4
SWITCH_S = 0.0005
"""How long the event loop waits for a thread that computes, seconds. Python's own 5 ms, several times for
each call, add up to half a second for a hundred calls.
"""

_T = TypeVar("_T")
_log = logging.getLogger("xapp")


class RunnableService(Service, Protocol):
    """A Service that is started and ended."""

    async def start(self) -> None:
        """Starts to load the default model, and returns."""
        ...

    async def wait_ready(self) -> None:
        """Returns when the default model serves. Raises the XappError of the load."""
        ...

    async def drain(self, grace_s: float) -> bool:
        """Refuses new requests and waits for the open requests. False when some are left."""
        ...

    async def aclose(self) -> None:
        """Ends every worker. Safe to call twice."""
        ...


ServiceFactory = Callable[[Settings], RunnableService]


def node_service(settings: Settings) -> RunnableService:
    """The real service."""
    from xapp.routing.node import routed_service  # noqa: PLC0415  only a server pays for it

    return routed_service(settings)


class Stop:
    """The requested end of the process."""

    def __init__(self) -> None:
        self.asked = asyncio.Event()
        self.at_once = asyncio.Event()
        self.listener_lost = False

    def on_signal(self) -> None:
        """The first signal requests an orderly end, a further signal an end at once."""
        (self.at_once if self.asked.is_set() else self.asked).set()

    def on_listener_lost(self) -> None:
        """No call can arrive any more: open calls are drained, and the process's supervisor restarts it."""
        self.listener_lost = True
        self.asked.set()


@dataclass(frozen=True, slots=True)
class _Listening:
    """The service with its ports open. `link` is the connection to the RIC."""

    grpc_port: int
    link: "RicLink"


@contextlib.contextmanager
def _signals(stop: Stop) -> Iterator[None]:
    loop = asyncio.get_running_loop()
    numbers = [signal.SIGTERM, signal.SIGINT]
    # `nohup` ignores SIGHUP so that the server outlives its terminal.
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

    0 after an orderly end, 1 after an end at once, 3 when the default model cannot be served, 4 when the
    gRPC port was lost.
    Raises ConfigError when a setting, a file that it names, or a port prevents the start.
    """
    begin = time.monotonic()
    sys.setswitchinterval(SWITCH_S)
    stop = stop or Stop()
    at = settings.server
    ports = {"XAPP_GRPC_PORT": at.grpc_port, "XAPP_HTTP_PORT": at.http_port}
    check_free(at.host, ports | {"XAPP_OPENAI_PORT": settings.openai.port})
    check_exposure(settings)
    security = Security(settings)
    with _signals(stop):
        await _report_services(settings)
        service = make_service(settings)
        try:
            await service.start()
            async with (
                security.watching(),
                _listening(service, settings, stop, security) as listening,
            ):
                return await _serve(service, settings, stop, begin, listening)
        finally:
            await service.aclose()


async def _report_services(settings: Settings) -> None:
    """Logs what each service takes. Raises ConfigError where they cannot fit on this node."""
    from xapp.node_plan.make_plan import plan_of_this_node  # noqa: PLC0415  only a server pays for it
    from xapp.node_plan.report import report  # noqa: PLC0415

    report(await asyncio.to_thread(plan_of_this_node, settings))


@contextlib.asynccontextmanager
async def _listening(
    service: Service, settings: Settings, stop: Stop, security: Security
) -> AsyncIterator[_Listening]:
    # In a thread: the loop is about to spawn the worker, and must not wait for half a second of imports.
    await asyncio.to_thread(_import_servers)
    from xapp.ric.http import serve_http  # noqa: PLC0415
    from xapp.ric.link import RicLink  # noqa: PLC0415
    from xapp.server.server import serve_grpc  # noqa: PLC0415
    from xapp.telemetry.host import PsutilReader  # noqa: PLC0415
    from xapp.telemetry.metrics import Metrics  # noqa: PLC0415

    host, metrics = PsutilReader(), Metrics()
    link = RicLink(service, settings, host, security.not_after)
    async with (
        _speech(service, settings) as speech,
        serve_grpc(
            service, settings, metrics, host, stop.on_listener_lost, security=security, speech=speech
        ) as grpc_server,
        serve_http(
            service, settings, metrics, host, grpc_server.self_call, security=security, link=link
        ) as http_server,
        link.running(),
        _gateway(service, settings, metrics, host, security=security, speech=speech) as openai_port,
    ):
        ports: dict[str, object] = {"grpc_port": grpc_server.port, "http_port": http_server.port}
        if openai_port:
            ports["openai_port"] = openai_port
        logs.event(_log, "listening", {"event": "listening", "host": settings.server.host, **ports})
        yield _Listening(grpc_server.port, link)


@contextlib.asynccontextmanager
async def _speech(service: Service, settings: Settings) -> AsyncIterator["SpeechNode | None"]:
    """The engines of speech; None where the settings have none."""
    if not settings.speech.on:
        yield None
        return
    from xapp.speech.node import speech_node  # noqa: PLC0415

    async with speech_node(settings, service) as node:
        yield node


@contextlib.asynccontextmanager
async def _gateway(
    service: Service,
    settings: Settings,
    metrics: "Metrics",
    host: "HostReader",
    *,
    security: Security,
    speech: "SpeechNode | None",
) -> AsyncIterator[int]:
    """The port with OpenAI's dialect; 0 where the settings have none."""
    if not settings.openai.port:
        yield 0
        return
    from xapp.gateway.server import serve_openai  # noqa: PLC0415

    async with serve_openai(
        service, settings, metrics, host, port=settings.openai.port, security=security, speech=speech
    ) as port:
        yield port


def _import_servers() -> None:
    for name in ("xapp.server.server", "xapp.ric.http"):
        importlib.import_module(name)


async def _serve(
    service: RunnableService, settings: Settings, stop: Stop, begin: float, listening: _Listening
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
        _hint(host_port(loopback_of(settings.server.host), listening.grpc_port))
        listening.link.on_ready()
        await stop.asked.wait()
    return await _drain(service, settings.server.grace_period_s, stop, listening.link)


def _hint(target: str) -> None:
    option = "" if target == DEFAULT_TARGET else f" --target {target}"
    logs.hint(f'ready; try, in another shell: genai-xapp generate "What is O-RAN?"{option}')


def _report_failure(model: str, error: XappError) -> None:
    fields: dict[str, object] = {"event": "model_failed", "model": model, "reason": error.reason}
    logs.event(_log, error.message, fields, level=logging.ERROR)
    # Again for people, as `serve` reports a wrong setting.
    logs.say(f"genai-xapp: {' '.join(error.message.split())}")


async def _drain(service: RunnableService, grace_s: float, stop: Stop, link: "RicLink") -> int:
    logs.event(_log, "draining", {"event": "draining", "grace_s": grace_s})
    drained = await _unless(stop.at_once, _drain_and_leave(service, grace_s, link))
    # Before gRPC ends them, so that the remaining streams get a status with the reason and the time to retry.
    await service.aclose()
    orderly = drained is not None and drained.result()
    logs.event(_log, "stopped", {"event": "stopped", "orderly": orderly})
    if stop.listener_lost:
        return EXIT_LISTENER
    return EXIT_IMMEDIATE if drained is None else EXIT_OK


async def _drain_and_leave(service: RunnableService, grace_s: float, link: "RicLink") -> bool:
    """Not ready first, so that the RIC learns of it while open streams end."""
    drained, _ = await asyncio.gather(service.drain(grace_s), link.leave())
    return drained


async def _unless(event: asyncio.Event, work: Coroutine[None, None, _T]) -> "asyncio.Future[_T] | None":
    """The result of `work`; None when `event` came first and `work` was cancelled. Raises its error."""
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
