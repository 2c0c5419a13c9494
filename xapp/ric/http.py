"""The HTTP surface that a near-RT RIC and Prometheus expect of an xApp.

GET /metrics and /ric/v1/metrics, /ric/v1/health/{alive,ready}, /ric/v1/config, /ric/v1/policies,
/ric/v1/symptomdata.
"""

import asyncio
import contextlib
import os
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Protocol

from aiohttp import web

from xapp.config import Settings
from xapp.domain.service import Service
from xapp.edge.doorway import Room
from xapp.edge.http_port import HttpAddress, http_port
from xapp.errors import ConfigError
from xapp.ric.access import guarding
from xapp.ric.descriptor import load_descriptor, name_in
from xapp.ric.link import RicLink
from xapp.ric.node_values import read_values
from xapp.ric.symptoms import symptom_zip
from xapp.security.access import SYMPTOMS, Access
from xapp.security.refusals import Refusals
from xapp.security.reload import Reloaded
from xapp.security.security import Security
from xapp.security.tls import Certificates
from xapp.telemetry.host import HostReader
from xapp.telemetry.metrics import CONTENT_TYPE, Metrics

MAX_BODY_BYTES = 64 * 1024
_KEEPALIVE_S = 75.0
ROOM = Room(most=512, each=64)
"""A Prometheus and some probes have a few connections."""


@dataclass(frozen=True, slots=True)
class HttpServer:
    """A server that listens on `port`."""

    port: int


class GrpcPort(Protocol):
    """The gRPC port of this node, and whether it answers."""

    @property
    def port(self) -> int:
        """Its number."""
        ...

    @property
    def answers(self) -> bool:
        """Whether the port answered the last call."""
        ...

    @property
    def is_dead(self) -> bool:
        """Whether nothing listens on the port, or nothing has been answered for long."""
        ...

    async def check(self) -> None:
        """Calls the port, unless it was called just now."""
        ...


class RicHandlers:
    """The answers to requests, which have no body."""

    def __init__(
        self,
        service: Service,
        settings: Settings,
        metrics: Metrics,
        host: HostReader,
        grpc: GrpcPort,
        *,
        certificates: Reloaded[Certificates] | None,
        link: RicLink | None,
    ) -> None:
        self._service = service
        self._certificates = certificates
        self._settings = settings
        self._metrics = metrics
        self._host = host
        self._grpc = grpc
        self._link = link
        self._exposing: asyncio.Task[bytes] | None = None

    def routes(self, *, symptoms: bool = True) -> list[web.RouteDef]:
        """All paths, for GET and HEAD. The path of symptom data may be left out."""
        for_faults = [web.get("/ric/v1/symptomdata", self.symptoms)] if symptoms else []
        return [
            *for_faults,
            web.get("/metrics", self.metrics),
            web.get("/ric/v1/metrics", self.metrics),
            web.get("/ric/v1/health/alive", self.alive),
            web.get("/ric/v1/health/ready", self.ready),
            web.get("/ric/v1/config", self.config),
            web.get("/ric/v1/policies", self.policies),
        ]

    async def metrics(self, request: web.Request) -> web.Response:
        """Prometheus' text format."""
        return web.Response(body=await self._exposition(), headers={"Content-Type": CONTENT_TYPE})

    async def _exposition(self) -> bytes:
        """Concurrent readers share one page: a page holds the event loop for milliseconds."""
        if self._exposing is None or self._exposing.done():
            self._exposing = asyncio.create_task(self._expose())
        return await asyncio.shield(self._exposing)

    async def _expose(self) -> bytes:
        values = await read_values(self._service, self._host)
        if self._certificates is not None:
            values.node["certificate_not_after_seconds"] = self._certificates.value.not_after or 0.0
        if self._link is not None:
            values.node.update(self._link.gauges())
        return self._metrics.exposition(values)

    def _report(self) -> dict[str, object]:
        return {} if self._link is None else self._link.report()

    async def alive(self, request: web.Request) -> web.Response:
        """200 while the event loop turns and somebody listens on the gRPC port, else 503."""
        await self._grpc.check()
        if self._grpc.is_dead:
            return web.json_response({"status": "the gRPC port does not answer"}, status=503)
        return web.json_response({"status": "alive"})

    async def ready(self, request: web.Request) -> web.Response:
        """200 while the default model serves and the gRPC port answers, else 503."""
        if not self._service.ready:
            return web.json_response({"status": "not ready"}, status=503)
        await self._grpc.check()
        if not self._grpc.answers:
            return web.json_response({"status": "the gRPC port does not answer"}, status=503)
        return web.json_response({"status": "ready"})

    async def config(self, request: web.Request) -> web.Response:
        """The descriptor as the application manager reads it; 500 when the mounted file is invalid."""
        try:
            descriptor = load_descriptor(os.environ, self._settings, grpc_port=self._grpc.port)
        except ConfigError as error:
            return web.json_response({"error": error.message}, status=500)
        metadata = {"xappName": name_in(descriptor), "configType": "json"}
        return web.json_response([{"metadata": metadata, "config": descriptor}])

    async def policies(self, request: web.Request) -> web.Response:
        """The status of each A1 policy."""
        return web.json_response([] if self._link is None else self._link.policies())

    async def symptoms(self, request: web.Request) -> web.Response:
        """The zip for a fault report."""
        archive = symptom_zip(self._service, self._settings, await self._exposition(), self._report())
        disposition = 'attachment; filename="symptomdata.zip"'
        return web.Response(
            body=archive, content_type="application/zip", headers={"Content-Disposition": disposition}
        )


@contextlib.asynccontextmanager
async def serve_http(
    service: Service,
    settings: Settings,
    metrics: Metrics,
    host: HostReader,
    grpc: GrpcPort,
    *,
    security: Security | None = None,
    link: RicLink | None = None,
) -> AsyncIterator[HttpServer]:
    """Listens during the block. Raises ConfigError when the port cannot be opened."""
    load_descriptor(os.environ, settings)  # a broken file stops the start
    access = security.access if security else Access(settings)
    app = web.Application(client_max_size=MAX_BODY_BYTES, middlewares=[guarding(access, Refusals())])
    certificates = security.certificates if security else None
    handlers = RicHandlers(service, settings, metrics, host, grpc, certificates=certificates, link=link)
    app.add_routes(handlers.routes(symptoms=not access.is_closed(SYMPTOMS)))
    address = HttpAddress(settings.server.host, settings.server.http_port, "XAPP_HTTP_PORT")
    tls = security if settings.tls.http else None
    async with http_port(app, address, ROOM, tls, keepalive_timeout=_KEEPALIVE_S) as port:
        yield HttpServer(port)
