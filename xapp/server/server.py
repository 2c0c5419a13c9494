"""The gRPC server: its port, its limits and its guards. The servicers do the work."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

import grpc

from xapp.config import ServerSettings, Settings
from xapp.domain.service import Service
from xapp.edge.watchdog import Watchdog
from xapp.security.access import HEALTH as OPEN_HEALTH
from xapp.security.access import LOAD as OPEN_LOAD
from xapp.security.access import MODELS as CLOSED_MODELS
from xapp.security.access import REFLECTION as OPEN_REFLECTION
from xapp.security.access import Access
from xapp.security.policy import ANYTHING_GOES
from xapp.security.security import Security
from xapp.server.authentication import authenticating
from xapp.server.authorisation import allowing_method, allowing_request
from xapp.server.batches import free_failed_batches
from xapp.server.boundary import Boundary
from xapp.server.call import Call, Guard, address_of
from xapp.server.callers_faults import keep_out
from xapp.server.correlation import name_call
from xapp.server.credentials import server_credentials
from xapp.server.embedding import EmbeddingServicer
from xapp.server.grpc_service import GrpcService, methods_of
from xapp.server.health import HealthServicer
from xapp.server.health_thread import Status
from xapp.server.heap_keeper import HeapKeeper
from xapp.server.listener import Listener
from xapp.server.load_reports import CallLoads, LoadReports
from xapp.server.node_server import NodeServer
from xapp.server.open_rca_servicer import OpenRcaServicer
from xapp.server.optional_services import optional_services, subscribe_to
from xapp.server.parts import Parts
from xapp.server.pulse import Pulse
from xapp.server.receipt import Receipts
from xapp.server.request import reading
from xapp.server.routing import count_hops
from xapp.server.self_call import SelfCall
from xapp.server.servicer import InferenceServicer
from xapp.server.services import CLOSABLE_METHODS, HEALTH, LOAD, MODELS, REFLECTION, node_services
from xapp.server.verification import VerificationServicer
from xapp.telemetry.host import HostReader
from xapp.telemetry.metrics import Metrics
from xapp.telemetry.reading import NodeReader

if TYPE_CHECKING:
    from xapp.speech.speech import Speech

MAX_STREAMS_PER_CONNECTION = 256
MAX_PENDING_CALLS = 10_500
"""Calls that have arrived and are not yet accepted, of all connections together, 16 KB each. A crowd on a
dozen connections exceeds gRPC's own limits, 1,000 to 3,000."""
MAX_UNSEEN_S = 24 * 3600
"""Longer than the longest possible deadline: a call that waits to be accepted ends by its own deadline."""
STOP_GRACE_S = 1.0
_FASTEST_PING_MS = 500
"""Clients with several nodes ping every second, to notice a dead connection."""
_MAX_METADATA_BYTES = 16 * 1024
_IDLE_MS = 15 * 60_000
"""A connection without calls is closed after so long. Its client opens another when it needs it."""
_HANDSHAKE_MS = 10_000


def _options(settings: ServerSettings) -> list[tuple[str, int]]:
    return [
        ("grpc.so_reuseport", 0),  # else a second server takes the port as well, and half the calls
        ("grpc.max_receive_message_length", settings.max_message_bytes),
        ("grpc.max_send_message_length", settings.max_message_bytes),
        ("grpc.max_metadata_size", _MAX_METADATA_BYTES),
        ("grpc.max_allowed_incoming_connections", settings.max_connections),
        ("grpc.max_connection_idle_ms", _IDLE_MS),
        ("grpc.server_handshake_timeout_ms", _HANDSHAKE_MS),
        ("grpc.max_concurrent_streams", MAX_STREAMS_PER_CONNECTION),
        # Beyond its own limits gRPC ends calls with CANCELLED. On a full connection, whose ended calls
        # still count for a moment, it ends them with UNAVAILABLE. Both have no details. This server refuses
        # with a reason instead.
        ("grpc.server.max_pending_requests", MAX_PENDING_CALLS),
        ("grpc.server.max_pending_requests_hard_limit", MAX_PENDING_CALLS),
        ("grpc.http.overload_protection", 0),
        # Otherwise gRPC accepts megabytes of a fast sender before the message is requested. A requested
        # message still has room for its whole size.
        ("grpc.http2.bdp_probe", 0),
        # A call that waits longer than gRPC's own 30 s would end CANCELLED without details. It is answered
        # or refused.
        ("grpc.server_max_unrequested_time_in_server", MAX_UNSEEN_S),
        ("grpc.keepalive_time_ms", _milliseconds(settings.keepalive_s)),
        ("grpc.keepalive_timeout_ms", _milliseconds(settings.keepalive_timeout_s)),
        # Without this option an open stream's ping may take a minute, whatever the keepalive is.
        ("grpc.http2.ping_timeout_ms", _milliseconds(settings.keepalive_timeout_s)),
        ("grpc.keepalive_permit_without_calls", 1),
        # A client that opens a new connection resolves its target again, and finds new nodes. Calls on the
        # old connection go on there.
        ("grpc.max_connection_age_ms", _milliseconds(settings.max_connection_age_s)),
        # A stream may wait silently for its slot, and its client pings meanwhile.
        ("grpc.http2.max_pings_without_data", 0),
        ("grpc.http2.min_ping_interval_without_data_ms", _FASTEST_PING_MS),
    ]


def _milliseconds(seconds: float) -> int:
    return max(1, round(seconds * 1000))


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
    closed = _closed_services(access)
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
    boundary = Boundary(metrics, _guards(access, services, service, receipts), loads)
    methods = methods_of(services, boundary)

    pulse = Pulse()
    status = pulse.watched(_health_of(services)) if access.is_open(OPEN_HEALTH) else None

    def make() -> grpc.aio.Server:
        server = grpc.aio.server(handlers=[methods], options=_options(settings.server))
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


def _guards(
    access: Access,
    services: tuple[GrpcService, ...],
    service: Service,
    receipts: Receipts,
) -> tuple[Guard, ...]:
    """The guards in order: an unauthenticated request is not even read."""
    open_services = _open_services(access)
    authenticate, read = authenticating(access, open_services), reading(receipts)
    count = _counting(access)
    if not access.required:
        return (authenticate, count, read, name_call, count_hops)
    admin_paths = frozenset(path for each in services for path in each.admin_paths)
    may_call = allowing_method(access, open_services, admin_paths)
    allow = allowing_request(access, service)
    return (authenticate, may_call, count, read, name_call, allow, count_hops)


def _counting(access: Access) -> Guard:
    async def count(call: Call) -> None:
        access.open_calls.enter(address_of(call.context.peer()))

    return count


def _health_of(services: tuple[GrpcService, ...]) -> Status:
    servicer = next(each.servicer for each in services if each.name == HEALTH.full_name)
    assert isinstance(servicer, HealthServicer)
    return servicer.status


def _closed_services(access: Access) -> frozenset[str]:
    names = {OPEN_REFLECTION: REFLECTION.full_name, CLOSED_MODELS: MODELS.full_name}
    return frozenset(name for what, name in names.items() if access.is_closed(what))


def _open_services(access: Access) -> frozenset[str]:
    names = {OPEN_HEALTH: HEALTH.full_name, OPEN_LOAD: LOAD.full_name, OPEN_REFLECTION: REFLECTION.full_name}
    return frozenset(name for what, name in names.items() if access.is_open(what))
