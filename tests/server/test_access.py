"""Credentials and policies on a real gRPC server, for every shape of a method and for the node's services."""

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc

from tests.server import shapes
from tests.server.conftest import Node, running, settings
from tests.server.fake_service import MODEL, FakeService
from tests.server.rich import details_of
from tests.server.shapes import SHAPES
from tests.server.test_tasks import TASK
from xapp.config import Settings
from xapp.domain.scope import of_principal
from xapp.inference.v1 import embedding_pb2, embedding_pb2_grpc, models_pb2
from xapp.inference.v1 import inference_pb2 as pb
from xapp.orca import open_rca_pb2, open_rca_pb2_grpc
from xapp.security import principal
from xapp.security.access import Access
from xapp.security.principal import Principal
from xapp.security.refusals import MOST_A_SECOND
from xapp.security.tokens import hash_of
from xapp.server.authentication import authenticating
from xapp.server.authorisation import allowing_method
from xapp.server.correlation import name_call
from xapp.server.receipt import Receipts
from xapp.server.request import reading

OWNERS = ("planner", "operator", "guest")
POLICY = """
[planner]
methods = ["Generate", "Score", "Estimate", "Tokenize", "ListModels"]
models = ["tiny"]
priorities = ["interactive", "batch"]
tasks = ["triage"]
[operator]
admin = true
"""
UNARY = "/xapp.inference.v1.InferenceService/Tokenize"


def token_of(name: str) -> str:
    return f"secret-of-{name}"


def bearer(name: str) -> tuple[tuple[str, str], ...]:
    return (("authorization", f"Bearer {token_of(name)}"),)


def secured(folder: Path, policy: str = "", **values: object) -> Settings:
    tokens = folder / "tokens.toml"
    tokens.write_text("".join(f'{name} = ["{hash_of(token_of(name))}"]\n' for name in OWNERS))
    if policy:
        (folder / "policy.toml").write_text(policy)
        values["policy_file"] = str(folder / "policy.toml")
    return settings(tokens_file=str(tokens), **values)


@pytest.fixture
async def guarded(tmp_path: Path) -> AsyncIterator[Node]:
    async with running(FakeService(), secured(tmp_path, POLICY)) as node:
        yield node


async def reason(call: Any) -> tuple[grpc.StatusCode, str]:
    """How a call of the node is refused, whether it is a stream or not."""
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await (call.read() if hasattr(call, "read") else call)
    return caught.value.code(), details_of(caught.value).info.reason


def reflect(node: Node, metadata: Any = ()) -> Any:
    return reflection_pb2_grpc.ServerReflectionStub(node.channel).ServerReflectionInfo(metadata=metadata)


async def services_of(call: Any) -> int:
    await call.write(reflection_pb2.ServerReflectionRequest(list_services=""))
    answer = await call.read()
    call.cancel()
    return len(answer.list_services_response.service)


def check(node: Node, metadata: Any = ()) -> Any:
    return health_pb2_grpc.HealthStub(node.channel).Check(health_pb2.HealthCheckRequest(), metadata=metadata)


# ---- every shape


@contextlib.asynccontextmanager
async def serving_shapes(configured: Settings, seen: list[Principal]) -> AsyncIterator[shapes.ShapesServer]:
    access = Access(configured)
    guards = (
        authenticating(access, frozenset()),
        allowing_method(access, frozenset(), frozenset({"/tests.shapes.Shapes/Yielding"})),
        reading(Receipts(1 << 20)),
        name_call,
    )
    async with shapes.serving(guards, lambda: seen.append(principal.current.get())) as server:
        yield server


@pytest.mark.parametrize("method", SHAPES)
async def test_every_shape_needs_credentials(tmp_path: Path, method: str) -> None:
    seen: list[Principal] = []
    async with serving_shapes(secured(tmp_path, "[planner]\nadmin = true\n"), seen) as server:
        for metadata in ((), (("x-client-id", "planner"),), (("authorization", "Bearer wrong"),)):
            error = await server.refused(method, metadata=metadata)
            assert error.code() is grpc.StatusCode.UNAUTHENTICATED
        assert seen == []
        await server.call(method, "a", metadata=bearer("planner"))
    assert set(seen) == {Principal("planner", proved=True, scope=of_principal("planner"))}


@pytest.mark.parametrize("method", SHAPES)
async def test_every_shape_is_authorised(tmp_path: Path, method: str) -> None:
    policy = f'[planner]\nmethods = ["{method}"]\n[guest]\nmethods = []\n[operator]\nadmin = true\n'
    async with serving_shapes(secured(tmp_path, policy), []) as server:
        error = await server.refused(method, metadata=bearer("guest"))
        assert error.code() is grpc.StatusCode.PERMISSION_DENIED
        assert details_of(error).info.reason == "METHOD_NOT_ALLOWED"
        assert dict(details_of(error).info.metadata) == {"principal": "guest", "method": method}
        await server.call(method, "a", metadata=bearer("operator"))
        if method == "Yielding":
            error = await server.refused(method, metadata=bearer("planner"))
            assert error.code() is grpc.StatusCode.PERMISSION_DENIED
        else:
            await server.call(method, "a", metadata=bearer("planner"))


