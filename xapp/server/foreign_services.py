"""The services of other projects' protocols, where the settings ask for them: off by default."""

import platform
from collections.abc import Callable

from google.protobuf.descriptor import ServiceDescriptor

from xapp.config import Settings
from xapp.domain.service import Service
from xapp.edge.watchdog import Watchdog
from xapp.kserve import open_inference_pb2, open_inference_pb2_grpc
from xapp.openengine import open_engine_pb2, open_engine_pb2_grpc
from xapp.security.policy import Policy
from xapp.server.grpc_service import GrpcService
from xapp.server.open_engine.control_servicer import EngineControlServicer
from xapp.server.open_engine.inference_servicer import EngineInferenceServicer
from xapp.server.open_engine.running_requests import RunningRequests
from xapp.server.open_inference_servicer import OpenInferenceServicer
from xapp.telemetry.metrics import Metrics

OPEN_INFERENCE: ServiceDescriptor = open_inference_pb2.DESCRIPTOR.services_by_name["GRPCInferenceService"]
ENGINE_INFERENCE: ServiceDescriptor = open_engine_pb2.DESCRIPTOR.services_by_name["Inference"]
ENGINE_CONTROL: ServiceDescriptor = open_engine_pb2.DESCRIPTOR.services_by_name["Control"]


def foreign_services(
    service: Service,
    settings: Settings,
    metrics: Metrics,
    watchdog: Watchdog,
    policy: Callable[[], Policy],
) -> tuple[GrpcService, ...]:
    """`policy` is what each principal may do."""
    found: tuple[GrpcService, ...] = ()
    if settings.server.open_inference:
        found = (*found, _open_inference(service, settings, metrics, watchdog, policy))
    if settings.server.open_engine:
        found = (*found, *_open_engine(service, settings, metrics, watchdog, policy))
    return found


def _open_inference(
    service: Service, settings: Settings, metrics: Metrics, watchdog: Watchdog, policy: Callable[[], Policy]
) -> GrpcService:
    return GrpcService(
        OPEN_INFERENCE,
        open_inference_pb2_grpc.add_GRPCInferenceServiceServicer_to_server,
        OpenInferenceServicer(service, metrics, watchdog, policy, log_prompts=settings.log.prompts),
        serving=lambda: service.ready,
        work=frozenset({"ModelInfer", "ModelStreamInfer"}),
    )


def _open_engine(
    service: Service, settings: Settings, metrics: Metrics, watchdog: Watchdog, policy: Callable[[], Policy]
) -> tuple[GrpcService, ...]:
    running, log_prompts = RunningRequests(), settings.log.prompts
    inference = EngineInferenceServicer(service, metrics, watchdog, running, policy, log_prompts=log_prompts)
    control = EngineControlServicer(service, settings.node.name or platform.node(), running, policy)
    return (
        GrpcService(
            ENGINE_INFERENCE,
            open_engine_pb2_grpc.add_InferenceServicer_to_server,
            inference,
            serving=lambda: service.ready,
            work=frozenset({"Generate"}),
        ),
        GrpcService(
            ENGINE_CONTROL,
            open_engine_pb2_grpc.add_ControlServicer_to_server,
            control,
            serving=lambda: service.ready,
        ),
    )
