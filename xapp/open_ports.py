"""The ports of a node: gRPC, HTTP and OpenAI's dialect, and the connection to the RIC."""

import asyncio
import contextlib
import importlib
import logging
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from xapp import logs
from xapp.config import Settings
from xapp.domain.service import Service
from xapp.security.security import Security
from xapp.stop import Stop

if TYPE_CHECKING:
    from xapp.ric.link import RicLink
    from xapp.speech.node import SpeechNode
    from xapp.telemetry.host import HostReader
    from xapp.telemetry.metrics import Metrics

_log = logging.getLogger("xapp")


@dataclass(frozen=True, slots=True)
class OpenPorts:
    """The service with its ports open. `link` is the connection to the RIC."""

    grpc_port: int
    link: "RicLink"


@contextlib.asynccontextmanager
async def open_ports(
    service: Service, settings: Settings, stop: Stop, security: Security
) -> AsyncIterator[OpenPorts]:
    """Serves within the block. `stop` learns of a lost gRPC port. Raises ConfigError for a port in use."""
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
        yield OpenPorts(grpc_server.port, link)


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
