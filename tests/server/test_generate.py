import asyncio
import json
import logging
from collections.abc import AsyncGenerator
from dataclasses import replace
from typing import Any

import grpc
import pytest

from tests.server import raw_http2
from tests.server.conftest import Node, running, settings
from tests.server.fake_service import FINISHED, MODEL, FakeService, endless, failing, started
from tests.server.rich import details_of
from xapp.domain.answers import Event
from xapp.domain.messages import Priority, SamplingParams
from xapp.domain.requests import Request
from xapp.errors import (
    DeadlineExceeded,
    Exhausted,
    FailedPrecondition,
    InvalidArgument,
    ModelError,
    NotFound,
    Unavailable,
    XappError,
)
from xapp.inference.v1 import inference_pb2 as pb
from xapp.logs import JsonFormatter
from xapp.telemetry.observation import MAX_MODEL_CHARS

GENERATE = "/xapp.inference.v1.InferenceService/Generate"
ASK = pb.GenerateRequest(prompt="hi")


def raw_stream(channel: Any, body: bytes) -> Any:
    return channel.unary_stream(GENERATE)(body)


async def all_of(node: Node, request: pb.GenerateRequest, **options: object) -> list[pb.GenerateResponse]:
    return [event async for event in node.inference.Generate(request, **options)]  # type: ignore[arg-type]


async def _collect(call: Any, into: list[pb.GenerateResponse]) -> None:
    async for event in call:
        into.append(event)


async def _read_on(call: Any) -> None:
    while await call.read():
        pass


async def error_of(node: Node, request: pb.GenerateRequest, **options: object) -> grpc.aio.AioRpcError:
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await all_of(node, request, **options)
    return caught.value


def value(node: Node, name: str, **labels: str) -> float | None:
    return node.metrics.registry.get_sample_value(f"ricxapp_genai_{name}", labels)


async def test_streams_started_chunks_finished(node: Node) -> None:
    events = await all_of(node, pb.GenerateRequest(prompt="hi", correlation_id="abc"))
    assert [event.WhichOneof("event") for event in events] == ["started", "chunk", "chunk", "finished"]
    start, end = events[0].started, events[-1].finished
    assert (start.model, start.model_digest, start.seed, start.correlation_id) == (
        MODEL,
        "sha256:00",
        7,
        "abc",
    )
    assert (start.num_prompt_tokens, start.num_cached_tokens) == (3, 1)
    assert start.queue_duration.ToMilliseconds() == 250
    assert "".join(event.chunk.text for event in events) == "Hello"
    assert end.finish_reason == pb.FINISH_REASON_STOP
    assert end.usage.num_completion_tokens == 2
    assert end.timing.time_to_first_token.ToMilliseconds() == 750
    assert end.timing.decode.ToMilliseconds() == 1500


async def test_request_arrives_whole(node: Node) -> None:
    chat = pb.Chat(messages=[pb.Message(role="user", content="hi")])
    sampling = pb.SamplingParams(temperature=0.5, top_k=4, top_p=0.5, min_p=0.25, repeat_penalty=1.5, seed=9)
    request = pb.GenerateRequest(
        model="m",
        chat=chat,
        sampling=sampling,
        max_tokens=5,
        stop=["END"],
        ignore_eos=True,
        priority=pb.PRIORITY_BATCH,
    )
    await all_of(node, request, timeout=60)
    (got,) = node.service.requests
    assert got.sampling == SamplingParams(0.5, 4, 0.5, 0.25, 1.5)
    assert (got.model, got.max_tokens, got.stop, got.seed) == ("m", 5, ("END",), 9)
    assert got.ignore_eos
    assert got.priority is Priority.BATCH
    assert got.deadline is not None


async def test_no_deadline_is_left_to_the_service(node: Node) -> None:
    await all_of(node, ASK)
    assert node.service.requests[0].deadline is None


async def test_correlation_id_from_metadata_comes_back_in_the_header(node: Node) -> None:
    call = node.inference.Generate(ASK, metadata=(("x-correlation-id", "from-header"),))
    header = await call.initial_metadata()
    assert dict(header)["x-correlation-id"] == "from-header"
    async for _ in call:
        pass
    assert node.service.requests[0].correlation_id == "from-header"


async def test_correlation_id_is_made(node: Node) -> None:
    await all_of(node, ASK)
    await all_of(node, ASK)
    first, second = (request.correlation_id for request in node.service.requests)
    assert first
    assert first != second


