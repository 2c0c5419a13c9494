"""The services that a node has only where its settings ask for them. All are off by default."""

from collections.abc import Callable
from typing import TYPE_CHECKING

from google.protobuf.descriptor import ServiceDescriptor

from xapp.config import Settings
from xapp.domain.service import Service
from xapp.edge.watchdog import Watchdog
from xapp.retrieval.v1 import retrieval_pb2, retrieval_pb2_grpc
from xapp.security.policy import Policy
from xapp.server.foreign_services import foreign_services
from xapp.server.grpc_service import GrpcService
from xapp.server.health import Subscribe
from xapp.server.retrieval import RetrievalServicer
from xapp.telemetry.metrics import Metrics

if TYPE_CHECKING:
    from xapp.speech.speech import Speech

RETRIEVAL: ServiceDescriptor = retrieval_pb2.DESCRIPTOR.services_by_name["RetrievalService"]


def optional_services(
    service: Service,
    speech: "Speech | None",
    settings: Settings,
    metrics: Metrics,
    watchdog: Watchdog,
    policy: Callable[[], Policy],
) -> tuple[GrpcService, ...]:
    """`policy` is what each principal may do."""
    return (
        *foreign_services(service, settings, metrics, watchdog, policy),
        *_retrieval(service, settings, watchdog, policy),
        *_speech(service, speech, settings, metrics, watchdog, policy),
    )


def _retrieval(
    service: Service, settings: Settings, watchdog: Watchdog, policy: Callable[[], Policy]
) -> tuple[GrpcService, ...]:
    if service.collections is None:
        return ()
    most = settings.retrieval.max_document_bytes
    entry = GrpcService(
        RETRIEVAL,
        retrieval_pb2_grpc.add_RetrievalServiceServicer_to_server,
        RetrievalServicer(service.collections, watchdog, policy, max_bytes=most),
        serving=lambda: service.ready,
        work=frozenset({"Search", "Upsert"}),
    )
    return (entry,)


def _speech(
    service: Service,
    speech: "Speech | None",
    settings: Settings,
    metrics: Metrics,
    watchdog: Watchdog,
    policy: Callable[[], Policy],
) -> tuple[GrpcService, ...]:
    if speech is None:
        return ()
    # Only a node with engines of speech imports their services.
    from xapp.server.speech.services import speech_services  # noqa: PLC0415
    from xapp.server.speech.shared import Shared  # noqa: PLC0415

    return speech_services(speech, service, policy, Shared(settings, metrics, watchdog))


def subscribe_to(service: Service, speech: "Speech | None") -> Subscribe:
    """Reports changes of the models and of the engines of speech."""
    if speech is None:
        return service.subscribe

    def subscribe(listener: Callable[[], None]) -> Callable[[], None]:
        ends = (service.subscribe(listener), speech.subscribe(listener))

        def end() -> None:
            for each in ends:
                each()

        return end

    return subscribe
