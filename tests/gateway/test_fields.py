"""What a request must not say: each refused with the dialect's error object, by name."""

import json
from typing import Any

import pytest

from tests.gateway.gateways import CHAT, HELLO, Gateway
from xapp.gateway import chat_request, completion_request

MESSAGE = {"role": "user", "content": "hi"}
IMAGE = {"type": "image_url", "image_url": {"url": "data:image/png;base64,AA"}}
DEEP: dict[str, Any] = {"a": [[[[[[[[[[[[[[[[[]]]]]]]]]]]]]]]]]}


def said(**message: Any) -> dict[str, Any]:
    return {"messages": [MESSAGE | message]}


REFUSED: list[tuple[dict[str, Any], str, str]] = [
    ({"temprature": 1}, "unknown_field", "temprature"),
    ({"n": 10_000}, "invalid_argument", "n"),
    ({"n": 17}, "invalid_argument", "n"),
    ({"max_reasoning_tokens": -1}, "invalid_argument", "max_reasoning_tokens"),
    ({"n": 0}, "invalid_argument", "n"),
    ({"presence_penalty": 2.5}, "invalid_argument", "presence_penalty"),
    ({"frequency_penalty": "x"}, "invalid_argument", "frequency_penalty"),
    ({"logit_bias": {"a": 1}}, "invalid_argument", "logit_bias"),
    ({"logit_bias": {"-1": 1}}, "invalid_argument", "logit_bias"),
    ({"logit_bias": {"1": 101}}, "invalid_argument", "logit_bias[...]"),
    ({"logit_bias": {str(token): 1 for token in range(301)}}, "invalid_argument", "logit_bias"),
    ({"logprobs": 3}, "invalid_argument", "logprobs"),
    ({"top_logprobs": 3}, "invalid_argument", "top_logprobs"),
    ({"logprobs": True, "top_logprobs": 21}, "invalid_argument", "top_logprobs"),
    ({"temperature": "hot"}, "invalid_argument", "temperature"),
    ({"temperature": 3}, "invalid_argument", "temperature"),
    ({"temperature": True}, "invalid_argument", "temperature"),
    ({"top_p": 0}, "invalid_argument", "top_p"),
    ({"max_tokens": 0}, "invalid_argument", "max_tokens"),
    ({"max_tokens": 1.5}, "invalid_argument", "max_tokens"),
    ({"max_tokens": 1, "max_completion_tokens": 2}, "invalid_argument", "max_tokens"),
    ({"seed": -1}, "invalid_argument", "seed"),
    ({"seed": 2**40}, "invalid_argument", "seed"),
    ({"stop": ["a"] * 17}, "invalid_argument", "stop"),
    ({"stop": [""]}, "invalid_argument", "stop[0]"),
    ({"stop": [1]}, "invalid_argument", "stop[0]"),
    ({"stream": "yes"}, "invalid_argument", "stream"),
    ({"stream_options": {"include_usage": True}}, "invalid_argument", "stream_options"),
    ({"stream": True, "stream_options": {"usage": True}}, "unknown_field", "stream_options.usage"),
    ({"messages": []}, "invalid_argument", "messages"),
    ({"messages": None}, "invalid_argument", "messages"),
    ({"messages": "hi"}, "invalid_argument", "messages"),
    ({"messages": [MESSAGE] * 1001}, "invalid_argument", "messages"),
    ({"messages": [MESSAGE, {}]}, "invalid_argument", "messages[1].role"),
    (said(role="root"), "invalid_argument", "messages[0].role"),
    (said(content=None), "invalid_argument", "messages[0].content"),
    (said(content=7), "invalid_argument", "messages[0].content"),
    (said(content=[IMAGE]), "not_text", "messages[0].content[0]"),
    (said(content=[{"type": "text", "text": "a", "x": 1}]), "unknown_field", "messages[0].content[0].x"),
    (said(content=[{"type": "text", "text": 1}]), "invalid_argument", "messages[0].content[0].text"),
    (said(mood="glad"), "unknown_field", "messages[0].mood"),
    (said(name="bob"), "unsupported_field", "messages[0].name"),
    (said(role="assistant", refusal="no"), "unsupported_field", "messages[0].refusal"),
    (said(role="assistant", audio={"id": "a"}), "unsupported_field", "messages[0].audio"),
    (said(role="assistant", function_call={"name": "a"}), "unsupported_field", "messages[0].function_call"),
    ({"response_format": {"type": "yaml"}}, "invalid_argument", "response_format.type"),
    ({"response_format": {"type": "json_schema"}}, "invalid_argument", "response_format.json_schema"),
    ({"response_format": "json"}, "invalid_argument", "response_format"),
    ({"user": "x" * 129}, "invalid_argument", "user"),
    ({"deadline_ms": 0}, "invalid_argument", "deadline_ms"),
    ({"deadline_policy": "never"}, "invalid_argument", "deadline_policy"),
    ({"priority": "first"}, "invalid_argument", "priority"),
    ({"correlation_id": "a\nb"}, "invalid_argument", "correlation_id"),
    ({"inputs": {}}, "invalid_argument", "inputs"),
    ({"messages": [], "task": "t", "inputs": []}, "invalid_argument", "inputs"),
    ({"messages": [], "task": "t", "inputs": {"a": "x" * 70_000}}, "invalid_argument", "inputs"),
    ({"messages": [], "task": "t", "inputs": DEEP}, "invalid_argument", "inputs"),
    ({"messages": [], "task": "t", "inputs": {"a": [10**30]}}, "invalid_argument", "inputs"),
    ({"task": "t"}, "invalid_argument", "messages"),
    ({"model": "m" * 300}, "invalid_argument", "model"),
]