ERRORS = [
    (InvalidArgument("prompt", "9 tokens"), grpc.StatusCode.INVALID_ARGUMENT, None),
    (NotFound("no model", metadata={"models": "a,b"}), grpc.StatusCode.NOT_FOUND, None),
    (FailedPrecondition("no"), grpc.StatusCode.FAILED_PRECONDITION, None),
    (Exhausted("full", retry_after_s=1.5), grpc.StatusCode.RESOURCE_EXHAUSTED, 1.5),
    (Unavailable("gone", retry_after_s=0.25), grpc.StatusCode.UNAVAILABLE, 0.25),
    (Unavailable("bye", reason="DRAINING", retry_after_s=2), grpc.StatusCode.UNAVAILABLE, 2),
    (DeadlineExceeded("late"), grpc.StatusCode.DEADLINE_EXCEEDED, None),
    (ModelError("m.gguf: bad"), grpc.StatusCode.FAILED_PRECONDITION, None),
    (XappError("broken"), grpc.StatusCode.INTERNAL, None),
]


@pytest.mark.parametrize(("error", "code", "retry_s"), ERRORS, ids=str)
async def test_status_and_details(
    node: Node, error: XappError, code: grpc.StatusCode, retry_s: float | None
) -> None:
    node.service.script = failing(error)
    failed = await error_of(node, ASK)
    details = details_of(failed)
    assert (failed.code(), failed.details()) == (code, error.message)
    assert (details.info.domain, details.info.reason) == ("genai-xapp", error.reason)
    assert dict(details.info.metadata) == error.metadata
    assert (details.retry and details.retry.retry_delay.ToMilliseconds() / 1000) == retry_s
    assert (details.bad_request is not None) == isinstance(error, InvalidArgument)


async def test_bad_request_names_the_field(node: Node) -> None:
    failed = await error_of(node, pb.GenerateRequest(prompt="x", sampling=pb.SamplingParams(top_p=2)))
    bad = details_of(failed).bad_request
    assert bad is not None
    assert [violation.field for violation in bad.field_violations] == ["sampling.top_p"]
    assert not node.service.requests


async def test_long_texts_are_cut_to_what_clients_accept(node: Node) -> None:
    node.service.script = failing(NotFound("ü" * 9000, metadata={"models": "m," * 9000}))
    failed = await error_of(node, ASK)
    assert failed.code() is grpc.StatusCode.NOT_FOUND
    assert details_of(failed).info.reason == "MODEL_NOT_FOUND"


async def test_a_defect_is_internal_and_tells_nothing(node: Node, caplog: pytest.LogCaptureFixture) -> None:
    node.service.script = failing(ZeroDivisionError("secret"))
    failed = await error_of(node, ASK)
    assert failed.code() is grpc.StatusCode.INTERNAL
    assert "secret" not in (failed.details() or "")
    (record,) = [record for record in caplog.records if record.levelno == logging.ERROR]
    line = json.loads(JsonFormatter().format(record))
    assert "ZeroDivisionError: secret" in line["traceback"]


async def test_error_after_text_keeps_the_text(node: Node) -> None:
    async def script(request):  # type: ignore[no-untyped-def]
        async for event in endless("text")(request):
            yield event
            if len(got) > 1:
                raise Unavailable("worker lost", retry_after_s=1)

    got: list[pb.GenerateResponse] = []
    node.service.script = script
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await _collect(node.inference.Generate(ASK), got)
    assert caught.value.code() is grpc.StatusCode.UNAVAILABLE
    assert got[1].chunk.text == "text"


async def test_cancel_closes_the_service_stream(node: Node) -> None:
    node.service.script = endless("x", asyncio.Event())
    call = node.inference.Generate(ASK)
    await call.read()
    call.cancel()
    await node.service.closed.wait()


async def test_deadline_closes_the_service_stream(node: Node) -> None:
    node.service.script = endless("x", asyncio.Event())
    failed = await error_of(node, ASK, timeout=0.2)
    assert failed.code() is grpc.StatusCode.DEADLINE_EXCEEDED
    await node.service.closed.wait()


async def test_client_that_vanishes_while_written_to_is_no_defect(
    node: Node, caplog: pytest.LogCaptureFixture
) -> None:
    node.service.script = endless("x" * 1000)
    async with grpc.aio.insecure_channel(f"127.0.0.1:{node.port}") as channel:
        call = raw_stream(channel, ASK.SerializeToString())
        await call.read()
    await node.service.closed.wait()
    node.service.script = FakeService.script
    assert len(await all_of(node, ASK)) == 4
    assert value(node, "requests_total", model=MODEL, code="CANCELLED") == 1
    assert not [record for record in caplog.records if record.levelno >= logging.WARNING]


