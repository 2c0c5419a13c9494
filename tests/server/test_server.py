import contextlib
from typing import Any

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc

from tests.flat_settings import flat_settings
from tests.server.conftest import Node, settings
from tests.server.fake_service import INFO, MODEL, FakeHost, FakeService
from tests.server.rich import details_of
from xapp.errors import ConfigError, FailedPrecondition
from xapp.inference.v1 import embedding_pb2, inference_pb2_grpc, models_pb2
from xapp.inference.v1 import inference_pb2 as pb
from xapp.server.server import serve_grpc
from xapp.telemetry.metrics import Metrics

SERVING = health_pb2.HealthCheckResponse.SERVING
NOT_SERVING = health_pb2.HealthCheckResponse.NOT_SERVING
UNKNOWN = health_pb2.HealthCheckResponse.SERVICE_UNKNOWN
SERVICES = ("InferenceService", "ModelService", "VerificationService", "EmbeddingService")
NAMES = ["", *(f"xapp.inference.v1.{name}" for name in SERVICES)]


async def check(node: Node, name: str) -> int:
    stub = health_pb2_grpc.HealthStub(node.channel)
    answer = await stub.Check(health_pb2.HealthCheckRequest(service=name))
    return int(answer.status)


@pytest.mark.parametrize("name", NAMES)
async def test_health_follows_the_service(node: Node, name: str) -> None:
    assert await check(node, name) == SERVING
    node.service.ready = False
    assert await check(node, name) == NOT_SERVING
    node.service.ready = True
    assert await check(node, name) == SERVING


async def test_health_of_a_service_there_is_not(node: Node) -> None:
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await check(node, "nope")
    assert caught.value.code() is grpc.StatusCode.NOT_FOUND


async def test_health_watch_tells_changes(node: Node) -> None:
    call = health_pb2_grpc.HealthStub(node.channel).Watch(health_pb2.HealthCheckRequest())
    assert (await call.read()).status == SERVING
    node.service.set_ready(False)
    assert (await call.read()).status == NOT_SERVING
    node.service.set_ready(True)
    assert (await call.read()).status == SERVING
    call.cancel()


async def test_health_watch_of_a_service_there_is_not(node: Node) -> None:
    call = health_pb2_grpc.HealthStub(node.channel).Watch(health_pb2.HealthCheckRequest(service="nope"))
    assert (await call.read()).status == UNKNOWN
    call.cancel()


async def test_health_lists_every_name(node: Node) -> None:
    answer = await health_pb2_grpc.HealthStub(node.channel).List(health_pb2.HealthListRequest())
    assert {name: item.status for name, item in answer.statuses.items()} == dict.fromkeys(NAMES, SERVING)


async def test_reflection_names_the_services(node: Node) -> None:
    stub = reflection_pb2_grpc.ServerReflectionStub(node.channel)
    request = reflection_pb2.ServerReflectionRequest(list_services="")
    symbol = reflection_pb2.ServerReflectionRequest(file_containing_symbol="xapp.inference.v1.Chunk")
    listed, described = [answer async for answer in stub.ServerReflectionInfo(iter([request, symbol]))]
    names = {service.name for service in listed.list_services_response.service}
    assert names >= {*NAMES[1:], "grpc.health.v1.Health"}
    assert described.file_descriptor_response.file_descriptor_proto


def _methods() -> list[str]:
    services = (
        *pb.DESCRIPTOR.services_by_name.values(),
        *models_pb2.DESCRIPTOR.services_by_name.values(),
        *embedding_pb2.DESCRIPTOR.services_by_name.values(),
        *health_pb2.DESCRIPTOR.services_by_name.values(),
    )
    return [method.full_name for service in services for method in service.methods]


async def test_reflection_describes_every_method_and_none_that_is_not_there(node: Node) -> None:
    stub = reflection_pb2_grpc.ServerReflectionStub(node.channel)
    names = [*_methods(), "xapp.inference.v1.InferenceService.Nope", "nope.Nope", "nope", ""]
    asked = [reflection_pb2.ServerReflectionRequest(file_containing_symbol=name) for name in names]
    answers = [answer async for answer in stub.ServerReflectionInfo(iter(asked))]
    found = [answer.WhichOneof("message_response") for answer in answers]
    assert found == ["file_descriptor_response"] * len(_methods()) + ["error_response"] * 4


