"""The gRPC server: its port, its limits and its guards. The servicers do the work."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

import grpc

from xapp.config import Settings
from xapp.domain.service import Service
from xapp.edge.watchdog import Watchdog
from xapp.security.access import HEALTH as OPEN_HEALTH
from xapp.security.access import Access
from xapp.security.policy import ANYTHING_GOES
from xapp.security.security import Security
from xapp.server.batches import free_failed_batches
from xapp.server.boundary import Boundary
from xapp.server.callers_faults import keep_out
from xapp.server.credentials import server_credentials
from xapp.server.embedding import EmbeddingServicer
from xapp.server.grpc_service import GrpcService, methods_of
from xapp.server.guards import closed_services, guards
from xapp.server.health import HealthServicer
from xapp.server.health_thread import Status
from xapp.server.heap_keeper import HeapKeeper
from xapp.server.listener import Listener
from xapp.server.load_reports import CallLoads, LoadReports
from xapp.server.node_server import NodeServer
from xapp.server.open_rca_servicer import OpenRcaServicer
from xapp.server.optional_services import optional_services, subscribe_to
from xapp.server.parts import Parts
from xapp.server.port_options import port_options
from xapp.server.pulse import Pulse
from xapp.server.receipt import Receipts
from xapp.server.self_call import SelfCall
from xapp.server.servicer import InferenceServicer
from xapp.server.services import CLOSABLE_METHODS, HEALTH, node_services
from xapp.server.verification import VerificationServicer
from xapp.telemetry.host import HostReader
from xapp.telemetry.metrics import Metrics
from xapp.telemetry.reading import NodeReader

if TYPE_CHECKING:
    from xapp.speech.speech import Speech

STOP_GRACE_S = 1.0


@dataclass(frozen=True, slots=True)
class GrpcServer:
    """A server that listens on `port`. `self_call` checks whether the port answers."""

    port: int
    self_call: SelfCall


@contextlib.asynccontextmanager
async def serve_grpc(
    service: Service,
    settings: Settings,
    metrics: Metrics,
    host: HostReader,
    on_lost: Callable[[], None] = lambda: None,
    *,
    security: Security | None = None,
    speech: "Speech | None" = None,
) -> AsyncIterator[GrpcServer]:
    """Listens for the length of the block. Raises ConfigError when the port cannot be opened.

    Without `security` the port is plain text and asks for no credentials. A listener that ends by itself is
    replaced, and `on_lost` is called when that fails. `speech` adds its services. On leaving, streams of
    metrics and of load reports end at once. Other calls have STOP_GRACE_S to end.
    """
    keep_out()
    free_failed_batches()
    watchdog = Watchdog(settings.server.write_timeout_s)
    reader = NodeReader(service, host)
    receipts, reports = Receipts(settings.server.max_message_bytes), LoadReports(service.samples)
    access = security.access if security else Access(settings)
    inference = InferenceServicer(
        service,
        metrics,
        reader,
        watchdog,
        node=settings.node,
        log=settings.log,
        policy=lambda: access.policy,
    )
    open_rca = OpenRcaServicer(reports, watchdog)
    verification = VerificationServicer(service, metrics, watchdog, lambda: access.policy)
    most = settings.server.max_message_bytes
    embedding = EmbeddingServicer(service, metrics, max_bytes=most, log_texts=settings.log.prompts)
    closed = closed_services(access)
    policy = (lambda: access.policy) if access.required else (lambda: ANYTHING_GOES)
    services = node_services(
        service,
        inference,
        open_rca,
        verification,
        watchdog,
        embedding=embedding,
        optional=optional_services(Parts(service, settings, metrics, watchdog, policy), speech),
        subscribe=subscribe_to(service, speech),
        closed=closed,
        policy=lambda: access.policy,
    )
    access.know_methods([method for each in services for method in each.methods] + CLOSABLE_METHODS)
    loads = CallLoads(reports, [path for each in services for path in each.work_paths])
    boundary = Boundary(metrics, guards(access, services, service, receipts), loads)
    methods = methods_of(services, boundary)

    pulse = Pulse()
    status = pulse.watched(_health_of(services)) if access.is_open(OPEN_HEALTH) else None

    def make() -> grpc.aio.Server:
        server = grpc.aio.server(handlers=[methods], options=port_options(settings.server))
        return NodeServer(server, status) if status else server

    certificates = security.certificates if security else None
    credentials = partial(server_credentials, certificates) if certificates else None
    listener = Listener(make, settings.server, settings.admission.max_deadline_s, on_lost, credentials)
    await listener.start()
    # No TaskGroup: it would wrap the errors of the block, and these tasks never fail by themselves.
    works = (watchdog.run(), receipts.run(), pulse.run(), HeapKeeper().run(), listener.watch())
    tasks = [asyncio.create_task(work) for work in works]
    try:
        yield GrpcServer(listener.port, listener.self_call)
    finally:
        await _end(tasks)
        inference.close()
        open_rca.close()
        await listener.stop(STOP_GRACE_S)


async def _end(tasks: list["asyncio.Task[None]"]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.wait(tasks)


def _health_of(services: tuple[GrpcService, ...]) -> Status:
    servicer = next(each.servicer for each in services if each.name == HEALTH.full_name)
    assert isinstance(servicer, HealthServicer)
    return servicer.status
