"""POST /v1/chat/completions: answers, streams, and the request that the service gets."""

from time import monotonic
from typing import Any

import pytest

from tests.gateway.gateways import CHAT, HELLO, Gateway, running
from tests.server.fake_service import MODEL, FakeService, failing
from xapp.domain.answers import Chunk
from xapp.domain.chat import ChatMessage
from xapp.domain.format_kinds import JsonSchema
from xapp.domain.priority import Priority
from xapp.domain.requests import DeadlinePolicy, Request
from xapp.domain.task_call import TaskCall
from xapp.errors import DeadlineExceeded, Exhausted, InvalidArgument, NotFound, Unavailable, XappError

USAGE = {
    "prompt_tokens": 3,
    "completion_tokens": 2,
    "total_tokens": 5,
    "prompt_tokens_details": {"cached_tokens": 1},
    "completion_tokens_details": {"reasoning_tokens": 0},
    "queue_ms": 250.0,
    "time_to_first_token_ms": 750.0,
    "prefill_ms": 500.0,
    "decode_ms": 1500.0,
}


async def test_a_whole_answer(gateway: Gateway) -> None:
    answer = await gateway.chat()
    assert answer.status == 200
    (choice,) = answer.body["choices"]
    assert choice["message"] == {"role": "assistant", "content": "Hello", "refusal": None}
    assert choice["finish_reason"] == "stop"
    assert answer.body["usage"] == USAGE
    assert (answer.body["object"], answer.body["model"]) == ("chat.completion", MODEL)
    assert answer.headers["x-queue-ms"] == "250"
    assert answer.headers["x-cached-tokens"] == "1"


async def test_a_stream(gateway: Gateway) -> None:
    answer = await gateway.chat(stream=True, stream_options={"include_usage": True})
    *chunks, usage = answer.events
    deltas = [chunk["choices"][0]["delta"] for chunk in chunks]
    assert deltas == [{"role": "assistant", "content": ""}, {"content": "Hel"}, {"content": "lo"}, {}]
    assert [chunk["choices"][0]["finish_reason"] for chunk in chunks] == [None, None, None, "stop"]
    assert {chunk["object"] for chunk in chunks} == {"chat.completion.chunk"}
    assert all(chunk["usage"] is None for chunk in chunks)
    assert (usage["choices"], usage["usage"]) == ([], USAGE)
    assert answer.headers["content-type"].startswith("text/event-stream")


async def test_a_stream_has_no_usage_unless_it_is_asked_for(gateway: Gateway) -> None:
    answer = await gateway.chat(stream=True)
    assert all("usage" not in chunk for chunk in answer.events)


async def test_a_text_with_every_escape_arrives_whole() -> None:
    text = '"\\\n\x00\u2028é😀</script>\x00text\x00'

    async def script(request: Request) -> Any:
        async for event in FakeService().generate(request):
            yield Chunk(text, 1) if isinstance(event, Chunk) else event

    async with running(FakeService(script)) as gateway:
        answer = await gateway.chat(stream=True)
    assert answer.events[1]["choices"][0]["delta"]["content"] == text


async def test_what_the_service_is_asked(gateway: Gateway) -> None:
    before = monotonic()
    schema = {"type": "object", "properties": {"a": {"type": "integer"}}}
    named = {"name": "x", "schema": schema, "strict": True}
    await gateway.chat(
        model=MODEL,
        messages=[
            {"role": "developer", "content": "Be brief."},
            {"role": "user", "content": [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]},
            {"role": "assistant", "content": "c", "refusal": None, "annotations": [], "tool_calls": None},
            {"role": "user", "content": "d"},
        ],
        temperature=0.5,
        top_p=0.9,
        top_k=7,
        min_p=0.1,
        repeat_penalty=1.5,
        seed=3,
        stop="END",
        presence_penalty=0.5,
        frequency_penalty=-1,
        logit_bias={"7": -100, "3": 1.5},
        logprobs=True,
        top_logprobs=2,
        max_reasoning_tokens=40,
        max_completion_tokens=9,
        response_format={"type": "json_schema", "json_schema": named},
        user="ue-7",
        deadline_ms=60_000,
        deadline_policy="best_effort",
        priority="batch",
        max_token_gap_ms=50,
        correlation_id="loop-7",
        deterministic=True,
        ignore_eos=True,
    )
    (request,) = gateway.service.requests
    assert request.prompt == (
        ChatMessage("system", "Be brief."),
        ChatMessage("user", "ab"),
        ChatMessage("assistant", "c"),
        ChatMessage("user", "d"),
    )
    sampling = request.sampling
    assert (sampling.temperature, sampling.top_p, sampling.top_k) == (0.5, 0.9, 7)
    assert (sampling.min_p, sampling.repeat_penalty) == (0.1, 1.5)
    assert (sampling.presence_penalty, sampling.frequency_penalty) == (0.5, -1.0)
    assert sampling.logit_bias == ((3, 1.5), (7, -100.0))
    assert (sampling.top_log_probabilities, sampling.max_reasoning_tokens) == (2, 40)
    assert (request.seed, request.stop, request.max_tokens, request.client) == (3, ("END",), 9, "ue-7")
    assert isinstance(request.format, JsonSchema)
    assert '"integer"' in request.format.text
    assert request.deadline is not None
    assert before + 59 < request.deadline < monotonic() + 60
    assert request.deadline_policy is DeadlinePolicy.BEST_EFFORT
    assert (request.priority, request.max_gap_s) == (Priority.BATCH, 0.05)
    assert (request.correlation_id, request.deterministic, request.ignore_eos) == ("loop-7", True, True)