async def test_unknown_method(node: Node) -> None:
    channel: Any = node.channel
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await channel.unary_unary("/xapp.inference.v1.InferenceService/Nope")(b"")
    assert caught.value.code() is grpc.StatusCode.UNIMPLEMENTED


async def test_tokenize(node: Node) -> None:
    answer = await node.inference.Tokenize(pb.TokenizeRequest(prompt="hi"))
    assert (list(answer.tokens), answer.num_tokens, answer.context_length) == ([1, 2, 3], 3, 2048)


async def test_tokenize_refuses_nothing_to_tokenize(node: Node) -> None:
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await node.inference.Tokenize(pb.TokenizeRequest())
    bad = details_of(caught.value).bad_request
    assert bad is not None
    assert bad.field_violations[0].field == "input"


async def test_list_and_get(node: Node) -> None:
    listed = (await node.models.ListModels(models_pb2.ListModelsRequest())).models
    assert [(model.name, model.state) for model in listed] == [
        ("other", models_pb2.MODEL_STATE_AVAILABLE),
        (MODEL, models_pb2.MODEL_STATE_READY),
    ]
    got = (await node.models.GetModel(models_pb2.GetModelRequest(name=MODEL))).model
    assert got == listed[1]
    assert (got.is_default, got.context_length, got.memory_bytes) == (True, INFO.context_length, 1500)
    assert (got.kv_type, got.num_restarts, got.license) == ("f16", 2, "MIT")


async def test_get_unknown_tells_which_there_are(node: Node) -> None:
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await node.models.GetModel(models_pb2.GetModelRequest(name="nope"))
    assert caught.value.code() is grpc.StatusCode.NOT_FOUND
    assert details_of(caught.value).info.metadata["models"] == MODEL


async def test_load_streams_progress(node: Node) -> None:
    seen = [
        (item.model.state, item.progress)
        async for item in node.models.LoadModel(models_pb2.LoadModelRequest(name="other"))
    ]
    assert seen == [(models_pb2.MODEL_STATE_LOADING, 0.5), (models_pb2.MODEL_STATE_READY, 1.0)]


async def test_load_that_fails_after_progress(node: Node) -> None:
    node.service.error = FailedPrecondition("bad file")
    call: Any = node.models.LoadModel(models_pb2.LoadModelRequest(name="other"))
    assert (await call.read()).progress == 0.5
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await call.read()
    assert caught.value.code() is grpc.StatusCode.FAILED_PRECONDITION


async def test_unload(node: Node) -> None:
    answer = await node.models.UnloadModel(models_pb2.UnloadModelRequest(name="other"))
    assert answer.model.state == models_pb2.MODEL_STATE_AVAILABLE


async def test_load_and_unload_want_a_name(node: Node) -> None:
    with pytest.raises(grpc.aio.AioRpcError) as load:
        await node.models.LoadModel(models_pb2.LoadModelRequest()).read()
    with pytest.raises(grpc.aio.AioRpcError) as unload:
        await node.models.UnloadModel(models_pb2.UnloadModelRequest())
    codes = {load.value.code(), unload.value.code()}
    assert codes == {grpc.StatusCode.INVALID_ARGUMENT}


async def test_port_in_use_names_its_key(node: Node) -> None:
    again = flat_settings(host="127.0.0.1", grpc_port=node.port)
    with pytest.raises(ConfigError, match="XAPP_GRPC_PORT") as caught:
        async with serve_grpc(FakeService(), again, Metrics(), FakeHost()):
            pass
    assert str(node.port) in caught.value.message


async def test_metrics_streams_end_with_the_server() -> None:
    async with contextlib.AsyncExitStack() as stack:
        server = await stack.enter_async_context(serve_grpc(FakeService(), settings(), Metrics(), FakeHost()))
        async with grpc.aio.insecure_channel(f"127.0.0.1:{server.port}") as channel:
            call = inference_pb2_grpc.InferenceServiceStub(channel).Metrics(pb.MetricsRequest())
            await call.read()
            await stack.aclose()
            with pytest.raises(grpc.aio.AioRpcError) as caught:
                await call.read()
    assert caught.value.code() is grpc.StatusCode.UNAVAILABLE
    assert details_of(caught.value).info.reason == "DRAINING"