# ---- the node's services


async def test_nothing_but_health_is_open(guarded: Node) -> None:
    unauthenticated = (grpc.StatusCode.UNAUTHENTICATED, "NO_CREDENTIALS")
    inference, models = guarded.inference, guarded.models
    assert await reason(inference.Generate(pb.GenerateRequest(prompt="hi"))) == unauthenticated
    assert await reason(inference.Tokenize(pb.TokenizeRequest(prompt="hi"))) == unauthenticated
    assert await reason(inference.Metrics(pb.MetricsRequest())) == unauthenticated
    assert await reason(models.ListModels(models_pb2.ListModelsRequest())) == unauthenticated
    assert await reason(reflect(guarded)) == unauthenticated
    assert (await check(guarded)).status == health_pb2.HealthCheckResponse.SERVING
    assert guarded.service.requests == []


async def test_the_principal_is_the_client(guarded: Node) -> None:
    metadata = (*bearer("planner"), ("x-client-id", "somebody-else"))
    call = guarded.inference.Generate(pb.GenerateRequest(prompt="hi"), metadata=metadata)
    assert [event async for event in call][-1].HasField("finished")
    assert guarded.service.requests[-1].client == "planner"


async def test_a_strangers_request_is_not_read(guarded: Node) -> None:
    """It is refused while its body is still to come."""
    stub: Any = guarded.channel.stream_unary(UNARY)
    assert await reason(stub()) == (grpc.StatusCode.UNAUTHENTICATED, "NO_CREDENTIALS")


async def test_reflection_is_for_administrators(guarded: Node) -> None:
    denied = (grpc.StatusCode.PERMISSION_DENIED, "METHOD_NOT_ALLOWED")
    assert await reason(reflect(guarded, bearer("planner"))) == denied
    assert await services_of(reflect(guarded, bearer("operator"))) == 7


async def test_reflection_and_health_may_be_opened_and_closed(tmp_path: Path) -> None:
    async with running(FakeService(), secured(tmp_path, POLICY, open="reflection")) as node:
        assert await services_of(reflect(node)) == 7
        assert await reason(check(node)) == (grpc.StatusCode.UNAUTHENTICATED, "NO_CREDENTIALS")
        assert (await check(node, bearer("operator"))).status == health_pb2.HealthCheckResponse.SERVING


async def test_load_may_be_opened(tmp_path: Path) -> None:
    def load(node: Node) -> Any:
        stub = open_rca_pb2_grpc.OpenRcaServiceStub(node.channel)
        return stub.StreamCoreMetrics(open_rca_pb2.OrcaLoadReportRequest())

    async with running(FakeService(), secured(tmp_path, POLICY)) as node:
        assert await reason(load(node)) == (grpc.StatusCode.UNAUTHENTICATED, "NO_CREDENTIALS")
    async with running(FakeService(), secured(tmp_path, POLICY, open="load")) as node:
        stream = load(node)
        await stream.read()
        stream.cancel()


async def test_methods_models_tasks_and_priorities(guarded: Node) -> None:
    planner = bearer("planner")

    async def generate(**fields: Any) -> str:
        request = pb.GenerateRequest(**fields)
        return (await reason(guarded.inference.Generate(request, metadata=planner)))[1]

    unload = models_pb2.UnloadModelRequest(name=MODEL)
    assert (await reason(guarded.models.UnloadModel(unload, metadata=planner)))[1] == "METHOD_NOT_ALLOWED"
    await guarded.models.UnloadModel(unload, metadata=bearer("operator"))
    await guarded.models.ListModels(models_pb2.ListModelsRequest(), metadata=planner)
    assert await generate(prompt="hi", model="large") == "MODEL_NOT_ALLOWED"
    assert await generate(prompt="hi", priority=pb.PRIORITY_CRITICAL) == "PRIORITY_NOT_ALLOWED"
    assert await generate(task="summary@1") == "TASK_NOT_ALLOWED"
    assert guarded.service.requests == []
    call = guarded.inference.Generate(
        pb.GenerateRequest(prompt="hi", priority=pb.PRIORITY_BATCH), metadata=planner
    )
    assert [event async for event in call][-1].HasField("finished"), "no model named: the default is allowed"


