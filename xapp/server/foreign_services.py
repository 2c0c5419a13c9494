"""The services of other projects' protocols, where the settings ask for them: off by default."""

import platform

from google.protobuf.descriptor import ServiceDescriptor

from xapp.kserve import open_inference_pb2, open_inference_pb2_grpc
from xapp.openengine import open_engine_pb2, open_engine_pb2_grpc
from xapp.server.grpc_service import GrpcService
from xapp.server.open_engine.control_servicer import EngineControlServicer
from xapp.server.open_engine.inference_servicer import EngineInferenceServicer
from xapp.server.open_engine.running_requests import RunningRequests
from xapp.server.open_inference_servicer import OpenInferenceServicer
from xapp.server.parts import Parts

OPEN_INFERENCE: ServiceDescriptor = open_inference_pb2.DESCRIPTOR.services_by_name["GRPCInferenceService"]
ENGINE_INFERENCE: ServiceDescriptor = open_engine_pb2.DESCRIPTOR.services_by_name["Inference"]
ENGINE_CONTROL: ServiceDescriptor = open_engine_pb2.DESCRIPTOR.services_by_name["Control"]


def foreign_services(parts: Parts) -> tuple[GrpcService, ...]:
    """Those that the settings ask for."""
    found: tuple[GrpcService, ...] = ()
    if parts.settings.server.open_inference:
        found = (*found, _open_inference(parts))
    if parts.settings.server.open_engine:
        found = (*found, *_open_engine(parts))
    return found


def _open_inference(parts: Parts) -> GrpcService:
    settings = parts.settings
    return GrpcService(
        OPEN_INFERENCE,
        open_inference_pb2_grpc.add_GRPCInferenceServiceServicer_to_server,
        OpenInferenceServicer(
            parts.service,
            parts.metrics,
            parts.watchdog,
            parts.policy,
            max_bytes=settings.server.max_message_bytes,
            log_prompts=settings.log.prompts,
        ),
        serving=parts.ready,
        work=frozenset({"ModelInfer", "ModelStreamInfer"}),
    )


def _open_engine(parts: Parts) -> tuple[GrpcService, ...]:
    service, settings, running = parts.service, parts.settings, RunningRequests()
    inference = EngineInferenceServicer(
        service, parts.metrics, parts.watchdog, running, parts.policy, log_prompts=settings.log.prompts
    )
    control = EngineControlServicer(service, settings.node.name or platform.node(), running, parts.policy)
    return (
        GrpcService(
            ENGINE_INFERENCE,
            open_engine_pb2_grpc.add_InferenceServicer_to_server,
            inference,
            serving=parts.ready,
            work=frozenset({"Generate"}),
        ),
        GrpcService(
            ENGINE_CONTROL,
            open_engine_pb2_grpc.add_ControlServicer_to_server,
            control,
            serving=parts.ready,
        ),
    )
