"""The gRPC services of a node. A new service is an entry of `node_services`."""

from collections.abc import Callable, Collection

from google.protobuf.descriptor import ServiceDescriptor
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc

from xapp.domain.service import Service
from xapp.edge.watchdog import Watchdog
from xapp.inference.v1 import (
    embedding_pb2,
    embedding_pb2_grpc,
    inference_pb2,
    inference_pb2_grpc,
    models_pb2,
    models_pb2_grpc,
    verification_pb2,
    verification_pb2_grpc,
)
from xapp.orca import open_rca_pb2, open_rca_pb2_grpc
from xapp.security.policy import ANYTHING_GOES, Policy
from xapp.server.embedding import EmbeddingServicer
from xapp.server.grpc_service import GrpcService
from xapp.server.health import HealthServicer, Subscribe
from xapp.server.models_servicer import ModelServicer
from xapp.server.open_rca_servicer import OpenRcaServicer
from xapp.server.optional_services import RETRIEVAL
from xapp.server.reflection import ReflectionServicer
from xapp.server.servicer import InferenceServicer
from xapp.server.verification import VerificationServicer

HEALTH: ServiceDescriptor = health_pb2.DESCRIPTOR.services_by_name["Health"]
MODELS: ServiceDescriptor = models_pb2.DESCRIPTOR.services_by_name["ModelService"]
REFLECTION: ServiceDescriptor = reflection_pb2.DESCRIPTOR.services_by_name["ServerReflection"]
LOAD: ServiceDescriptor = open_rca_pb2.DESCRIPTOR.services_by_name["OpenRcaService"]
CLOSABLE_METHODS: list[str] = [
    method.name for each in (MODELS, REFLECTION, RETRIEVAL) for method in each.methods
]
"""Methods that a policy may name although their service is closed, or not set up."""


def node_services(
    service: Service,
    inference: InferenceServicer,
    open_rca: OpenRcaServicer,
    verification: VerificationServicer,
    watchdog: Watchdog,
    *,
    embedding: EmbeddingServicer,
    optional: Collection[GrpcService] = (),
    subscribe: Subscribe | None = None,
    closed: Collection[str] = (),
    policy: Callable[[], Policy] = lambda: ANYTHING_GOES,
) -> tuple[GrpcService, ...]:
    """The services of a node, with health and reflection, without the `closed` services.

    `optional` are services that the settings ask for. `subscribe` reports possible changes of health, by
    default those of the models.
    """

    def ready() -> bool:
        return service.ready

    own: tuple[GrpcService, ...] = (
        GrpcService(
            inference_pb2.DESCRIPTOR.services_by_name["InferenceService"],
            inference_pb2_grpc.add_InferenceServiceServicer_to_server,
            inference,
            serving=ready,
            work=frozenset({"Generate", "Score"}),
        ),
        GrpcService(
            MODELS,
            models_pb2_grpc.add_ModelServiceServicer_to_server,
            ModelServicer(service, watchdog, policy),
            serving=ready,
            for_admins=frozenset({"LoadModel", "UnloadModel"}),
        ),
        GrpcService(
            verification_pb2.DESCRIPTOR.services_by_name["VerificationService"],
            verification_pb2_grpc.add_VerificationServiceServicer_to_server,
            verification,
            serving=ready,
        ),
        GrpcService(
            embedding_pb2.DESCRIPTOR.services_by_name["EmbeddingService"],
            embedding_pb2_grpc.add_EmbeddingServiceServicer_to_server,
            embedding,
            serving=ready,
            work=frozenset({"Embed", "Rerank"}),
        ),
        GrpcService(LOAD, open_rca_pb2_grpc.add_OpenRcaServiceServicer_to_server, open_rca),
    )
    served = tuple(each for each in (*own, *optional) if each.name not in closed)
    every = with_health_and_reflection(served, ready, watchdog, subscribe or service.subscribe)
    return tuple(each for each in every if each.name not in closed)


def with_health_and_reflection(
    services: tuple[GrpcService, ...], ready: Callable[[], bool], watchdog: Watchdog, subscribe: Subscribe
) -> tuple[GrpcService, ...]:
    """`services`, health and reflection.

    `ready` is the health of the node as a whole. `subscribe` reports possible changes of health.
    """
    statuses = {each.name: each.serving for each in services if each.serving is not None}
    health = GrpcService(
        HEALTH,
        health_pb2_grpc.add_HealthServicer_to_server,
        HealthServicer({"": ready} | statuses, watchdog, subscribe),
    )
    named = (*services, health)
    reflection = GrpcService(
        REFLECTION,
        reflection_pb2_grpc.add_ServerReflectionServicer_to_server,
        ReflectionServicer(tuple(each.name for each in named)),
        for_admins=frozenset({"ServerReflectionInfo"}),
    )
    return (*named, reflection)
