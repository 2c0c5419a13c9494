"""The HTTP port with OpenAI's dialect and the web page: what it is made of."""

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING

from aiohttp import web

from xapp.config import Settings
from xapp.domain.service import Service
from xapp.edge.doorway import Room
from xapp.edge.http_port import HttpAddress, http_port
from xapp.edge.watchdog import Watchdog
from xapp.gateway.answering import Answering
from xapp.gateway.bodies import Bodies
from xapp.gateway.browsers import Browsers
from xapp.gateway.guards import Guards, add_headers
from xapp.gateway.node_routes import NodeRoutes
from xapp.gateway.page_routes import PageRoutes
from xapp.gateway.routes import Routes
from xapp.gateway.vector_routes import VectorRoutes
from xapp.security.access import Access
from xapp.security.security import Security
from xapp.telemetry.host import HostReader
from xapp.telemetry.metrics import Metrics
from xapp.telemetry.reading import NodeReader

if TYPE_CHECKING:
    from xapp.speech.speech import Speech

PORT_KEY = "XAPP_OPENAI_PORT"
IDLE_S = 75.0
"""A connection whose next request does not arrive within this time is closed, its headers included."""

LINGER_S = 0.5
"""How long the rest of a refused body is read, so that the client sees the refusal."""


def _speech_routes(
    speech: "Speech | None", settings: Settings, metrics: Metrics, watchdog: Watchdog
) -> list[web.RouteDef]:
    if speech is None:
        return []
    # Only a node with engines of speech imports their paths.
    from xapp.gateway.speech_routes import SpeechRoutes  # noqa: PLC0415

    return SpeechRoutes(speech, settings, metrics, watchdog).table()


@contextlib.asynccontextmanager
async def serve_openai(
    service: Service,
    settings: Settings,
    metrics: Metrics,
    host: HostReader,
    *,
    port: int,
    security: Security | None = None,
    speech: "Speech | None" = None,
) -> AsyncIterator[int]:
    """Listens for the length of the block; the value is the port's number. `port` 0 takes a free one.

    Without `security` the port is plain text and asks for no credentials. Raises ConfigError.
    """
    access = security.access if security else Access(settings)
    watchdog = Watchdog(settings.server.write_timeout_s)
    guards = Guards(access, Browsers(settings.openai, settings.server.host), metrics)
    app = web.Application(middlewares=[guards.middleware()])
    answering = Answering(service, metrics, watchdog, settings.log)
    reader = NodeReader(service, host)
    app.add_routes(NodeRoutes(service, access, reader, settings.node.name or socket.gethostname()).table())
    app.add_routes(PageRoutes().table())
    bodies = Bodies(settings.server.max_message_bytes)
    app.add_routes(Routes(service, access, answering, bodies).table())
    app.add_routes(VectorRoutes(service, access, metrics, bodies, settings.log).table())
    app.add_routes(_speech_routes(speech, settings, metrics, watchdog))
    app.on_response_prepare.append(add_headers)
    address = HttpAddress(settings.server.host, port, PORT_KEY)
    most = settings.server.max_connections
    room = Room(most=most, each=most, is_busy=guards.is_busy)
    # A client that hangs up ends its handler, and so its request. Bodies are taken without compression.
    options = {"keepalive_timeout": IDLE_S, "handler_cancellation": True, "auto_decompress": False}
    options["lingering_time"] = LINGER_S
    watching = asyncio.create_task(watchdog.run())
    try:
        async with http_port(app, address, room, security, **options) as number:
            yield number
    finally:
        watching.cancel()
        await asyncio.wait([watching])