async def test_the_defaults_are_the_dialects(gateway: Gateway) -> None:
    await gateway.chat(temperature=None, stop=None, seed=None, max_tokens=None)
    (request,) = gateway.service.requests
    assert (request.sampling.temperature, request.sampling.top_p) == (1.0, 1.0)
    assert (request.seed, request.max_tokens, request.deadline, request.format) == (None, None, None, None)
    assert (request.priority, request.client, request.scope) == (Priority.INTERACTIVE, "", "")


async def test_headers_say_the_same_and_fields_win(gateway: Gateway) -> None:
    headers = {"X-Deadline-Ms": "60000", "X-Deadline-Policy": "best_effort", "X-Priority": "batch"}
    names = {"X-Correlation-Id": "loop-8", "X-Client-Id": "planner"}
    answer = await gateway.post(CHAT, HELLO | {"priority": "critical"}, **headers, **names)
    (request,) = gateway.service.requests
    assert request.deadline is not None
    assert request.deadline_policy is DeadlinePolicy.BEST_EFFORT
    assert request.priority is Priority.CRITICAL
    assert (request.correlation_id, request.client) == ("loop-8", "planner")
    assert answer.headers["x-correlation-id"] == answer.headers["x-request-id"] == "loop-8"


async def test_a_task_makes_the_prompt(gateway: Gateway) -> None:
    await gateway.post(CHAT, {"messages": [], "task": "triage@2", "inputs": {"a": 1}})
    (request,) = gateway.service.requests
    assert request.task == TaskCall("triage@2", {"a": 1}, None, None)
    assert request.prompt == ()


async def test_json_object_is_any_object(gateway: Gateway) -> None:
    await gateway.chat(response_format={"type": "json_object"})
    assert gateway.service.requests[0].format == JsonSchema('{"type":"object"}')


TOO_LONG = InvalidArgument("chat", "no", reason="PROMPT_TOO_LONG")
FAILURES = [
    (InvalidArgument("chat.messages[0].role", "no"), (400, "invalid_argument", "messages[0].role"), None),
    (InvalidArgument("sampling.top_k", "no"), (400, "invalid_argument", "top_k"), None),
    (TOO_LONG, (400, "context_length_exceeded", "messages"), None),
    (NotFound("no"), (404, "model_not_found", None), None),
    (Exhausted("no", retry_after_s=2.2), (429, "queue_full", None), "3"),
    (Exhausted("no", reason="DEADLINE_TOO_SHORT"), (429, "deadline_too_short", None), None),
    (Unavailable("no", retry_after_s=0.1), (503, "worker_lost", None), "1"),
    (DeadlineExceeded("no"), (504, "deadline_exceeded", None), None),
    (XappError("no"), (500, "internal", None), None),
    (RuntimeError("secret"), (500, "internal", None), None),
]


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize(("error", "expected", "retry_after"), FAILURES, ids=lambda value: str(value)[:40])
async def test_an_error_before_the_answer_is_the_dialects(
    stream: bool, error: Exception, expected: tuple[int, str, str | None], retry_after: str | None
) -> None:
    async with running(FakeService(failing(error))) as gateway:
        answer = await gateway.chat(stream=stream)
    assert answer.error == expected
    assert "secret" not in str(answer.body)
    assert answer.headers.get("retry-after") == retry_after
    assert answer.headers.get("x-should-retry") == (None if retry_after else "false")


async def test_an_error_in_mid_stream_is_an_event() -> None:
    async def script(request: Request) -> Any:
        async for event in FakeService().generate(request):
            yield event
            if isinstance(event, Chunk):
                raise Unavailable("the worker was lost", retry_after_s=1.0)

    async with running(FakeService(script)) as gateway:
        answer = await gateway.chat(stream=True)
    last = answer.body.strip().rpartition("\n\n")[2]
    assert '"code":"worker_lost"' in last
    assert "[DONE]" not in answer.body
