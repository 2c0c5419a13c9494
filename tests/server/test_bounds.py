"""What one address, and one principal, may take of a gRPC server in all."""

import asyncio
import logging
from pathlib import Path

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc

from tests.server.conftest import Node, running, settings
from tests.server.fake_service import FakeService
from tests.server.test_access import bearer, check, reason, secured
from tests.workers.workers import until
from xapp.inference.v1 import inference_pb2 as pb
from xapp.inference.v1 import models_pb2
from xapp.server.call import address_of

TOO_MANY = (grpc.StatusCode.RESOURCE_EXHAUSTED, "TOO_MANY_STREAMS")


def watch(node: Node) -> grpc.aio.UnaryStreamCall:  # type: ignore[type-arg]
    stub = health_pb2_grpc.HealthStub(node.channel)
    call: grpc.aio.UnaryStreamCall = stub.Watch(health_pb2.HealthCheckRequest())  # type: ignore[type-arg]
    return call


async def test_one_address_may_have_so_many_calls_open() -> None:
    async with running(FakeService(), settings(max_calls=3)) as node:
        open_calls = [watch(node) for _ in range(3)]
        for call in open_calls:
            await call.read()
        assert await reason(node.inference.Tokenize(pb.TokenizeRequest(prompt="hi"))) == TOO_MANY
        open_calls[0].cancel()
        async with asyncio.timeout(20):
            while (error := await _refusal(node)) is not None:
                assert error.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
        for call in open_calls:
            call.cancel()


async def _refusal(node: Node) -> grpc.aio.AioRpcError | None:
    try:
        await check(node)
    except grpc.aio.AioRpcError as error:
        return error
    return None


async def test_calls_that_ended_do_not_count() -> None:
    async with running(FakeService(), settings(max_calls=2)) as node:
        for _ in range(10):
            await check(node)


@pytest.mark.parametrize(
    ("peer", "address"),
    [
        ("ipv4:10.0.0.7:40000", "10.0.0.7"),
        ("ipv6:%5B2001:db8::1%5D:40000", "2001:db8::1"),
        ("unix:", "unix"),
        ("unix-abstract:x", "unix-abstract"),
        ("", ""),
    ],
)
def test_an_address_has_no_port(peer: str, address: str) -> None:
    assert address_of(peer) == address


async def test_connections_are_bounded_in_all() -> None:
    async with running(FakeService(), settings(max_connections=4)) as node:
        streams = [await asyncio.open_connection("127.0.0.1", node.port) for _ in range(20)]
        ended = [0]

        async def read_to_the_end(reader: asyncio.StreamReader) -> None:
            while await reader.read(4096):
                pass
            ended[0] += 1

        tasks = [asyncio.create_task(read_to_the_end(reader)) for reader, _ in streams]
        await until(lambda: ended[0] >= 16)
        for task in tasks:
            task.cancel()
        for _, writer in streams:
            writer.close()


# ---- the audit log


async def test_each_call_of_a_principal_is_in_the_log(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    policy = '[planner]\nmethods = ["Tokenize", "GetModel"]\n'
    async with running(FakeService(), secured(tmp_path, policy)) as node:
        await node.inference.Tokenize(pb.TokenizeRequest(prompt="a secret"), metadata=bearer("planner"))
        asked = models_pb2.GetModelRequest(name="x" * 500)
        await reason(node.models.GetModel(asked, metadata=bearer("planner")))
        await reason(node.models.ListModels(models_pb2.ListModelsRequest(), metadata=bearer("planner")))
        await check(node)
    records = [record.__dict__["fields"] for record in caplog.records if record.name == "xapp.audit"]
    tokenized, asked_for = records
    assert tokenized["method"] == "/xapp.inference.v1.InferenceService/Tokenize"
    assert (tokenized["outcome"], tokenized["peer"].split(":")[0]) == ("ok", "ipv4")
    assert (asked_for["outcome"], asked_for["name"]) == ("model_not_found", "x" * 128)
    assert "secret" not in caplog.text
