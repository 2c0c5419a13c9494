"""The contract's status table, and input that no client should send, against a real server."""

from collections.abc import AsyncIterator, Iterator

import grpc
import pytest

from tests.e2e.caller import CALL_S, ENDLESS_FAKE, GENERATE, Caller, calling, endless, rest_of, until
from tests.live import LiveServer, serving
from tests.server import raw_http2
from tests.server.rich import details_of
from xapp.inference.v1 import inference_pb2 as pb

pytestmark = pytest.mark.slow

ASK = pb.GenerateRequest(prompt="hi", max_tokens=4)
MIB = 1024 * 1024
Code = grpc.StatusCode


@pytest.fixture(scope="module")
def narrow_server() -> Iterator[LiveServer]:
    """One slot, one place to wait, and a second for those who name no deadline."""
    limits = {"XAPP_SLOTS": "1", "XAPP_MAX_QUEUE": "1", "XAPP_DEFAULT_DEADLINE_S": "1"}
    with serving(ENDLESS_FAKE | limits) as server:
        yield server


@pytest.fixture
async def narrow(narrow_server: LiveServer) -> AsyncIterator[Caller]:
    async with calling(narrow_server) as caller:
        yield caller


@pytest.fixture
async def caller(live_model_server: LiveServer) -> AsyncIterator[Caller]:
    async with calling(live_model_server) as caller:
        yield caller


async def test_a_prompt_over_the_context_names_the_field(caller: Caller) -> None:
    context = (await caller.model()).context_length
    error = await caller.refused(pb.GenerateRequest(prompt="cell " * (context + 10)))
    assert error.code() is Code.INVALID_ARGUMENT
    details = details_of(error)
    assert details.bad_request is not None
    assert details.bad_request.field_violations[0].field == "prompt"
    assert details.info.reason == "PROMPT_TOO_LONG"
    assert str(context) in (error.details() or "")


@pytest.mark.parametrize(
    ("request_", "field"),
    [
        (pb.GenerateRequest(prompt=""), "prompt"),
        (pb.GenerateRequest(), "input"),
        (pb.GenerateRequest(chat=pb.Chat(messages=[pb.Message(role="robot")])), "chat.messages[0].role"),
        (pb.GenerateRequest(prompt="a", max_tokens=-1), "max_tokens"),
        (pb.GenerateRequest(prompt="a", sampling=pb.SamplingParams(temperature=-1)), "sampling.temperature"),
        (pb.GenerateRequest(prompt="a", sampling=pb.SamplingParams(top_p=float("nan"))), "sampling.top_p"),
        (pb.GenerateRequest(prompt="a", sampling=pb.SamplingParams(top_k=10**9)), "sampling.top_k"),
    ],
    ids=["empty", "none", "role", "max_tokens", "temperature", "nan", "top_k"],
)
async def test_bad_arguments_name_the_field(caller: Caller, request_: pb.GenerateRequest, field: str) -> None:
    error = await caller.refused(request_)
    assert error.code() is Code.INVALID_ARGUMENT
    details = details_of(error)
    assert details.bad_request is not None
    assert details.bad_request.field_violations[0].field == field
    assert (error.details() or "").startswith(f"{field}: ")
    assert details.info.domain == "genai-xapp"


async def test_an_unknown_model_tells_which_there_are(caller: Caller) -> None:
    error = await caller.refused(pb.GenerateRequest(model="gpt", prompt="hi"))
    assert error.code() is Code.NOT_FOUND
    assert details_of(error).info.reason == "MODEL_NOT_FOUND"
    assert details_of(error).info.metadata["models"] == (await caller.model()).name


async def test_a_full_queue_says_when_to_come_again(narrow: Caller) -> None:
    running = await narrow.begin(endless())
    waiting = narrow.inference.Generate(endless("wait"), timeout=CALL_S)

    async def is_full() -> bool:
        return bool((await narrow.sample()).num_waiting)

    await until(is_full)
    error = await narrow.refused(ASK)
    assert error.code() is Code.RESOURCE_EXHAUSTED
    details = details_of(error)
    assert details.info.reason == "QUEUE_FULL"
    assert details.retry is not None
    assert details.retry.retry_delay.ToNanoseconds() > 0
    running.cancel()
    assert (await waiting.read()).HasField("started")
    waiting.cancel()


async def test_the_servers_own_deadline_comes_after_what_was_generated(narrow: Caller) -> None:
    call = narrow.inference.Generate(endless(policy=pb.DEADLINE_POLICY_REJECT))
    first = [await call.read() for _ in range(3)]
    assert [event.WhichOneof("event") for event in first] == ["started", "chunk", "chunk"]
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await rest_of(call)
    assert caught.value.code() is Code.DEADLINE_EXCEEDED
    assert details_of(caught.value).info.reason == "DEADLINE_EXCEEDED"


async def test_a_callers_deadline_frees_the_slot(narrow: Caller) -> None:
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await rest_of(narrow.inference.Generate(endless(policy=pb.DEADLINE_POLICY_REJECT), timeout=0.3))
    assert caught.value.code() is Code.DEADLINE_EXCEEDED
    # The one slot: it is free, or nobody would be answered.
    assert (await narrow.generate(ASK))[-1].HasField("finished")


# ---- what no client should send


async def test_metadata_that_is_not_utf8_does_no_harm(narrow: Caller) -> None:
    port = int(narrow.server.target.rsplit(":", 1)[1])
    body = ASK.SerializeToString()
    for name in (b"x-correlation-id", b"x-other"):
        answer = await raw_http2.call(port, GENERATE, body, [(name, b"\xc3\x28\xff")])
        assert b"grpc-status" in answer
    binary = (("x-anything-bin", bytes(range(256))),)
    call = narrow.inference.Generate(ASK, metadata=binary, timeout=CALL_S)
    assert [event async for event in call][-1].HasField("finished")


async def test_an_oversized_message_ends_its_call_only(narrow: Caller) -> None:
    running = await narrow.begin(endless())
    error = await narrow.refused(pb.GenerateRequest(prompt="x" * (4 * MIB + 1)))
    assert error.code() is Code.RESOURCE_EXHAUSTED
    assert (await running.read()).HasField("chunk")
    running.cancel()


async def test_a_prompt_of_almost_four_megabytes_is_refused_by_its_length(caller: Caller) -> None:
    error = await caller.refused(pb.GenerateRequest(prompt="x" * (4 * MIB - 1024)))
    assert error.code() is Code.INVALID_ARGUMENT
    assert details_of(error).info.reason == "PROMPT_TOO_LONG"
    chat = pb.Chat(messages=[pb.Message(role="user", content="é" * MIB)])
    error = await caller.refused(pb.GenerateRequest(chat=chat))
    assert details_of(error).info.reason == "PROMPT_TOO_LONG"


async def test_garbage_instead_of_a_message(narrow: Caller) -> None:
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await narrow.channel.unary_stream(GENERATE)(b"\xff\xff\xff").read()
    assert caught.value.code() is Code.INVALID_ARGUMENT
    assert details_of(caught.value).info.reason == "MALFORMED_REQUEST"
