"""The server process, from its start to its end.

The worker is spawned first: it loads the model while this process imports the rest and opens its ports. On
SIGTERM, SIGINT or SIGHUP the process is not ready, drains within the grace period, and exits with 0. A
second signal ends it at once.
"""

import asyncio
import logging
import sys
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Protocol

from xapp import logs
from xapp.config import Settings
from xapp.domain.service import Service
from xapp.errors import ConfigError, XappError
from xapp.hosts import DEFAULT_TARGET, host_port, loopback_of
from xapp.open_ports import OpenPorts, open_ports
from xapp.ports import check_free
from xapp.security.exposure import check_exposure
from xapp.security.security import Security
from xapp.stop import Stop, signals_to, unless

if TYPE_CHECKING:
    from xapp.ric.link import RicLink

EXIT_OK = 0
EXIT_IMMEDIATE = 1
EXIT_MODEL = 3
EXIT_LISTENER = 4
SWITCH_S = 0.0005
"""How long the event loop waits for a thread that computes, seconds. Python's own 5 ms, several times for
each call, add up to half a second for a hundred calls.
"""

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
    wanted = {"XAPP_GRPC_PORT": at.grpc_port, "XAPP_HTTP_PORT": at.http_port}
    check_free(at.host, wanted | {"XAPP_OPENAI_PORT": settings.openai.port})
    check_exposure(settings)
    security = Security(settings)
    with signals_to(stop):
        await _report_services(settings)
        service = make_service(settings)
        try:
            await service.start()
            async with (
                security.watching(),
                open_ports(service, settings, stop, security) as ports,
            ):
                return await _serve(service, settings, stop, begin, ports)
        finally:
            await service.aclose()


async def _report_services(settings: Settings) -> None:
    """Logs what each service takes. Raises ConfigError where they cannot fit on this node."""
    from xapp.node_plan.make_plan import plan_of_this_node  # noqa: PLC0415  only a server pays for it
    from xapp.node_plan.report import report  # noqa: PLC0415

    report(await asyncio.to_thread(plan_of_this_node, settings))


async def _serve(
    service: RunnableService, settings: Settings, stop: Stop, begin: float, ports: OpenPorts
) -> int:
    try:
        ready = await unless(stop.asked, service.wait_ready())
    except ConfigError:
        raise
    except XappError as error:
        _report_failure(settings.node.model, error)
        return EXIT_MODEL
    if ready is not None:
        seconds = round(time.monotonic() - begin, 3)
        logs.event(_log, "serving", {"event": "serving", "model": settings.node.model, "start_s": seconds})
        _hint(host_port(loopback_of(settings.server.host), ports.grpc_port))
        ports.link.on_ready()
        await stop.asked.wait()
    return await _drain(service, settings.server.grace_period_s, stop, ports.link)


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
    drained = await unless(stop.at_once, _drain_and_leave(service, grace_s, link))
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