@pytest.mark.parametrize(("fields", "code", "param"), REFUSED, ids=lambda value: str(value)[:40])
async def test_refused_by_name(gateway: Gateway, fields: dict[str, Any], code: str, param: str) -> None:
    answer = await gateway.chat(**fields)
    assert answer.error == (400, code, param)
    assert gateway.service.requests == []


async def test_an_unknown_field_has_its_near_match(gateway: Gateway) -> None:
    answer = await gateway.chat(temprature=1)
    assert "did you mean temperature?" in answer.body["error"]["message"]


@pytest.mark.parametrize("name", sorted(chat_request.UNSUPPORTED))
async def test_what_the_dialect_has_and_this_service_has_not(gateway: Gateway, name: str) -> None:
    assert (await gateway.chat(**{name: {"x": 1}})).error == (400, "unsupported_field", name)
    for value in (None, *chat_request.UNSUPPORTED[name].harmless):
        assert (await gateway.chat(**{name: value})).status == 200


@pytest.mark.parametrize("name", sorted(completion_request.UNSUPPORTED))
async def test_plain_completions_likewise(gateway: Gateway, name: str) -> None:
    answer = await gateway.post("/v1/completions", {"prompt": "a", name: {"x": 1}})
    assert answer.error == (400, "unsupported_field", name)


NO_JSON = [b"", b"{", b"[]", b"null", b'"a"', b"\xff\xfe{}", b'{"a":']
NO_JSON += [b"[" * 100_000, b'{"inputs":' * 100_000]


@pytest.mark.parametrize("body", NO_JSON, ids=lambda body: repr(body[:12]))
async def test_no_json(gateway: Gateway, body: bytes) -> None:
    answer = await gateway.post(CHAT, body)
    assert answer.error[0] == 400
    assert gateway.service.requests == []


@pytest.mark.parametrize("field", ["messages", "response_format", "metadata", "tools"])
async def test_a_field_that_nests_deeply(gateway: Gateway, field: str) -> None:
    deep = b'{"' + field.encode() + b'":' + b"[" * 50_000 + b"]" * 50_000 + b"}"
    assert (await gateway.post(CHAT, deep)).status == 400


@pytest.mark.parametrize("value", ["1", "-1", "nan", "1e99", "soon"])
async def test_a_deadline_in_a_header(gateway: Gateway, value: str) -> None:
    answer = await gateway.post(CHAT, HELLO, **{"X-Deadline-Ms": value})
    expected = 200 if value == "1" else 400
    assert answer.status == expected


async def test_bodies_are_json_by_their_header(gateway: Gateway) -> None:
    data = json.dumps(HELLO).encode()
    for headers in ({"Content-Type": "text/plain"}, {"Content-Encoding": "gzip"}):
        assert (await gateway.post(CHAT, data, **headers)).error[:2] == (415, "not_json")


async def test_hops_are_counted_here_too(gateway: Gateway) -> None:
    await gateway.post(CHAT, HELLO, **{"x-xapp-hops": "1"})
    await gateway.chat()
    assert [request.hops for request in gateway.service.requests] == [1, 0]
    refused = await gateway.post(CHAT, HELLO, **{"x-xapp-hops": "none"})
    assert refused.error[0] == 400