async def test_slow_reader_is_ended_and_told() -> None:
    service = FakeService(script=endless("x" * 60_000))
    async with running(service, settings(write_timeout_s=0.2)) as node:
        call = node.inference.Generate(ASK)
        await call.read()
        await service.closed.wait()
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await _read_on(call)
        assert caught.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
        assert details_of(caught.value).info.reason == "SLOW_READER"
        assert "XAPP_WRITE_TIMEOUT_S" in (caught.value.details() or "")
        assert value(node, "requests_total", model=MODEL, code="RESOURCE_EXHAUSTED") == 1


async def test_oversize_message_is_refused_and_the_connection_lives() -> None:
    async with running(FakeService(), settings(max_message_bytes=2048)) as node:
        failed = await error_of(node, pb.GenerateRequest(prompt="x" * 4096))
        assert failed.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
        assert len(await all_of(node, ASK)) == 4


@pytest.mark.parametrize("body", [b"\xff\xff\xff", b"\x12\x02\xc3\x28"], ids=["garbage", "prompt not UTF-8"])
async def test_malformed_message_is_the_callers_error(node: Node, body: bytes) -> None:
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await raw_stream(node.channel, body).read()
    assert caught.value.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert details_of(caught.value).info.reason == "MALFORMED_REQUEST"


@pytest.mark.parametrize(
    ("name", "expected"), [(b"x-correlation-id", b"metadata.x-correlation-id: must be"), (b"x-other", b"Hel")]
)
async def test_metadata_that_is_not_utf8_does_no_harm(node: Node, name: bytes, expected: bytes) -> None:
    answer = await raw_http2.call(node.port, GENERATE, ASK.SerializeToString(), [(name, b"\xc3\x28\xff")])
    assert expected in answer
    assert len(await all_of(node, ASK)) == 4


async def test_raw_call_reaches_the_service(node: Node) -> None:
    answer = await raw_http2.call(node.port, GENERATE, ASK.SerializeToString(), [])
    assert b"Hel" in answer


async def test_bad_correlation_id_in_metadata(node: Node) -> None:
    failed = await error_of(node, ASK, metadata=(("x-correlation-id", "x" * 200),))
    assert failed.code() is grpc.StatusCode.INVALID_ARGUMENT
    bad = details_of(failed).bad_request
    assert bad is not None
    assert bad.field_violations[0].field == "metadata.x-correlation-id"


async def test_counts(node: Node) -> None:
    await all_of(node, ASK)
    await error_of(node, pb.GenerateRequest(prompt="", model="no-such-model"))
    assert value(node, "requests_total", model=MODEL, code="OK") == 1
    assert value(node, "requests_total", model="", code="INVALID_ARGUMENT") == 1
    assert value(node, "tokens_total", model=MODEL, kind="prompt") == 3
    assert value(node, "tokens_total", model=MODEL, kind="cached") == 1
    assert value(node, "tokens_total", model=MODEL, kind="completion") == 2
    assert value(node, "rpc_errors_total", method=GENERATE, code="INVALID_ARGUMENT") == 1
    assert value(node, "request_duration_seconds_count", model=MODEL) == 1


@pytest.mark.parametrize("log_prompts", [False, True])
async def test_one_log_line_a_request(caplog: pytest.LogCaptureFixture, log_prompts: bool) -> None:
    caplog.set_level(logging.INFO)
    async with running(FakeService(), settings(log_prompts=log_prompts)) as node:
        await all_of(node, pb.GenerateRequest(prompt="a secret prompt"))
    (record,) = [record for record in caplog.records if record.name == "xapp.request"]
    line = json.loads(JsonFormatter().format(record))
    expected = {"msg": "request", "model": MODEL, "finish_reason": "stop", "code": "OK"}
    assert expected.items() <= line.items()
    assert line["num_completion_tokens"] == 2
    assert line["time_to_first_token_s"] == 0.75
    everything = " ".join(JsonFormatter().format(record) for record in caplog.records)
    assert ("a secret prompt" in everything) == log_prompts


async def test_the_log_has_the_beginning_of_the_model_asked_for(
    node: Node, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    node.service.script = failing(NotFound("no such model"))
    with pytest.raises(grpc.aio.AioRpcError):
        await all_of(node, pb.GenerateRequest(prompt="hi", model="m" * 100_000))
    (record,) = [record for record in caplog.records if record.name == "xapp.request"]
    assert vars(record)["fields"]["model"] == "m" * MAX_MODEL_CHARS


async def test_guesses_are_told_where_there_were_any(node: Node) -> None:
    assert not (await all_of(node, ASK))[-1].finished.HasField("speculation")

    async def drafted(request: Request) -> AsyncGenerator[Event, None]:
        yield started(request)
        yield replace(FINISHED, num_drafted=9, num_accepted=6)

    node.service.script = drafted
    told = (await all_of(node, ASK))[-1].finished.speculation
    assert (told.num_drafted_tokens, told.num_accepted_tokens) == (9, 6)
