"""One caller against a server that says what it is told to."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import grpc
from google.protobuf.duration_pb2 import Duration

from perf.promises.contract_caller import Call, Called, Caller, Calls, Foretell, Foretold
from perf.targets.target import CompletionRequest, Turn
from xapp.inference.v1 import inference_pb2 as pb
from xapp.inference.v1 import inference_pb2_grpc as rpc

USAGE = pb.Usage(num_prompt_tokens=9, num_cached_tokens=4, num_completion_tokens=2)


class Scripted(rpc.InferenceServiceServicer):
    """Two tokens to everybody; keeps who asked for what."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, str]] = []

    def _keep(self, method: str, context: "grpc.aio.ServicerContext[object, object]") -> None:
        clients = [value for key, value in context.invocation_metadata() or () if key == "x-client-id"]
        self.asked.append((method, str(clients[0]) if clients else ""))

    async def Generate(  # noqa: N802
        self, request: pb.GenerateRequest, context: "grpc.aio.ServicerContext[object, object]"
    ) -> AsyncIterator[pb.GenerateResponse]:
        self._keep("Generate", context)
        yield pb.GenerateResponse(started=pb.Started())
        yield pb.GenerateResponse(chunk=pb.Chunk(text="x", num_tokens=1))
        yield pb.GenerateResponse(chunk=pb.Chunk(text="y", num_tokens=1))
        yield pb.GenerateResponse(finished=pb.Finished(usage=USAGE))

    async def Score(  # noqa: N802
        self, request: pb.ScoreRequest, context: "grpc.aio.ServicerContext[object, object]"
    ) -> pb.ScoreResponse:
        self._keep("Score", context)
        return pb.ScoreResponse(usage=USAGE)

    async def Estimate(  # noqa: N802
        self, request: pb.EstimateRequest, context: "grpc.aio.ServicerContext[object, object]"
    ) -> pb.EstimateResponse:
        self._keep("Estimate", context)
        assert request.prompt or request.chat.messages
        times = pb.Percentiles(p50=Duration(seconds=2), p95=Duration(seconds=3))
        return pb.EstimateResponse(num_completion_tokens=request.max_tokens, completion=times)


@asynccontextmanager
async def caller(client_id: str = "") -> AsyncIterator[tuple[Caller, Scripted]]:
    server, scripted = grpc.aio.server(), Scripted()  # type: ignore[abstract]
    rpc.add_InferenceServiceServicer_to_server(scripted, server)
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    made = Caller(f"127.0.0.1:{port}", client_id)
    try:
        yield made, scripted
    finally:
        await made.aclose()
        await server.stop(None)


async def test_calls_are_made_in_order_and_timed() -> None:
    generate = Call(pb.GenerateRequest(prompt="a").SerializeToString())
    score = Call(pb.ScoreRequest(prompt="a", choices=["b"]).SerializeToString(), score=True)
    async with caller() as (made, scripted):
        one, other = await made.answer(Calls([generate, score]))
    assert scripted.asked == [("Generate", ""), ("Score", "")]
    assert isinstance(one, Called)
    assert isinstance(other, Called)
    assert one.first_s is not None
    assert 0 < one.first_s <= one.end_s
    assert (one.num_prompt_tokens, one.num_cached_tokens, one.num_completion_tokens) == (9, 4, 2)
    assert other.first_s is None
    assert other.end_s > 0


async def test_each_request_is_predicted_before_it_is_made() -> None:
    requests = [CompletionRequest("a", 7), CompletionRequest((Turn("user", "b"),), 7)]
    async with caller("perf-free") as (made, scripted):
        found = await made.answer(Foretell(requests, concurrency=1))
    assert scripted.asked == [("Estimate", "perf-free"), ("Generate", "perf-free")] * 2
    for each in found:
        assert isinstance(each, Foretold)
        assert (each.p50_s, each.p95_s, each.p50_tokens, each.real_tokens) == (2.0, 3.0, 7, 2)
        assert each.real_s > 0
