"""Deadlines, estimates and clients' names, from the wire to what the service is asked."""

import time

import grpc
import pytest

from tests.server import raw_http2
from tests.server.conftest import Node
from tests.server.rich import details_of
from xapp.domain.answers import Estimate, Latencies
from xapp.inference.v1 import inference_pb2 as pb

GENERATE = "/xapp.inference.v1.InferenceService/Generate"
ASK = pb.GenerateRequest(prompt="hi")


async def generate(node: Node, **options: object) -> None:
    async for _ in node.inference.Generate(ASK, **options):  # type: ignore[arg-type]
        pass


async def test_an_estimate(node: Node) -> None:
    answer = await node.inference.Estimate(pb.EstimateRequest(prompt="hi"))
    assert (answer.num_prompt_tokens, answer.num_completion_tokens) == (3, 20)
    assert answer.queue.p50.ToMilliseconds() == 100
    assert answer.time_to_first_token.p95.ToMilliseconds() == 750
    assert answer.completion.p50.ToMilliseconds() == 1500
    assert not answer.completion.HasField("p99")
    assert (answer.admitted, answer.reason) == (True, "")
    assert not answer.HasField("retry_after")


async def test_an_estimate_that_says_no(node: Node) -> None:
    none = Latencies(0.0, 0.0)
    node.service.estimated = Estimate(3, 20, none, none, none, "DEADLINE_UNREACHABLE", 1.5)
    answer = await node.inference.Estimate(pb.EstimateRequest(prompt="hi"))
    assert (answer.admitted, answer.reason) == (False, "DEADLINE_UNREACHABLE")
    assert answer.retry_after.ToMilliseconds() == 1500


async def test_the_client_s_name(node: Node) -> None:
    await generate(node, metadata=(("x-client-id", "planner"),))
    await generate(node)
    assert [request.client for request in node.service.requests] == ["planner", ""]


async def test_a_name_that_is_none(node: Node) -> None:
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await generate(node, metadata=(("x-client-id", "x" * 129),))
    assert caught.value.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert "metadata.x-client-id" in str(details_of(caught.value))


async def test_a_name_that_is_no_text(node: Node) -> None:
    body = ASK.SerializeToString()
    answer = await raw_http2.call(node.port, GENERATE, body, [(b"x-client-id", b"\xc3\x28\xff")])
    assert b"metadata.x-client-id" in answer
    assert node.service.requests == []


@pytest.mark.parametrize("header", [b"99999999H", b"1n"])
async def test_absurd_timeouts_reach_the_service_as_times_or_not_at_all(node: Node, header: bytes) -> None:
    before = time.monotonic()
    await raw_http2.call(node.port, GENERATE, ASK.SerializeToString(), [(b"grpc-timeout", header)])
    for request in node.service.requests:
        assert request.deadline is None or request.deadline > before - 1
    # The server is as it was.
    await generate(node)
