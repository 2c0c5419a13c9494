"""The services that a node has only where its settings ask for them. All are off by default."""

from collections.abc import Callable
from typing import TYPE_CHECKING

from google.protobuf.descriptor import ServiceDescriptor

from xapp.domain.service import Service
from xapp.retrieval.v1 import retrieval_pb2, retrieval_pb2_grpc
from xapp.server.foreign_services import foreign_services
from xapp.server.grpc_service import GrpcService
from xapp.server.health import Subscribe
from xapp.server.parts import Parts
from xapp.server.retrieval import RetrievalServicer

if TYPE_CHECKING:
    from xapp.speech.speech import Speech

RETRIEVAL: ServiceDescriptor = retrieval_pb2.DESCRIPTOR.services_by_name["RetrievalService"]


def optional_services(parts: Parts, speech: "Speech | None") -> tuple[GrpcService, ...]:
    """The services that the settings ask for; those of `speech` where the node has engines of speech."""
    spoken = _speech(parts, speech) if speech is not None else ()
    return (*foreign_services(parts), *_retrieval(parts), *spoken)


def _retrieval(parts: Parts) -> tuple[GrpcService, ...]:
    collections, most = parts.service.collections, parts.settings.retrieval.max_document_bytes
    if collections is None:
        return ()
    entry = GrpcService(
        RETRIEVAL,
        retrieval_pb2_grpc.add_RetrievalServiceServicer_to_server,
        RetrievalServicer(collections, parts.watchdog, parts.policy, max_bytes=most),
        serving=parts.ready,
        work=frozenset({"Search", "Upsert"}),
    )
    return (entry,)


def _speech(parts: Parts, speech: "Speech") -> tuple[GrpcService, ...]:
    # Only a node with engines of speech imports their services.
    from xapp.server.speech.services import speech_services  # noqa: PLC0415
    from xapp.server.speech.shared import Shared  # noqa: PLC0415

    shared = Shared(parts.settings, parts.metrics, parts.watchdog)
    return speech_services(speech, parts.service, parts.policy, shared)


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