async def test_a_policy_holds_for_the_model_that_makes_vectors(tmp_path: Path) -> None:
    """A request without a model is for the embedding model, not for the default model."""
    policy = '[planner]\nmethods = ["Embed"]\nmodels = ["tiny-e*"]\n[guest]\nmodels = ["tiny"]\n'
    async with running(FakeService(), secured(tmp_path, policy)) as node:
        stub: Any = embedding_pb2_grpc.EmbeddingServiceStub(node.channel)
        embed, rerank = embedding_pb2.EmbedRequest(texts=["a"]), embedding_pb2.RerankRequest(query="a")
        await stub.Embed(embed, metadata=bearer("planner"))
        assert (await reason(stub.Rerank(rerank, metadata=bearer("planner"))))[1] == "METHOD_NOT_ALLOWED"
        for call in (
            stub.Embed(embed, metadata=bearer("guest")),
            stub.Rerank(rerank, metadata=bearer("guest")),
        ):
            assert (await reason(call))[1] == "MODEL_NOT_ALLOWED"


async def test_who_has_no_table_may_do_nothing(guarded: Node) -> None:
    call = guarded.inference.Tokenize(pb.TokenizeRequest(prompt="hi"), metadata=bearer("guest"))
    assert await reason(call) == (grpc.StatusCode.PERMISSION_DENIED, "METHOD_NOT_ALLOWED")


async def test_a_flood_of_wrong_tokens_fills_no_log(guarded: Node, caplog: pytest.LogCaptureFixture) -> None:
    wrong = (("authorization", "Bearer wrong-token"),)
    with caplog.at_level(logging.WARNING, "xapp.security"):
        calls = [
            guarded.inference.Tokenize(pb.TokenizeRequest(prompt="hi"), metadata=wrong) for _ in range(500)
        ]
        reasons = {await reason(call) for call in calls}
        bad_token = (grpc.StatusCode.UNAUTHENTICATED, "BAD_TOKEN")
        assert bad_token in reasons
        assert reasons <= {bad_token, (grpc.StatusCode.RESOURCE_EXHAUSTED, "TOO_MANY_ATTEMPTS")}
    records = [record for record in caplog.records if record.name == "xapp.security"]
    assert MOST_A_SECOND <= len(records) < 500
    assert "wrong-token" not in caplog.text
    await asyncio.wait_for(check(guarded), 10)


async def test_without_a_policy_nobody_is_an_administrator(tmp_path: Path) -> None:
    denied = (grpc.StatusCode.PERMISSION_DENIED, "METHOD_NOT_ALLOWED")
    async with running(FakeService(), secured(tmp_path)) as node:
        asked = models_pb2.LoadModelRequest(name="tiny")
        assert await reason(node.models.LoadModel(asked, metadata=bearer("planner"))) == denied
        assert await reason(reflect(node, bearer("planner"))) == denied
        await node.models.ListModels(models_pb2.ListModelsRequest(), metadata=bearer("planner"))


@pytest.mark.parametrize("closed", ["reflection", "models", "reflection, models"])
async def test_what_is_closed_is_not_there(tmp_path: Path, closed: str) -> None:
    configured = secured(tmp_path, POLICY, closed=closed)
    async with running(FakeService(), configured) as node:
        listing = node.models.ListModels(models_pb2.ListModelsRequest(), metadata=bearer("operator"))
        for call, what in ((listing, "models"), (reflect(node, bearer("operator")), "reflection")):
            if what in closed:
                with pytest.raises(grpc.aio.AioRpcError) as caught:
                    await (call.read() if hasattr(call, "read") else call)
                assert caught.value.code() is grpc.StatusCode.UNIMPLEMENTED
            else:
                call.cancel()


async def test_nobody_sees_what_is_for_others(tmp_path: Path) -> None:
    policy = '[planner]\nmodels = ["oth*"]\ntasks = ["triage"]\n[operator]\nadmin = true\n'
    service = FakeService(tasks=[TASK, replace(TASK, name="other")])
    denied = (grpc.StatusCode.PERMISSION_DENIED, "MODEL_NOT_ALLOWED")
    async with running(service, secured(tmp_path, policy)) as node:

        async def seen(name: str) -> tuple[list[str], list[str]]:
            models = await node.models.ListModels(models_pb2.ListModelsRequest(), metadata=bearer(name))
            tasks = await node.inference.ListTasks(pb.ListTasksRequest(), metadata=bearer(name))
            return [each.name for each in models.models], [each.name for each in tasks.tasks]

        assert await seen("planner") == (["other"], [TASK.name])
        assert await seen("operator") == (["other", MODEL], [TASK.name, "other"])
        for name in ("", MODEL, "nothing"):
            asked = models_pb2.GetModelRequest(name=name)
            assert await reason(node.models.GetModel(asked, metadata=bearer("planner"))) == denied
